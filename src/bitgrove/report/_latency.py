"""How long one image takes, packed and in torch float32."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ._record import Latency
from ._text import NOTHING, milliseconds, plural, times


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Quartiles of one model; positions are percent of the chart's width."""

    name: str
    median: str
    quartiles: str
    bar: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyView:
    """The section on latency."""

    comparison: str
    """Such as ``3.1 times faster than torch float32``."""
    method: str
    timings: tuple[Timing, ...]


def latency_view(latency: Latency) -> LatencyView:
    """Lay the section out; a latency that was not measured is NaN."""
    both = (("packed", latency.packed), ("torch float32", latency.torch))
    known = [value for _, quartiles in both for value in quartiles if math.isfinite(value)]
    longest = max(known, default=0.0) or 1.0
    return LatencyView(
        comparison=_comparison(latency.speedup),
        method=(
            f"One image on {plural(latency.threads, 'thread')}, median of "
            f"{plural(latency.runs, 'alternating run')}"
        ),
        timings=tuple(_timing(name, quartiles, longest) for name, quartiles in both),
    )


def _timing(name: str, quartiles: tuple[float, float, float], longest: float) -> Timing:
    low, median, high = quartiles
    known = all(map(math.isfinite, quartiles))
    return Timing(
        name=name,
        median=milliseconds(median),
        quartiles=f"{milliseconds(low)} to {milliseconds(high)}" if known else NOTHING,
        bar=(100 * low / longest, 100 * median / longest, 100 * high / longest) if known else None,
    )


def _comparison(speedup: float) -> str:
    if not math.isfinite(speedup) or speedup <= 0:
        return "not compared with torch float32"
    if 0.95 <= speedup < 1.05:
        return "as fast as torch float32"
    if speedup > 1:
        return f"{times(speedup)} times faster than torch float32"
    return f"{times(1 / speedup)} times slower than torch float32"
