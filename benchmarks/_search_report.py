"""From measured points to speeds at a recall, ratios, and text for a terminal."""

from __future__ import annotations

import math
from typing import Any

from _alternate import quartiles
from _search_curves import TARGETS, Point, qps_at
from _search_variants import OURS

Curves = dict[str, list[dict[str, Any]]]
"""Measured points of each variant."""


def speeds(curves: Curves, libraries: dict[str, str], at: str = "recall_at_10") -> dict[str, Any]:
    """Queries per second of each library at each target; all its variants make one front."""
    found: dict[str, Any] = {}
    for target in TARGETS:
        found[str(target)] = {
            library: _rounded(qps_at(points, target))
            for library, points in _by_library(curves, libraries, at, None).items()
        }
    return found


def ratios(curves: Curves, libraries: dict[str, str]) -> dict[str, Any]:
    """How many times faster we are than each library, at each target.

    The ratio is taken within each round, in which all searched the same queries, and the median
    over the rounds is given with its quartiles. ``best of all peers`` is within each round the
    fastest other library.
    """
    rounds = len(next(iter(curves.values()))[0]["qps_of_rounds"])
    found: dict[str, Any] = {}
    for target in TARGETS:
        own: dict[str, list[float]] = {}
        for number in range(rounds):
            points = _by_library(curves, libraries, "recall_at_10", number)
            at = {library: qps_at(p, target) for library, p in points.items()}
            ours = at.pop(OURS, None)
            if ours is None:
                continue
            others = {library: ours / speed for library, speed in at.items() if speed}
            if others:
                others["best of all peers"] = min(others.values())
            for library, ratio in others.items():
                own.setdefault(library, []).append(ratio)
        found[str(target)] = {
            library: quartiles(values) for library, values in own.items() if len(values) == rounds
        }
    return found


def _by_library(
    curves: Curves, libraries: dict[str, str], at: str, number: int | None
) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for variant, points in curves.items():
        own = found.setdefault(libraries[variant], [])
        for p in points:
            qps = p["qps"] if number is None else p["qps_of_rounds"][number]
            own.append(Point(p[at], qps, p["setting"]))
    return found


def _rounded(value: float | None) -> float | None:
    return value if value is None or math.isnan(value) else round(value, 1)


def text(record: dict[str, Any]) -> str:
    """What was measured, beside what must be reached."""
    lines: list[str] = []
    for name in ("sift", "embeddings", "codes"):
        part = record.get(name)
        if not part or "threads" not in part:
            continue
        for threads, own in part.get("threads", {}).items():
            lines.append(f"{name}, threads: {threads}; queries per second at recall@10")
            lines += _table(own)
        lines += _costs(part)
    for bits, own in record.get("flat", {}).items():
        if bits == "failed":
            continue
        for batch in ("batch_1", "batch_64"):
            shown = {n: v[1] for n, v in own[batch]["times_slower_than_ours"].items()}
            lines.append(f"flat, {bits} bits, {batch}: times slower than ours {shown}")
            clusters = own[batch].get("times_slower_than_clusters")
            if clusters:
                lines.append(f"    faiss IndexBinaryFlat: {clusters[1]} times slower than clusters")
    return "\n".join(lines)


def _costs(part: dict[str, Any]) -> list[str]:
    """Seconds of each build by threads, and bytes of a row."""
    lines = []
    for variant, memory in part["memory"].items():
        times = part["builds"].get(variant, {})
        took = ", ".join(f"{t['seconds']:.0f} s on {n}" for n, t in sorted(times.items()))
        stored, resident = memory["stored_bytes_a_row"], memory["resident_bytes_a_row"]
        lines.append(
            f"  {variant:24}bytes a row: {stored:.0f} stored, {resident:.0f} resident; "
            f"build: {took or 'unknown'}"
        )
    return lines


def _table(own: dict[str, Any]) -> list[str]:
    lines = []
    for library in own["qps_at_recall"][str(TARGETS[0])]:
        cells = []
        for target in map(str, TARGETS):
            speed = own["qps_at_recall"][target].get(library)
            ratio = own["times_faster"][target].get(library)
            cells.append(f"{target}: {speed or 'not reached':>11}")
            cells.append(f"{ratio[1]:6.2f}x" if ratio else " " * 7)
        lines.append(f"  {library:24}" + "  ".join(cells))
    best = [own["times_faster"][t].get("best of all peers") for t in map(str, TARGETS)]
    lines.append(f"  against the best peer: {[b and b[1] for b in best]}")
    return lines
