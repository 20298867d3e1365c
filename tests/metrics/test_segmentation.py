import math

import numpy as np
import pytest

from bitgrove.metrics import confusion_matrix, segmentation_scores


def by_definition(truth, predicted, classes, void):
    """Sets of pixels, one class after the other."""
    pixels = {p for p in np.ndindex(truth.shape) if truth[p] != void}
    right = sum(truth[p] == predicted[p] for p in pixels) / len(pixels)
    accuracy, iou = [], []
    for c in range(classes):
        true = {p for p in pixels if truth[p] == c}
        named = {p for p in pixels if predicted[p] == c}
        if true:
            accuracy.append(len(true & named) / len(true))
        iou.append(len(true & named) / len(true | named) if true | named else math.nan)
    known = [value for value in iou if not math.isnan(value)]
    return right, sum(accuracy) / len(accuracy), sum(known) / len(known), iou


@pytest.mark.parametrize("seed", range(4))
def test_scores_are_their_definition(seed):
    random = np.random.default_rng(seed)
    truth = random.choice([0, 1, 2, 5], (2, 7, 6)).astype(np.uint8)  # 5 is void; 3, 4 have none
    predicted = random.integers(0, 4, truth.shape)
    counts = confusion_matrix(truth, predicted, 5, void=5)
    assert counts.sum() == (truth != 5).sum()
    scores = segmentation_scores(counts)
    expected = by_definition(truth, predicted, 5, 5)
    assert scores[:3] == pytest.approx(expected[:3])
    np.testing.assert_allclose(scores.iou, expected[3])
    assert math.isnan(scores.iou[4])
    assert scores.iou[3] == 0


def test_matrices_of_images_add_up():
    random = np.random.default_rng(0)
    truth, predicted = random.integers(0, 3, (2, 4, 5, 5))
    whole = confusion_matrix(truth, predicted, 3)
    np.testing.assert_array_equal(
        whole, sum(confusion_matrix(t, p, 3) for t, p in zip(truth, predicted, strict=True))
    )
    for i in range(3):
        for j in range(3):
            assert whole[i, j] == ((truth == i) & (predicted == j)).sum()


@pytest.mark.parametrize(
    ("truth", "predicted", "error", "message"),
    [
        ([0.0], [0], TypeError, "truth must be an array of integers, got dtype=float64"),
        ([0], [[0]], ValueError, r"one shape, got \(1,\) and \(1, 1\)"),
        ([0, 7], [0, 0], ValueError, "truth must lie in 0 to 1, got 0 to 7; give void="),
        ([0, 1], [0, 2], ValueError, "predicted must lie in 0 to 1, got 0 to 2"),
        ([0, 1], [-1, 0], ValueError, "predicted must lie in 0 to 1, got -1 to 0"),
    ],
)
def test_arguments_that_do_not_fit_are_named(truth, predicted, error, message):
    with pytest.raises(error, match=message):
        confusion_matrix(np.array(truth), np.array(predicted), 2)


def test_matrices_that_tell_nothing_are_refused():
    with pytest.raises(ValueError, match="at least one pixel"):
        segmentation_scores(np.zeros((2, 2), np.int64))
    with pytest.raises(ValueError, match="square and of integers"):
        segmentation_scores(np.zeros((2, 3), np.int64))
    with pytest.raises(ValueError, match="classes must be at least 1"):
        confusion_matrix(np.zeros(1, int), np.zeros(1, int), 0)
