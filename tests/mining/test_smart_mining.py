"""The triplets are those of the paper's algorithm 1, and the controller is least squares."""

import numpy as np
import pytest

from bitgrove.interfaces import Neighbours
from bitgrove.mining import KappaController, RandomMiner, SmartMiner
from bitgrove.mining._algorithm import triplets_of_lists
from bitgrove.mining._triplets import ClassRows

from .definition import lists_of, mined


def clouds(seed, classes=8, each=9, dim=3, spread=0.8):
    """Overlapping classes of random sizes, in a random order."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes) * 3 + 5, rng.integers(2, each + 1, classes))
    labels = np.append(rng.permutation(labels), 99)  # and one that is alone
    centres = rng.normal(size=(100, dim))
    return (centres[labels] + spread * rng.normal(size=(len(labels), dim))).astype("f4"), labels


@pytest.mark.parametrize("kappa", [1.0, 1.7, 4.0])
@pytest.mark.parametrize("k", [3, 7, 25])
def test_triplets_are_those_of_the_papers_loops(kappa, k):
    kinds = {"behind": 0, "outside": 0, "random": 0, "none": 0}
    for seed in range(4):
        rows, labels = clouds(seed)
        classes = ClassRows(labels)
        anchors = classes.anchors
        distances, ids = lists_of(rows, k)
        rng = np.random.default_rng(seed)
        wanted = rng.integers(0, 5, (len(anchors), 2))
        found = triplets_of_lists(
            Neighbours(distances[anchors], ids[anchors]), anchors, classes, wanted, kappa, rng
        )
        place = 0
        for row, anchor in enumerate(anchors):
            expected = mined(anchor, distances[anchor], ids[anchor], labels, kappa, wanted[row, 0])
            for negative, positives in expected:
                assert found.mined[place]
                assert (found.anchors[place], found.negatives[place]) == (anchor, negative)
                assert found.positives[place] in positives
                kinds["behind" if len(positives) == 1 else "outside"] += 1
                place += 1
            for _ in range(wanted[row].sum() - len(expected)):
                assert not found.mined[place]
                assert found.anchors[place] == anchor
                assert found.positives[place] != anchor
                assert labels[found.positives[place]] == labels[anchor]
                assert labels[found.negatives[place]] != labels[anchor]
                kinds["random"] += 1
                place += 1
            kinds["none"] += len(expected) < wanted[row, 0]
        assert place == len(found.anchors)
    assert kinds["random"] > 20
    assert kinds["none"] > 5
    assert kinds["behind"] > {3: -1, 7: 12, 25: 150}[k]
    assert kinds["outside"] > {3: 6, 7: 10, 25: 2}[k] or (k, kappa) == (3, 4.0)  # nothing to mine


def test_mined_triplets_violate_and_use_every_negative_once():
    rows, labels = clouds(1, classes=6, each=30)
    miner = SmartMiner(labels, per_anchor=6, kappa=1.2, neighbours=20, warmup=0, index="flat")
    found = miner.mine(rows, epoch=0)
    anchors, positives, negatives = (part[found.mined] for part in found[:3])
    near, far = (((rows[anchors] - rows[part]) ** 2).sum(1) for part in (positives, negatives))
    assert (near >= far).all()
    assert len(anchors) > 200
    pairs = set(zip(anchors.tolist(), negatives.tolist(), strict=True))
    assert len(pairs) == len(anchors)
    assert miner.share_mined == found.mined.mean()
    assert np.bincount(found.anchors).tolist() == [6] * (len(labels) - 1)  # the last is alone


def test_positives_from_outside_the_list_are_drawn_evenly():
    # The negatives 1 and 2 lie behind the positive 0 of anchor 9; 3 to 7 are far away. A list that
    # was found by a graph need not hold the anchor.
    ids = np.array([[0, 1, 2]])
    labels = np.array([0, 1, 1, 0, 0, 0, 0, 0, 1, 0])
    lists = Neighbours(np.array([[1, 2, 3]], np.float32), ids)
    rng = np.random.default_rng(0)
    draw = [
        triplets_of_lists(
            lists, np.array([9]), ClassRows(labels), np.array([[2, 0]]), 1.0, rng
        ).positives
        for _ in range(500)
    ]
    counts = np.bincount(np.concatenate(draw), minlength=10)
    assert counts[[0, 1, 2, 8, 9]].sum() == 0
    assert counts[3:8].min() > 150  # of 200 each


def test_random_triplets_are_drawn_evenly():
    labels = [4, 4, 4, 2, 2, 7, 7]
    miner = RandomMiner(labels, per_anchor=900, seed=3)
    found = miner.mine(None, epoch=1)
    assert len(found.anchors) == miner.per_epoch == 6300
    assert not found.mined.any()
    for anchor, label in enumerate(labels):
        own = found.anchors == anchor
        expected_positives = [i for i, other in enumerate(labels) if other == label and i != anchor]
        expected_negatives = [i for i, other in enumerate(labels) if other != label]
        for part, expected in (
            (found.positives, expected_positives),
            (found.negatives, expected_negatives),
        ):
            numbers, counts = np.unique(part[own], return_counts=True)
            assert numbers.tolist() == expected
            assert (abs(counts - 900 / len(expected)) < 5 * (900 / len(expected)) ** 0.5).all()


def test_a_graph_gives_the_triplets_of_the_exact_index_and_so_do_other_threads():
    rows, labels = clouds(5, classes=20, each=20, dim=8)
    made = [
        SmartMiner(labels, kappa=1.3, neighbours=30, warmup=0, seed=4, **options).mine(rows, 7)
        for options in ({"index": "flat"}, {"threads": 1}, {"threads": 2})
    ]
    for other in made[1:]:
        for mine, theirs in zip(made[0], other, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert 0.3 < made[0].mined.mean() < 1


def test_the_same_seed_and_epoch_give_the_same_triplets_and_others_do_not():
    rows, labels = clouds(2)

    def first(seed, epoch):
        return SmartMiner(labels, kappa=1.0, warmup=0, index="flat", seed=seed).mine(rows, epoch)

    again = [part.tolist() for part in first(0, 3)]
    assert again == [part.tolist() for part in first(0, 3)]
    assert again != [part.tolist() for part in first(1, 3)]
    assert again != [part.tolist() for part in first(0, 4)]


def test_mining_begins_after_the_warmup_and_with_the_share_asked_for():
    rows, labels = clouds(3, classes=30, each=20)
    miner = SmartMiner(labels, per_anchor=3, share=0.5, kappa=1.0, neighbours=15, index="flat")
    assert [miner.needs_embeddings(epoch) for epoch in range(4)] == [False, False, True, True]
    assert not miner.mine(None, 1).mined.any()
    full = SmartMiner(labels, per_anchor=3, kappa=1.0, neighbours=15, index="flat").mine(rows, 2)
    half = miner.mine(rows, 2)
    assert half.mined.mean() == pytest.approx(0.5 * full.mined.mean(), rel=0.12)
    with pytest.raises(TypeError, match="embeddings must be a float32 array from epoch 2 on"):
        miner.mine(None, 2)


def test_the_controller_reads_the_least_squares_line_at_its_target():
    errors, kappas = [0.95, 0.8, 0.4, 0.55], [1.2]
    controller = KappaController(target=0.625, start=1.2, relax=0.5, window=3, step=1.9)
    for count, error in enumerate(errors, start=1):
        got = controller.update(error)
        recent = list(zip(errors[:count], kappas, strict=True))[-3:]
        expected = kappas[-1] / 0.5  # after the first error, which is above the target
        if count > 1:
            n = len(recent)
            e, k = (sum(column) for column in zip(*recent, strict=True))
            ee, ek = sum(x * x for x, _ in recent), sum(x * y for x, y in recent)
            alpha = (n * ek - e * k) / (n * ee - e * e)
            assert alpha < 0
            expected = alpha * 0.625 + (k - alpha * e) / n
        expected = min(max(expected, kappas[-1] / 1.9), kappas[-1] * 1.9)
        assert got == controller.kappa == pytest.approx(max(1, expected))
        kappas.append(got)
    assert len({round(kappa, 6) for kappa in kappas}) == 5


def test_a_line_that_rises_or_does_not_exist_is_replaced_by_relaxing():
    controller = KappaController(target=0.6, start=4.0, relax=0.5)
    assert [controller.update(0.3), controller.update(0.3), controller.update(0.2)] == [2, 1, 1]
    controller = KappaController(target=0.6, start=4.0, relax=0.5, highest=10)
    assert [controller.update(0.7), controller.update(0.8)] == [8, 10]


def test_the_miner_tells_the_controller_the_error_of_mined_epochs_alone():
    rows, labels = clouds(3)
    controller = KappaController(target=0.6, start=4.0, relax=0.5)
    miner = SmartMiner(labels, kappa=controller, warmup=1, index="flat")
    kappas = []
    for epoch, violated in enumerate((9, 5, 8, 8)):
        miner.mine(rows, epoch)
        kappas.append(miner.kappa)
        miner.observe(violated - 4, 5)
        miner.mine(rows, epoch)  # again, as a loop does that begins an epoch anew
        miner.observe(4, 5)
    # 0.9 was without mining; 0.5 relaxes; 0.8 with 2 and 0.5 with 4 give 10/3 at 0.6.
    assert kappas == pytest.approx([4, 4, 2, 2 + 4 / 3])


def test_a_miner_goes_on_from_its_state():
    rows, labels = clouds(3)

    def run(miner, epochs):
        found = []
        for epoch in epochs:
            found.append([part.tolist() for part in miner.mine(rows, epoch)] + [miner.kappa])
            miner.observe(4 + epoch, 10)
        return found

    def miner():
        return SmartMiner(labels, kappa=KappaController(start=3.0), warmup=1, index="flat")

    whole = run(miner(), range(5))
    first, second = miner(), miner()
    begun = run(first, range(2))
    second.load_state_dict(first.state_dict())
    assert begun + run(second, range(2, 5)) == whole
    assert len({kappa for *_, kappa in whole}) > 2
    with pytest.raises(ValueError, match="another kind of kappa"):
        SmartMiner(labels, kappa=1.0).load_state_dict(first.state_dict())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"labels": [0, 1, 2]}, ValueError, "two classes at least, one of them with two images"),
        ({"labels": [0, 0, 0]}, ValueError, "got 1 classes of at most 3"),
        ({"labels": [0.5, 0.5, 1]}, TypeError, "labels must be integers"),
        ({"per_anchor": 0}, ValueError, "per_anchor must be at least 1, got 0"),
        ({"per_anchor": 1.0}, TypeError, "per_anchor must be an int, got float"),
        ({"kappa": 0.5}, ValueError, "kappa must be 1 or more"),
        ({"neighbours": 1}, ValueError, "neighbours must be at least 2"),
        ({"share": 1.5}, ValueError, "share must lie in 0 to 1"),
        ({"index": "tree"}, ValueError, "index must be 'fanng' or 'flat', got 'tree'"),
        ({"warmup": -1}, ValueError, "warmup must be at least 0"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
    ],
)
def test_arguments_out_of_range_are_named(options, error, message):
    with pytest.raises(error, match=message):
        SmartMiner(**({"labels": [0, 0, 1]} | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 1.0}, "target must be above 0 and below 1"),
        ({"relax": 1.0}, "relax must be above 0 and below 1"),
        ({"window": 1}, "window must be at least 2"),
        ({"step": 1.0}, "step must be above 1"),
        ({"start": 0.5}, "start must lie in 1 to highest"),
        ({"start": 20.0}, "start must lie in 1 to highest"),
    ],
)
def test_a_controller_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        KappaController(**options)


def test_what_cannot_be_an_epoch_is_refused():
    miner = SmartMiner([0, 0, 1], warmup=0, index="flat")
    with pytest.raises(ValueError, match=r"must have shape \(3, dim\)"):
        miner.mine(np.zeros((2, 4), np.float32), 0)
    with pytest.raises(ValueError, match="embeddings must be finite: training has diverged"):
        miner.mine(np.full((3, 4), np.nan, np.float32), 0)
    with pytest.raises(ValueError, match="violated must lie in 0 to 2"):
        miner.observe(3, 2)
    with pytest.raises(ValueError, match="error must be a share in 0 to 1"):
        KappaController().update(1.5)
