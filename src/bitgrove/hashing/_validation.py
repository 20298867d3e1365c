"""Rows that say when to stop, and the mAP that they are asked for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..interfaces import PackedCodes
from ..metrics import Relevance, mean_average_precision


def nearest_rows(
    rows: npt.NDArray[np.float64], asked: npt.NDArray[np.intp], count: int
) -> npt.NDArray[np.intp]:
    """The ``count`` nearest rows of each row asked, itself among them, in any order."""
    squares = np.square(rows).sum(1)
    near = np.empty((len(asked), count), np.intp)
    for start in range(0, len(asked), 256):
        distances = squares - 2 * rows[asked[start : start + 256]] @ rows.T
        near[start : start + 256] = np.argpartition(distances, count - 1, axis=1)[:, :count]
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


def validation_map(queries: npt.NDArray, gallery: npt.NDArray, relevant: Relevance) -> float:
    """MAP of the signs of real codes over the whole gallery, by the trapezoid as the authors'.

    Ties count as the mean over their orders, queries without a relevant row 0.
    """
    return mean_average_precision(
        PackedCodes.from_signs(queries), PackedCodes.from_signs(gallery), relevant, ap="trapezoid"
    )
