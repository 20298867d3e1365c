"""What takes room on the disk, beside the same network in float32."""

from __future__ import annotations

from dataclasses import dataclass

from ._record import Size
from ._text import count, size, times


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the file; positions are percent of the chart's width."""

    name: str
    note: str
    key: str
    """Class of the style sheet."""
    text: str
    exact: str
    start: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeView:
    """The section on size."""

    total: str
    exact: str
    comparison: str
    """The whole file beside the float32 weights, such as ``9.8 times smaller than``."""
    network: str
    """The network alone beside them."""
    parts: tuple[Part, ...]
    float32: Part


def size_view(sizes: Size) -> SizeView:
    """Lay the section out."""
    rest = sizes.total - sizes.network - sizes.examples
    if min(sizes.network, sizes.examples, sizes.float32, rest) < 0:
        raise ValueError(
            "size must hold bytes of at least 0, the parts adding up to at most the total, got "
            f"network={sizes.network}, examples={sizes.examples}, total={sizes.total}, "
            f"float32={sizes.float32}"
        )
    scale = 100 / max(sizes.total, sizes.float32, 1)
    listed = [
        ("network", "packed weights and graph", sizes.network),
        ("examples", "embeddings, search graph, labels, names", sizes.examples),
        ("rest", "header and padding", rest),
    ]
    parts, start = [], 0
    for name, note, value in listed:
        if value or name != "rest":
            parts.append(_part(name, note, value, start, scale))
        start += value
    return SizeView(
        total=size(sizes.total),
        exact=f"{count(sizes.total)} bytes",
        comparison=_comparison(sizes.total, sizes.float32),
        network=_comparison(sizes.network, sizes.float32),
        parts=tuple(parts),
        float32=_part("float32", "the same network's weights", sizes.float32, 0, scale),
    )


def _part(name: str, note: str, value: int, start: int, scale: float) -> Part:
    return Part(
        name=name,
        note=note,
        key=name,
        text=size(value),
        exact=f"{count(value)} bytes",
        start=start * scale,
        width=value * scale,
    )


def _comparison(value: int, float32: int) -> str:
    if not value or not float32:
        return "not comparable with"
    if value <= float32:
        return f"{times(float32 / value)} times smaller than"
    return f"{times(value / float32)} times as large as"
