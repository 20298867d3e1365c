"""The leaves of ferns as they are kept: in float32, float16 or a byte each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..kernels import Ferns
from ._fern_questions import Questions

TableDtype = Literal["float32", "float16", "int8"]
"""What the leaves are kept as."""


@dataclass(frozen=True, slots=True)
class FernTable:
    """Ferns with their leaves, ready to run."""

    ferns: Ferns
    stored: npt.NDArray
    """``[leaves, k]`` in the dtype asked for."""
    widths: list[int]
    """Columns of each output."""
    scale: np.float32 | None
    """Of a step, for a table of ``int8``."""
    bias: npt.NDArray[np.float32] | None
    """One number for each column, added to the sums."""

    def scores(self, rows: npt.NDArray, threads: int) -> npt.NDArray[np.float32]:
        """The sums for every row, ``float32[n, k]``, as the packed operator computes them."""
        return self.finished(self.ferns.votes(rows, threads=threads))

    def finished(self, sums: npt.NDArray) -> npt.NDArray[np.float32]:
        """Sums of stored numbers as scores."""
        scores = sums.astype(np.float32, copy=False)
        if self.scale is not None:
            scores = scores * self.scale
        return scores if self.bias is None else scores + self.bias


def make_table(
    questions: Questions,
    columns: npt.NDArray[np.float64],
    widths: list[int],
    bias: npt.NDArray[np.float32] | None,
    dtype: TableDtype,
) -> FernTable:
    """A table of ``columns``, one number for each leaf and column.

    In ``int8`` the middle between the largest and the smallest number of a leaf is taken away from
    all classes of an output, which changes no answer, and what is left is counted in steps of a
    127th of the largest: no number is off by more than half a step.
    """
    scale = None
    if dtype == "int8":
        centred = _centred(columns, widths)
        scale = np.float32(max(np.abs(centred).max() / 127, 1e-30))
        stored = np.clip(np.rint(centred / scale), -127, 127).astype(np.int8)
        kernel = stored
    else:
        stored = columns.astype(dtype)
        kernel = stored.astype(np.float32, copy=False)
    ferns = Ferns(questions.feature, questions.threshold, questions.other, kernel)
    return FernTable(ferns, stored, widths, scale, bias)


def _centred(columns: npt.NDArray[np.float64], widths: list[int]) -> npt.NDArray[np.float64]:
    parts = np.split(columns, np.cumsum(widths)[:-1], axis=1)
    return np.concatenate(
        [
            part if part.shape[1] == 1 else part - (part.max(1) + part.min(1))[:, None] / 2
            for part in parts
        ],
        axis=1,
    )
