"""Checks of what a search is asked beyond its queries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from ..interfaces import describe
from ._layout import positive_int


def check_budget(budget: int | timedelta | None, k: int) -> tuple[int, int]:
    """The limits of one query in distances and in nanoseconds; 0 is none.

    Raises:
        TypeError: another kind.
        ValueError: fewer distances than ``k``, or no time.
    """
    if budget is None:
        return 0, 0
    if isinstance(budget, timedelta):
        if budget <= timedelta(0):
            raise ValueError(f"budget must be a positive time, got {budget}")
        return 0, min(round(budget / timedelta(microseconds=1) * 1000), 1 << 62)
    distances = positive_int("budget", budget)
    if distances < k:
        raise ValueError(f"budget must be at least k: {distances} distances cannot give {k} rows")
    return min(distances, 1 << 62), 0


def check_starts(
    starts: npt.NDArray[np.int64] | None, queries: int
) -> npt.NDArray[np.int64] | None:
    """One id for each query.

    Raises:
        TypeError: no array of int64.
        ValueError: of another length.
    """
    if starts is None:
        return None
    ids = check_ids("starts", starts)
    if len(ids) != queries:
        raise ValueError(f"starts: {queries} queries need as many ids, got {len(ids)}")
    return ids


def check_filter(
    filter: npt.NDArray | None,
    flags_of: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]],
) -> npt.NDArray[np.uint8] | None:
    """A flag for each row that may be a result.

    Raises:
        TypeError: no array of bool or int64 with one axis.
        ValueError: an id that is not held.
    """
    if filter is None:
        return None
    if isinstance(filter, np.ndarray) and filter.dtype == np.bool_ and filter.ndim == 1:
        return np.require(filter, requirements=["C"]).view(np.uint8)
    if isinstance(filter, np.ndarray) and filter.dtype == np.int64 and filter.ndim == 1:
        return flags_of(np.require(filter, requirements=["C", "A"]))
    raise TypeError(
        "filter must be a bool array with a flag for each row, or an int64 array of ids, "
        f"got {describe(filter)}"
    )


def check_ids(name: str, ids: object) -> npt.NDArray[np.int64]:
    """An aligned array of ids.

    Raises:
        TypeError: another kind.
    """
    if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.ndim != 1:
        raise TypeError(f"{name} must be an int64 array with one axis, got {describe(ids)}")
    return np.require(ids, requirements=["C", "A"])
