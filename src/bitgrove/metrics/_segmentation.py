"""How well the pixels of images are classified."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..interfaces import describe


class SegmentationScores(NamedTuple):
    """Figures of a confusion matrix, each 0 to 1."""

    pixel_accuracy: float
    """Share of the pixels that are right."""
    mean_accuracy: float
    """Mean over the classes that occur of the share of their pixels that are right."""
    mean_iou: float
    """Mean of ``iou`` over the classes that occur or are predicted."""
    iou: tuple[float, ...]
    """By class: intersection over union; NaN for one that neither occurs nor is predicted."""


def confusion_matrix(
    truth: npt.NDArray, predicted: npt.NDArray, classes: int, *, void: int | None = None
) -> npt.NDArray[np.int64]:
    """Count the pixels of every true class (row) by predicted class (column).

    Args:
        truth: integers of any shape, 0 to ``classes - 1``, or ``void``.
        predicted: as many integers, 0 to ``classes - 1``; where the truth is void, anything.
        classes: how many there are.
        void: label of pixels that are not counted; None if all are.

    Returns:
        ``int64[classes, classes]``; those of several images may be added.

    Raises:
        TypeError: an array does not hold integers.
        ValueError: the shapes differ, or a label is out of range.

    >>> confusion_matrix(np.array([0, 0, 1, 9]), np.array([0, 1, 1, 0]), 2, void=9)
    array([[1, 1],
           [0, 1]])
    """
    if classes < 1:
        raise ValueError(f"classes must be at least 1, got {classes}")
    for name, array in (("truth", truth), ("predicted", predicted)):
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu":
            raise TypeError(f"{name} must be an array of integers, got {describe(array)}")
    if truth.shape != predicted.shape:
        raise ValueError(
            f"truth and predicted must have one shape, got {truth.shape} and {predicted.shape}"
        )
    rows, columns = truth.ravel(), predicted.ravel()
    if void is not None:
        counted = rows != void
        rows, columns = rows[counted], columns[counted]
    for name, labels in (("truth", rows), ("predicted", columns)):
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(
                f"{name} must lie in 0 to {classes - 1}, got {labels.min()} to {labels.max()}; "
                "give void= for labels that are not counted"
            )
    pairs = rows.astype(np.int64) * classes + columns
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def segmentation_scores(confusion: npt.NDArray[np.int64]) -> SegmentationScores:
    """Pixel accuracy, mean class accuracy and mean intersection over union.

    Source: Long, Shelhamer and Darrell, "Fully convolutional networks for semantic segmentation",
    CVPR 2015, sec. 5. Difference: a class without a true pixel does not count in ``mean_accuracy``,
    and one that is not predicted either does not count in ``mean_iou``, where theirs would divide
    by zero.

    Args:
        confusion: from :func:`confusion_matrix`, over all images.

    Raises:
        ValueError: it is not square, or counts nothing.

    >>> scores = segmentation_scores(np.array([[1, 1], [0, 1]]))
    >>> scores.pixel_accuracy, scores.mean_accuracy, scores.mean_iou
    (0.666..., 0.75, 0.5)
    """
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.dtype.kind not in "iu":
        raise ValueError(f"confusion must be square and of integers, got {describe(counts)}")
    total = counts.sum()
    if not total or counts.min() < 0:
        raise ValueError("confusion must count at least one pixel, and nothing below zero")
    right, true, named = np.diag(counts), counts.sum(1), counts.sum(0)
    union = true + named - right
    iou = np.full(len(counts), np.nan)
    np.divide(right, union, out=iou, where=union > 0)
    return SegmentationScores(
        pixel_accuracy=float(right.sum() / total),
        mean_accuracy=float((right[true > 0] / true[true > 0]).mean()),
        mean_iou=float(np.nanmean(iou)),
        iou=tuple(iou.tolist()),
    )
