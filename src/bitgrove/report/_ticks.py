"""Round numbers along an axis."""

from __future__ import annotations

import math


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that enclose ``low`` to ``high``.

    Args:
        low: smallest value to show.
        high: largest value to show, above ``low``.
        most: steps that the axis has room for, at least 2.

    >>> nice_ticks(0.0, 2.3, 5)
    [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    """
    power = math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20):
        step = factor * 10.0**power
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= most:
            break
    return [round(i * step, max(0, 1 - power)) for i in range(first, last + 1)]


def whole_ticks(first: int, last: int, most: int) -> list[int]:
    """Whole numbers from ``first`` to ``last``, evenly spaced and with both ends where they fit.

    >>> whole_ticks(1, 20, 5), whole_ticks(3, 3, 5)
    ([1, 5, 10, 15, 20], [3])
    """
    step = next(
        s for p in range(18) for s in (10**p, 2 * 10**p, 5 * 10**p) if last - first <= s * most
    )
    ticks = [i for i in range(first, last + 1) if i % step == 0]
    if not ticks or ticks[0] - first > 0.4 * step:
        ticks.insert(0, first)
    if last - ticks[-1] > 0.6 * step:
        ticks.append(last)
    return ticks
