"""Losses and semi-hard triplets against explicit loops in float64."""

import itertools

import numpy as np
import pytest
import torch

from bitgrove.mining import (
    ClassSampler,
    global_loss,
    quarter_distances,
    semi_hard_triplets,
    triplet_loss,
    violations,
)


@pytest.fixture
def units():
    """Anchors, positives and negatives: 3 x 20 unit vectors in float64."""
    rows = torch.randn(3, 20, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(rows, dim=2)


def quarter(a, b):
    return sum((x - y) ** 2 for x, y in zip(a.tolist(), b.tolist(), strict=True)) / 4


def test_losses_are_their_definitions(units):
    anchors, positives, negatives = units
    near = [quarter(a, b) for a, b in zip(anchors, positives, strict=True)]
    far = [quarter(a, b) for a, b in zip(anchors, negatives, strict=True)]
    assert all(0 < value < 1 for value in near + far)
    found = quarter_distances(anchors, positives), quarter_distances(anchors, negatives)
    assert found[0].tolist() == pytest.approx(near, abs=1e-15)
    assert found[1].tolist() == pytest.approx(far, abs=1e-15)

    hinges = [max(0.0, n - f + 0.3) for n, f in zip(near, far, strict=True)]
    assert 0 < hinges.count(0.0) < 15
    assert float(triplet_loss(*found, margin=0.3)) == pytest.approx(sum(hinges) / 20, abs=1e-15)
    assert violations(*found, margin=0.3) == 20 - hinges.count(0.0)

    means = sum(near) / 20, sum(far) / 20
    spreads = [
        sum((v - mean) ** 2 for v in values) / 20
        for values, mean in zip((near, far), means, strict=True)
    ]
    for margin in (0.01, 0.5):
        hinge = max(0.0, means[0] - means[1] + margin)
        expected = sum(spreads) + 0.7 * hinge
        found_loss = float(global_loss(*found, margin=margin, weight=0.7))
        assert found_loss == pytest.approx(expected, abs=1e-15)
    assert hinge > 0


def test_gradients_are_those_of_finite_differences(units):
    def loss(a, p, n):
        near, far = quarter_distances(a, p), quarter_distances(a, n)
        return triplet_loss(near, far) + global_loss(near, far, margin=0.5)

    torch.autograd.gradcheck(loss, [part[:4].clone().requires_grad_() for part in units])


def semi_hard_by_loops(rows, labels):
    found = []
    for a, p in itertools.product(range(len(rows)), repeat=2):
        if a == p or labels[a] != labels[p]:
            continue
        negatives = [n for n in range(len(rows)) if labels[n] != labels[a]]
        if not negatives:
            continue
        distance = [float(np.linalg.norm(rows[a] - row)) for row in rows]
        farther = [n for n in negatives if distance[n] > distance[p]]
        if farther:
            found.append((a, p, min(farther, key=distance.__getitem__), True))
        else:
            found.append((a, p, max(negatives, key=distance.__getitem__), False))
    return found


def test_semi_hard_triplets_are_those_of_the_loops():
    rng = np.random.default_rng(0)
    kinds = set()
    for _ in range(10):
        rows, labels = rng.normal(size=(14, 2)), rng.integers(0, 4, 14)
        expected = semi_hard_by_loops(rows, labels)
        found = semi_hard_triplets(torch.from_numpy(rows), torch.from_numpy(labels))
        assert [part.tolist() for part in found] == [
            list(column) for column in list(zip(*expected, strict=True))[:3]
        ]
        kinds |= {kind for *_, kind in expected}
    assert kinds == {True, False}


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]])
def test_a_batch_without_pairs_or_without_negatives_has_no_triplets(labels):
    found = semi_hard_triplets(torch.randn(3, 2), torch.tensor(labels))
    assert [len(part) for part in found] == [0, 0, 0]


def test_a_class_sampler_fills_batches_with_distinct_classes():
    labels = np.repeat([3, 5, 8, 9, 1], [4, 2, 7, 5, 3])
    sampler = ClassSampler(labels, classes=3, images=3, batches=40, seed=1)
    rows = np.array(list(sampler)).reshape(40, 3, 3)
    assert len(sampler) == rows.size
    shown = labels[rows]
    assert (shown == shown[..., :1]).all()
    assert all(len(set(batch)) == 3 for batch in shown[..., 0].tolist())
    assert all(len(set(group)) == 3 for batch in rows.tolist() for group in batch)
    assert set(rows.ravel()) == set(np.flatnonzero(labels != 5))  # which has two images
    assert list(sampler) == rows.ravel().tolist()
    sampler.set_epoch(1)
    assert list(sampler) != rows.ravel().tolist()
    with pytest.raises(ValueError, match="needs as many such classes, got 1"):
        ClassSampler(labels, classes=2, images=6, batches=1)
