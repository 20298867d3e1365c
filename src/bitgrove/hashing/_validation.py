"""Rows that say when to stop, and the mAP that they are asked for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..interfaces import PackedCodes
from ..kernels import hamming_distances


def nearest_rows(
    rows: npt.NDArray[np.float64], asked: npt.NDArray[np.intp], count: int
) -> npt.NDArray[np.bool_]:
    """Which rows are among the ``count`` nearest of each row asked, ``(asked, n)``, itself too."""
    squares = np.square(rows).sum(1)
    near = np.zeros((len(asked), len(rows)), bool)
    for start in range(0, len(asked), 256):
        part = asked[start : start + 256]
        distances = squares - 2 * rows[part] @ rows.T
        found = np.argpartition(distances, count - 1, axis=1)[:, :count]
        np.put_along_axis(near[start : start + 256], found, True, axis=1)
    return near


def set_apart(
    labels: npt.NDArray, count: int, random: np.random.RandomState
) -> npt.NDArray[np.bool_]:
    """``count`` rows, from every class equally if each row has one, at most a fifth of it."""
    apart = np.zeros(len(labels), bool)
    if not count:
        return apart
    groups = (
        [np.flatnonzero(labels == each) for each in np.unique(labels)]
        if labels.ndim == 1
        else [np.arange(len(labels))]
    )
    for group in groups:
        share = min(round(count / len(groups)), len(group) // 5)
        apart[random.permutation(group)[:share]] = True
    return apart


def alike(one: npt.NDArray, other: npt.NDArray) -> npt.NDArray[np.bool_]:
    """Which rows share a class, ``(len(one), len(other))``."""
    if one.ndim == 1:
        return one[:, None] == other
    return one.astype(np.float32) @ other.astype(np.float32).T > 0


def validation_map(
    queries: npt.NDArray, gallery: npt.NDArray, relevant: npt.NDArray[np.bool_]
) -> float:
    """Expected mAP of the signs of real codes over the whole gallery, ties in every order.

    Queries without a relevant row count 0.
    """
    bits = queries.shape[1]
    distances = hamming_distances(_packed(queries), _packed(gallery)).astype(np.int64)
    at = distances + (bits + 1) * np.arange(len(queries))[:, None]
    size = len(queries) * (bits + 1)
    every = np.bincount(at.ravel(), minlength=size).reshape(len(queries), -1)
    right = np.bincount(at[relevant], minlength=size).reshape(len(queries), -1)
    return float(_expected_ap(every, right).mean())


def _expected_ap(every: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray:
    """Of counts ``(queries, distances)``, all rows and relevant ones, the mean over all orders."""
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, every.sum(1).max() + 1))])
    after, right_after = every.cumsum(1), right.cumsum(1)
    before, right_before = after - every, right_after - right
    inverse = harmonic[after] - harmonic[before]  # sum over t of 1 / (before + t)
    slope = (right - 1) / np.maximum(every - 1, 1)
    ranks = every - (before + 1) * inverse  # sum over t of (t - 1) / (before + t)
    shares = right / np.maximum(every, 1)
    precision = shares * ((right_before + 1) * inverse + slope * ranks)
    return precision.sum(1) / np.maximum(right_after[:, -1], 1)


def _packed(codes: npt.NDArray) -> PackedCodes:
    return PackedCodes.from_signs(codes)
