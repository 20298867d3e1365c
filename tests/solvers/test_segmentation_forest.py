import math

import numpy as np
import pytest
import torch

from bitgrove.solvers import SegmentationForest


def scene(n=6, seed=0):
    """Fine and coarse maps; the class is told by the sign of one channel of each."""
    random = np.random.default_rng(seed)
    fine = random.normal(size=(n, 3, 8, 10)).astype(np.float32)
    coarse = random.normal(size=(n, 2, 4, 5)).astype(np.float32)
    wide = coarse[:, 0].repeat(2, 1).repeat(2, 2)
    return [fine, coarse], (2 * (fine[:, 0] > 0) + (wide > 0)).astype(np.uint8)


def test_pixels_are_told_by_maps_of_two_scales():
    maps, labels = scene()
    options = {"depth": 2, "epochs": 30, "batch_size": 2, "random_state": 0}
    both = SegmentationForest(trees=(30, 30), **options).fit(maps, labels)
    fresh, truth = scene(seed=1)
    shares = [
        (both.predict(fresh) == truth).mean(),
        (SegmentationForest(trees=30, **options).fit(maps[0], labels).predict(fresh[0]) == truth)
        .mean(),
    ]  # fmt: skip
    assert shares[0] > 0.8 > 0.6 > shares[1]
    assert both.loss_curve_[0] < math.log(4) + 0.2
    assert both.loss_curve_[-1] < both.loss_curve_[0]


def test_larger_labels_are_taken_from_the_middle_of_each_pixel():
    maps, labels = scene()
    large = np.full((6, 32, 40), 77, np.int32)
    large[:, 2::4, 2::4] = labels
    options = {"trees": (9, 9), "depth": 2, "epochs": 2, "random_state": 0}
    small = SegmentationForest(**options).fit(maps, labels)
    same = SegmentationForest(**options).fit(maps, large)
    np.testing.assert_array_equal(same.classes_, [0, 1, 2, 3])
    np.testing.assert_array_equal(same.decision_function(maps), small.decision_function(maps))


def test_void_pixels_change_nothing():
    maps, labels = scene()
    labels[:, :, :4] = 255
    other = [x.copy() for x in maps]
    other[0][:, :, :, :4] = 9  # what is there does not matter, nor does what it does to the tests
    options = {"trees": 9, "depth": 2, "epochs": 2, "void": 255, "random_state": 0}
    first = SegmentationForest(**options).fit(maps[0], labels)
    second = SegmentationForest(**options).fit(other[0], labels)
    np.testing.assert_array_equal(first.classes_, [0, 1, 2, 3])
    for head, twin in zip(first.forest_.heads, second.forest_.heads, strict=True):
        torch.testing.assert_close(head.leaf, twin.leaf, rtol=0, atol=0)
    with pytest.raises(ValueError, match="all of them are void"):
        SegmentationForest(void=255).fit(maps[0], np.full_like(labels, 255))


def test_labels_keep_their_numbers_and_answers_take_a_size():
    maps, labels = scene()
    solver = SegmentationForest(trees=9, depth=2, epochs=1, random_state=0)
    solver.fit(maps[0], labels * np.uint8(20))
    answers = solver.predict(maps[0], size=(16, 20))
    assert answers.shape == (6, 16, 20)
    assert set(np.unique(answers)) <= {0, 20, 40, 60}
    logits = torch.from_numpy(solver.decision_function(maps[0]))
    wide = torch.nn.Upsample((16, 20), mode="bilinear")(logits)
    np.testing.assert_allclose(
        solver.decision_function(maps[0], size=(16, 20)), wide, rtol=1e-5, atol=1e-6
    )


def test_the_seed_gives_the_trees_and_the_order():
    maps, labels = scene()
    options = {"trees": 9, "depth": 2, "epochs": 2, "batch_size": 2, "thresholds": "quantile"}
    found = [
        SegmentationForest(**options, random_state=seed).fit(maps[0], labels)
        .decision_function(maps[0])
        for seed in (0, 0, 1)
    ]  # fmt: skip
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epochs": 0}, "epochs must be an int of at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive and finite, got 0.0"),
        ({"thresholds": "median"}, "thresholds must be 'quantile' or 'zero', got 'median'"),
        ({"trees": (3, 3)}, "one for each of 1 maps"),
    ],
)
def test_parameters_out_of_range_are_named(parameters, message):
    maps, labels = scene(1)
    with pytest.raises(ValueError, match=message):
        SegmentationForest(**parameters).fit(maps[0], labels)


def test_data_that_do_not_fit_are_named():
    maps, labels = scene(2)
    solver = SegmentationForest(trees=3, depth=2, epochs=1)
    with pytest.raises(TypeError, match="maps must be float32 arrays, got dtype=float64"):
        solver.fit(maps[0].astype(np.float64), labels)
    with pytest.raises(ValueError, match=r"maps must have shape \(n, c, h, w\) with one n"):
        solver.fit([maps[0], maps[1][:1]], labels)
    with pytest.raises(ValueError, match="at least one array"):
        solver.fit([], labels)
    with pytest.raises(ValueError, match="finite"):
        solver.fit(maps[0] * np.float32(np.nan), labels)
    with pytest.raises(TypeError, match="labels must be an array of integers"):
        solver.fit(maps[0], labels.astype(np.float32))
    with pytest.raises(ValueError, match=r"shape \(2, at least 8, at least 10\), got \(2, 4, 10\)"):
        solver.fit(maps[0], labels[:, :4])
    solver.fit(maps[0], labels)
    with pytest.raises(ValueError, match=r"maps must have \[3\] channels, got \[2\]"):
        solver.predict(maps[1])


@pytest.mark.parametrize(
    "wrong", [{"trees": 2.0}, {"trees": (3, 0)}, {"depth": "4"}, {"depth": True}]
)
def test_forests_of_no_size_are_refused(wrong):
    maps = np.zeros((1, 2, 4, 4), np.float32)
    with pytest.raises(ValueError, match="must be an int of at least 1"):
        SegmentationForest(**wrong).fit(maps, np.zeros((1, 4, 4), np.uint8))
