"""The upright axes of a study's charts: shares with even steps, ratios by powers of ten."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ._ticks import nice_ticks

Scale = tuple[Callable[[float], float | None], tuple[tuple[float, str], ...]]
"""From a value to its height, and the ticks."""

_LEAST_SPAN = 0.05


def share_ticks(values: Sequence[float], most: int) -> list[float]:
    """Ticks in whole percent around shares; the axis spans 5 percentage points at least.

    One figure alone would otherwise be drawn as if its second decimal mattered.

    Args:
        values: from 0 to 1, at least one.
        most: steps that the axis has room for, from 2 to 6.

    >>> share_ticks([0.1948], 6), share_ticks([1.0], 4)
    ([0.16, 0.17, 0.18, 0.19, 0.2, 0.21, 0.22], [0.94, 0.96, 0.98, 1.0])
    """
    low, high = min(values), max(values)
    if high - low < _LEAST_SPAN:
        middle = (low + high) / 2
        low = min(max(middle - _LEAST_SPAN / 2, 0.0), 1.0 - _LEAST_SPAN)
        high = low + _LEAST_SPAN
    return nice_ticks(low, high, most)


def share_scale(values: Sequence[float], top: float, bottom: float) -> Scale:
    """Even steps, in percent."""
    ticks = share_ticks(values, 6)

    def height(value: float) -> float:
        return bottom - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (bottom - top)

    return height, tuple((height(tick), f"{100 * tick:.0f} %") for tick in ticks)


def log_scale(values: Sequence[float], top: float, bottom: float) -> Scale:
    """Whole powers of ten that enclose all values, each above 0; others have no height."""
    first = math.floor(math.log10(min(values)) + 1e-9)
    last = max(math.ceil(math.log10(max(values)) - 1e-9), first + 1)

    def height(value: float) -> float | None:
        if value <= 0:
            return None
        return bottom - (math.log10(value) - first) / (last - first) * (bottom - top)

    step = math.ceil((last - first) / 7)
    powers = range(first, last + 1, step)
    return height, tuple(
        (bottom - (p - first) / (last - first) * (bottom - top), power_of_ten(p)) for p in powers
    )


def power_of_ten(power: int) -> str:
    """As a tick shows it.

    >>> power_of_ten(0), power_of_ten(-3), power_of_ten(12)
    ('1', '10⁻³', '10¹²')
    """
    return "1" if power == 0 else "10" + str(power).translate(_RAISED)


_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
