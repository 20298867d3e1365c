"""What random ferns are given, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

_validate_data: Any = validate_data  # its annotations are those of its defaults
_sample_weight: Any = _check_sample_weight


def rows_of(solver: Any, X: npt.ArrayLike) -> npt.NDArray:
    """Rows of as many features as the solver knows: uint8 as it is, all else as float32."""
    return _validate_data(solver, X, dtype=[np.float32, np.uint8], order="C", reset=False)


def examples(
    solver: Any, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: Any, *, outputs: int | None
) -> tuple[npt.NDArray, list[npt.NDArray], npt.NDArray[np.float64] | None]:
    """Rows, the labels of each output, and weights above 0 for at least one row, or None.

    ``outputs``: how many there were before; None if the solver begins anew.
    """
    rows, y = _validate_data(
        solver, X, y, dtype=[np.float32, np.uint8], order="C", multi_output=True,
        reset=outputs is None,
    )  # fmt: skip
    check_classification_targets(y)
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = column_or_1d(labels, warn=True)
    columns = [labels] if labels.ndim == 1 else list(labels.T)
    if outputs is not None and len(columns) != outputs:
        raise ValueError(f"y must have {outputs} outputs, as before, got {len(columns)}")
    if sample_weight is None:
        return rows, columns, None
    weights = _sample_weight(
        sample_weight, rows, dtype=np.float64, ensure_non_negative=True, copy=True
    )
    if not weights.any():
        raise ValueError("sample_weight must not be 0 for every row: nothing is left to count")
    return rows, columns, weights
