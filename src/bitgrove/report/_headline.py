"""The four or five figures that a reader takes home."""

from __future__ import annotations

from dataclasses import dataclass

from ._accuracy import accuracy_row, headline_accuracy
from ._latency import latency_view
from ._record import Record, Teaching
from ._size import size_view
from ._teaching import teaching_view
from ._text import NOTHING, milliseconds, plural, size


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number and what it means."""

    name: str
    value: str
    note: str
    """First line of the small print."""
    method: str
    """What was measured, and how."""


def headline(record: Record) -> tuple[Figure, ...]:
    """Choose the figures, the most important first."""
    figures = [_accuracy(record), _size(record), _latency(record)]
    if record.teaching:
        figures.insert(1, _taught(record.teaching))
    return (*figures, _proof(record))


def _accuracy(record: Record) -> Figure:
    accuracy = headline_accuracy(record)
    if accuracy is None:
        return Figure(name="Accuracy", value=NOTHING, note="not measured", method="")
    row = accuracy_row(accuracy)
    return Figure(
        name="Accuracy",
        value=row.value,
        note=f"{accuracy.model}; {accuracy.images}",
        method=f"{plural(accuracy.total, 'image')}, 95 % interval {row.interval}"
        if accuracy.total
        else row.interval,
    )


def _taught(teaching: Teaching) -> Figure:
    view = teaching_view(teaching)
    return Figure(
        name="Taught classes",
        value=view.taught_value,
        note=view.taught,
        method=f"{view.taught_images}. {view.cost}",
    )


def _size(record: Record) -> Figure:
    view = size_view(record.size)
    return Figure(
        name="Network on disk",
        value=view.parts[0].text,
        note=f"{view.network} its float32 weights ({size(record.size.float32)})",
        method=f"the whole file, with all the examples that it remembers, takes {view.total}",
    )


def _latency(record: Record) -> Figure:
    view = latency_view(record.latency)
    torch = milliseconds(record.latency.torch[1])
    return Figure(
        name="Latency",
        value=milliseconds(record.latency.packed[1]),
        note=view.comparison + (f" ({torch})" if torch != NOTHING else ""),
        method=view.method[0].lower() + view.method[1:],
    )


def _proof(record: Record) -> Figure:
    stated = bool(record.verification.strip())
    return Figure(
        name="Packed = torch",
        value="verified" if stated else "not verified",
        note="",
        method=record.verification,
    )
