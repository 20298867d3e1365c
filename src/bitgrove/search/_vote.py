"""Classification by a Gaussian kernel on the nearest neighbours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def kernel_vote(
    distances: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    n_classes: int,
    bandwidth: float,
    class_weights: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.float64]:
    """Log-probability of every class, from the labels of the neighbours of every query.

    ``P(c | x)`` is proportional to ``w_c`` times the sum of ``exp(-d_i / (2 bandwidth^2))`` over
    the neighbours ``i`` of class ``c``, ``d_i`` being squared Euclidean distances. Sums run by
    logsumexp for each class after subtracting the query's least distance, so that neighbours that
    are all far, or a tiny bandwidth, give neither NaN nor a class of probability zero that has a
    neighbour.

    Source: Meyer, Harwood and Drummond, "Deep Metric Learning and Image Classification with Nearest
    Neighbour Gaussian Kernels", ICIP 2018, arXiv 1705.09780, with one weight for all examples of a
    class.

    Args:
        distances: squared l2 distances of shape ``(q, k)``, finite and not negative where a
            label is given.
        labels: ``int64[q, k]`` in ``0 .. n_classes``; -1 marks a missing neighbour.
        n_classes: at least 1.
        bandwidth: sigma, positive and finite, in the units of the (unsquared) distance.
        class_weights: ``w_c > 0``, shape ``(n_classes,)``; all 1 by default, so that a class counts
            by its examples. The inverse numbers of examples make all classes equally likely before
            the query is seen, which a class of few examples needs among classes of many.

    Returns:
        ``float64[q, n_classes]``; each row's exponentials sum to 1. A class without a neighbour
        is at ``-inf``.

    Raises:
        ValueError: shapes differ, a label or distance is out of range, or a query has no neighbour.

    >>> near = np.array([[0.0, 2.0, 2.0]], np.float32)
    >>> np.exp(kernel_vote(near, np.array([[1, 0, 0]]), n_classes=3, bandwidth=1.0)).round(3)
    array([[0.424, 0.576, 0.   ]])
    """
    wide = np.asarray(distances, np.float64)
    labels = np.asarray(labels)
    if wide.ndim != 2 or wide.shape != labels.shape:
        raise ValueError(
            f"distances and labels must have one shape (q, k), got {wide.shape} and {labels.shape}"
        )
    if n_classes < 1:
        raise ValueError(f"n_classes must be at least 1, got {n_classes}")
    if not (np.isfinite(bandwidth) and bandwidth > 0):
        raise ValueError(f"bandwidth must be positive and finite, got {bandwidth}")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, got dtype={labels.dtype}")
    if labels.size and not (labels.min() >= -1 and labels.max() < n_classes):
        raise ValueError(
            f"labels must be in -1 .. {n_classes}, got {labels.min()} to {labels.max()}"
        )
    present = labels >= 0
    if not (np.isfinite(wide) & (wide >= 0))[present].all():
        raise ValueError("distances of labelled neighbours must be finite and not negative")
    if not present.any(1).all():
        row = int(np.flatnonzero(~present.any(1))[0])
        raise ValueError(f"query {row} has no labelled neighbour, so no class can be told")

    nearest = np.where(present, wide, np.inf).min(1, initial=np.inf, keepdims=True)
    query, place = np.nonzero(present)
    cell = query, labels[query, place]
    # Relative to the nearest; kept where the squares of the ratios stay finite.
    roots = np.sqrt((wide - nearest)[present])
    ratio = np.minimum(roots / max(bandwidth, _LEAST_BANDWIDTH), _LARGEST_RATIO)
    exponent = -0.5 * ratio**2
    peak = np.full((len(labels), n_classes), -np.inf)
    np.maximum.at(peak, cell, exponent)
    total = np.zeros_like(peak)
    np.add.at(total, cell, np.exp(exponent - peak[cell]))
    seen = total > 0
    scores = np.full_like(peak, -np.inf)
    scores[seen] = peak[seen] + np.log(total[seen])
    if class_weights is not None:
        scores += _log_weights(class_weights, n_classes)
    best = scores.max(1, keepdims=True)
    return scores - best - np.log(np.exp(scores - best).sum(1, keepdims=True))


def _log_weights(weights: npt.NDArray[np.float64], n_classes: int) -> npt.NDArray[np.float64]:
    weights = np.asarray(weights, np.float64)
    if weights.shape != (n_classes,) or not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError(f"class_weights must be {n_classes} numbers above 0, got {weights}")
    return np.log(weights)


def median_bandwidth(distances: npt.NDArray[np.float32]) -> float:
    """A bandwidth from neighbours: a third of the median distance to the nearest other point.

    A third, because in many dimensions the near and the far neighbours differ little: with the
    median itself a class of few examples is outvoted by any class of many. On digits, MNIST and
    Fashion-MNIST the log-likelihood is best at 0.35 to 0.5 of it.

    Args:
        distances: squared l2 distances of points to their nearest others, shape ``(n, k)``, without
            each point's distance to itself. A zero, of a duplicate, is no scale: the least positive
            one of the row stands in for it. Infinite ones, of missing neighbours, are left out.

    Returns:
        A positive number; 1 if there is no positive distance.

    Raises:
        ValueError: a distance is NaN or negative, or the shape is another.

    >>> median_bandwidth(np.array([[9.0, 16.0], [0.0, 36.0], [81.0, np.inf]], np.float32))
    2.0
    """
    wide = np.asarray(distances, np.float64)
    if wide.ndim != 2:
        raise ValueError(f"distances must have shape (n, k), got {wide.shape}")
    if np.isnan(wide).any() or (wide < 0).any():
        raise ValueError("distances must not be NaN or negative")
    nearest = np.where(wide > 0, wide, np.inf).min(1, initial=np.inf)
    nearest = nearest[np.isfinite(nearest)]
    return float(np.median(np.sqrt(nearest))) / 3 if nearest.size else 1.0


_LEAST_BANDWIDTH = 1e-130
"""Below, any difference that float32 holds already decides."""

_LARGEST_RATIO = 1e150
"""Its square is finite in float64."""
