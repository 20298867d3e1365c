"""Checks of what a search is asked beyond its queries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from ..interfaces import describe
from ._layout import Array, as_numpy, positive_int

Progress = Callable[[int, int, str], object]
"""Called as ``progress(done, total, stage)``."""

_MAX_WIDTH = 1 << 31
_MAX_INTERLEAVE = 16


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
    if isinstance(budget, np.timedelta64):
        raise TypeError("budget must be an int or a datetime.timedelta, got numpy's timedelta64")
    distances = positive_int("budget", budget)
    if distances < k:
        raise ValueError(f"budget must be at least k: {distances} distances cannot give {k} rows")
    return min(distances, 1 << 62), 0


def check_starts(starts: Array | None, queries: int) -> npt.NDArray[np.int64] | None:
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
    filter: Array | None,
) -> tuple[npt.NDArray[np.uint8] | None, npt.NDArray[np.int64] | None]:
    """Flags of rows, or ids, or neither.

    Raises:
        TypeError: no array of bool or int64 with one axis.
    """
    if filter is None:
        return None, None
    array = as_numpy("filter", filter)
    if isinstance(array, np.ndarray) and array.ndim == 1:
        if array.dtype == np.bool_:
            return np.require(array, requirements=["C"]).view(np.uint8), None
        if array.dtype == np.int64:
            return None, np.require(array, requirements=["C", "A"])
    raise TypeError(
        "filter must be a bool array with a flag for each row, or an int64 array of ids, "
        f"got {describe(array)}"
    )


def check_radius(radius: float) -> float:
    """A number of the metric's unit.

    Raises:
        TypeError: no number.
        ValueError: NaN.
    """
    if (number := check_number("radius", radius)) != number:
        raise ValueError("radius must not be NaN")
    return number


def check_number(name: str, value: object) -> float:
    """A real number, numpy's too; infinity and NaN are some.

    Raises:
        TypeError: another kind; a bool is none.
    """
    no_number = isinstance(value, bool | np.bool_ | np.timedelta64)
    if no_number or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {describe(value)}")
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def check_flag(name: str, value: object) -> bool:
    """True or False, numpy's too.

    Raises:
        TypeError: another kind.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {describe(value)}")
    return bool(value)


def check_ids(name: str, ids: Any) -> npt.NDArray[np.int64]:
    """An aligned array of ids.

    Raises:
        TypeError: another kind.
    """
    ids = as_numpy(name, ids)
    if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.ndim != 1:
        raise TypeError(f"{name} must be an int64 array with one axis, got {describe(ids)}")
    return np.require(ids, requirements=["C", "A"])


def check_seed(seed: Any) -> int:
    """A seed of 64 bits.

    Raises:
        TypeError: no int.
        ValueError: out of range.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"seed must be an int, got {describe(seed)}")
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed must be in 0 ..= 2^64 - 1, got {seed}")
    return int(seed)


def check_width(width: Any) -> int:
    """Candidates of a walk; those that no index could hold are cut off.

    Raises:
        TypeError: no int.
        ValueError: below 1.
    """
    return min(positive_int("width", width), _MAX_WIDTH)


def check_interleave(interleave: Any, timed: bool) -> int:
    """Queries of one thread that take turns.

    Raises:
        TypeError: no int.
        ValueError: out of range; or several where the time of each is limited, since the others
            would use it up.
    """
    interleave = positive_int("interleave", interleave)
    if interleave > _MAX_INTERLEAVE:
        raise ValueError(f"interleave must be in 1 ..= {_MAX_INTERLEAVE}, got {interleave}")
    if timed and interleave > 1:
        raise ValueError(
            f"interleave must be 1 where the budget is a time, got {interleave}: a query would use "
            "up the time of the others; give a budget in distances"
        )
    return interleave


def check_progress(progress: Progress | None) -> Progress | None:
    """What is to be called, if anything.

    Raises:
        TypeError: it cannot be called.
    """
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, got {describe(progress)}")
    return progress
