"""What ferns say of the rows that they did not count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ._fern_answers import best, outputs_of
from ._fern_tables import FernTable


def out_of_bag_scores(
    table: FernTable, leaves: npt.NDArray[np.uint16], outside: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Scores by the ferns that did not count a row, ``float32[n, k]``; NaN where all did.

    Args:
        table: the leaves.
        leaves: of the training rows, ``[ferns, n]``.
        outside: whether a fern did not count a row, ``[ferns, n]``.
    """
    ferns, n = leaves.shape
    stored = table.stored.reshape(ferns, -1, table.stored.shape[1])
    is_whole = stored.dtype == np.int8
    sums = np.zeros((n, stored.shape[2]), np.int32 if is_whole else np.float32)
    for of_fern, found, rows in zip(stored, leaves, outside, strict=True):
        sums[rows] += of_fern[found[rows]]
    scores = table.finished(sums)
    scores[~outside.any(0)] = np.nan
    return scores


def out_of_bag_accuracy(
    scores: npt.NDArray[np.float32],
    widths: list[int],
    codes: list[npt.NDArray[np.intp]],
    judged: npt.NDArray[np.bool_],
) -> float:
    """Share of the judged rows for which all outputs are right; NaN if there are none."""
    right = np.ones(len(scores), bool)
    for part, code in zip(outputs_of(scores, widths), codes, strict=True):
        right &= best(part) == code
    return float(np.average(right[judged])) if judged.any() else float("nan")
