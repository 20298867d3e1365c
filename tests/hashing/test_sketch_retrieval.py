"""Sketch retrieval against its definitions, by explicit loops."""

import math

import numpy as np
import pytest
import torch

from bitgrove.hashing import Described, SketchLoss, SketchNetwork, accuracy_at, sketch_distances


def described(n, seed, d=4, a=3):
    rng = np.random.default_rng(seed)
    return Described(
        torch.tensor(rng.normal(size=(n, d)), dtype=torch.float32, requires_grad=True),
        torch.tensor(rng.normal(0, 2, (n, a)), dtype=torch.float32, requires_grad=True),
    )


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def l2(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def apart(a, b):
    return sum((sigmoid(x) - sigmoid(y)) ** 2 for x, y in zip(a, b, strict=True)) / len(a)


def test_the_loss_is_its_three_terms():
    parts = [described(6, seed) for seed in range(3)]
    truths = [torch.tensor(np.random.default_rng(9 + i).integers(0, 2, (6, 3))) for i in range(3)]
    e = [part.embedding.tolist() for part in parts]
    a = [part.attributes.tolist() for part in parts]
    ranking = [max(0, 0.8 + l2(*pn[:2]) - l2(pn[0], pn[2])) for pn in zip(*e, strict=True)]
    by = [max(0, 0.1 + apart(s, p) - apart(s, n)) for s, p, n in zip(*a, strict=True)]
    naming = 0.0
    for logits, truth in zip(a, truths, strict=True):
        naming -= np.mean(
            [
                math.log(sigmoid(x) if t else 1 - sigmoid(x))
                for row, wanted in zip(logits, truth.tolist(), strict=True)
                for x, t in zip(row, wanted, strict=True)
            ]
        )
    assert 0 < sum(r > 0 for r in ranking) < 6
    assert 0 < sum(b > 0 for b in by) < 6
    loss = SketchLoss(margin=0.8, attribute_weight=0.3, ranking_weight=2.0)
    value = loss(*parts, *truths)
    wanted = np.mean(ranking) + 0.3 * naming + 2 * np.mean(by)
    assert value.item() == pytest.approx(wanted, rel=1e-4)
    value.backward()
    assert all(t.grad.abs().sum() > 0 for part in parts for t in part)


def test_equal_embeddings_have_a_finite_gradient():
    rows = torch.ones(2, 4, requires_grad=True)
    same = Described(rows, torch.zeros(2, 3))
    truth = torch.zeros(2, 3)
    SketchLoss()(same, same, same, truth, truth, truth).backward()
    assert torch.isfinite(rows.grad).all()


def test_distances_are_those_of_embeddings_and_of_attributes_if_wanted():
    a, b = described(3, 0), described(5, 1)
    plain, both = sketch_distances(a, b), sketch_distances(a, b, attribute_weight=0.7)
    for i in range(3):
        for j in range(5):
            d = l2(a.embedding[i].tolist(), b.embedding[j].tolist())
            assert plain[i, j] == pytest.approx(d)
            more = 0.7 * apart(a.attributes[i].tolist(), b.attributes[j].tolist())
            assert both[i, j] == pytest.approx(d + more)


def test_accuracy_counts_queries_and_shares_ties():
    distances = [[0, 1, 2, 3], [0, 1, 2, 3], [5, 5, 5, 9], [1, 0, 0, 0]]
    answers = [0, 2, 1, 0]
    found = accuracy_at(distances, answers, (1, 2, 3, 4))
    assert [found[k].value for k in (1, 2, 3, 4)] == pytest.approx(
        [(1 + 0 + 1 / 3 + 0) / 4, (1 + 0 + 2 / 3 + 0) / 4, (1 + 1 + 1 + 0) / 4, 1.0]
    )


def test_the_interval_is_that_of_a_share_of_so_many_queries():
    """115 queries at one half: about 9 points to each side."""
    rng = np.random.default_rng(0)
    distances = rng.random((115, 20))
    right = np.arange(115) % 2 == 0
    answers = np.where(right, distances.argmin(1), distances.argmax(1))
    found = accuracy_at(distances, answers, (1,))[1]
    assert found.value == pytest.approx(58 / 115)
    assert found.high - found.value == pytest.approx(0.09, abs=0.015)
    assert found.value - found.low == pytest.approx(0.09, abs=0.015)
    assert accuracy_at(distances, answers, (1,))[1] == found
    together = accuracy_at(np.repeat(distances, 5, 0), np.repeat(answers, 5), (1,))[1]
    grouped = accuracy_at(
        np.repeat(distances, 5, 0), np.repeat(answers, 5), (1,), groups=np.repeat(range(115), 5)
    )[1]
    assert together.high - together.low < 0.6 * (found.high - found.low)  # five times as sure
    assert grouped.high - grouped.low == pytest.approx(found.high - found.low, abs=0.02)


def test_a_network_learns_which_photograph_was_drawn():
    """Boxes at places of their own; a sketch is the outline, moved a little and with gaps."""
    rng = np.random.default_rng(0)

    def picture(at, size, gaps):
        lines = np.zeros((32, 32), np.float32)
        y, x = at
        lines[y : y + size, [x, x + size]] = 1
        lines[[y, y + size], x : x + size + 1] = 1
        return lines * (rng.random((32, 32)) > gaps)

    kinds = [((y, x), size) for y in (4, 14) for x in (4, 14) for size in (6, 12)]
    photographs = torch.tensor(np.stack([picture(*kind, 0.0) for kind in kinds]))[:, None]
    attributes = torch.tensor([[y > 9, x > 9, size > 9] for (y, x), size in kinds]).float()
    torch.manual_seed(0)
    network = SketchNetwork(3, embedding=8, width=4)
    loss, optimizer = SketchLoss(), torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(40):
        drawn = torch.tensor(np.stack([picture(*kind, 0.3) for kind in kinds]))[:, None]
        other = (np.arange(8) + rng.integers(1, 8, 8)) % 8
        said = [network(x) for x in (drawn, photographs, photographs[other])]
        optimizer.zero_grad()
        loss(*said, attributes, attributes, attributes[other]).backward()
        optimizer.step()
    network.eval()
    drawn = torch.tensor(np.stack([picture(*kind, 0.3) for kind in kinds * 3]))[:, None]
    with torch.no_grad():
        sketches, gallery = network(drawn), network(photographs)
    torch.testing.assert_close(sketches.embedding.norm(dim=1), torch.ones(24))
    distances = sketch_distances(sketches, gallery, attribute_weight=1.0)
    found = accuracy_at(distances, np.tile(np.arange(8), 3), (1, 3))
    assert found[1].value > 0.7  # 0.125 by chance
    assert found[3].value >= found[1].value
    named = ((sketches.attributes > 0) == attributes.repeat(3, 1).bool()).float().mean()
    assert named > 0.85


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SketchLoss(margin=-1), "margin must be finite and at least 0, got -1"),
        (lambda: SketchNetwork(0), "attributes must be at least 1, got 0"),
        (lambda: accuracy_at(np.zeros((0, 3)), []), "with a query at least"),
        (lambda: accuracy_at([[0.0, np.nan]], [0]), "must not hold NaN"),
        (lambda: accuracy_at([[0.0, 1]], [2]), "answers must be numbers of the 2 items"),
        (lambda: accuracy_at([[0.0, 1]], [0], (0,)), "k must be at least 1, got 0"),
        (lambda: accuracy_at([[0.0, 1]], [0], groups=[0, 1]), "groups must be one for each query"),
        (
            lambda: sketch_distances(described(2, 0, d=4), described(2, 0, d=5)),
            "must be described by one network",
        ),
        (
            lambda: SketchLoss()(
                *(described(n, 0) for n in (2, 2, 3)), *(torch.zeros(2, 3) for _ in range(3))
            ),
            "need embeddings",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
