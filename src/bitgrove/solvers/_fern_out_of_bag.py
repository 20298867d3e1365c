"""What ferns say of the rows that they did not count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ._fern_questions import Questions
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


def permutation_importance(
    rows: npt.NDArray,
    questions: Questions,
    leaves: npt.NDArray[np.uint16],
    logs: list[npt.NDArray[np.float64]],
    codes: list[npt.NDArray[np.intp]],
    outside: npt.NDArray[np.bool_],
    random: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """How much worse a fern does on rows out of its bag when a feature is shuffled among them.

    Args:
        rows: the training rows, ``[n, features]``.
        questions: of the ferns.
        leaves: of the rows, ``[ferns, n]``.
        logs: for each output the logarithms of the probabilities that a fern alone gives to the
            classes, ``[ferns, leaves, classes]``.
        codes: for each output the numbers of the rows' classes.
        outside: whether a fern did not count a row, ``[ferns, n]``.
        random: of the shuffles.

    Returns:
        For each feature the mean decrease of the right class's logarithm, over the ferns that ask
        about it, their rows and the outputs; 0 for a feature that no fern asks about.
    """
    total, asked = np.zeros((2, rows.shape[1]))
    for f, own in enumerate(outside):
        if not own.any():
            continue
        found, part = leaves[f, own], rows[own]
        features = questions.feature[f]
        others = None if questions.other is None else questions.other[f]
        every = features if others is None else np.concatenate([features, others])
        for feature in np.unique(every):
            shuffled = part[random.permutation(len(part)), feature]
            moved = found.copy()
            for k, first in enumerate(features):
                second = None if others is None else others[k]
                if feature not in (first, second):
                    continue
                left = shuffled if first == feature else part[:, first]
                if second is None:
                    right = questions.threshold[f, k]  # pyright: ignore[reportOptionalSubscript]
                else:
                    right = shuffled if second == feature else part[:, second]
                bit = np.uint16(1 << k)
                moved = np.where(left > right, moved | bit, moved & ~bit)
            for of_output, code in zip(logs, codes, strict=True):
                true = code[own]
                total[feature] += (of_output[f, found, true] - of_output[f, moved, true]).mean()
            asked[feature] += len(logs)
    return total / np.maximum(asked, 1)
