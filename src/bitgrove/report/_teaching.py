"""What teaching brought for the new classes, and what it cost on the old ones."""

from __future__ import annotations

from dataclasses import dataclass

from ._record import Accuracy, Teaching
from ._text import listed, percent, plural, points


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One accuracy before and after; positions are percent of the chart's width."""

    images: str
    model: str
    before: str
    after: str
    difference: str
    ends: tuple[float, float] | None
    """Before and after; None where one of them has no images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachingView:
    """The section on teaching."""

    sentence: str
    cost: str
    """Empty where no old classes were measured."""
    taught: str
    """Such as ``8 and 9 from 20 examples each``."""
    taught_value: str
    """Accuracy on the new classes after teaching."""
    taught_images: str
    changes: tuple[Change, ...]


def teaching_view(teaching: Teaching) -> TeachingView:
    """Lay the section out. Of two or more accuracies the first is of the old classes."""
    if len(teaching.before) != len(teaching.after) or not teaching.after:
        raise ValueError(
            "teaching.before and teaching.after must hold the same, at least one, accuracies, "
            f"got {len(teaching.before)} and {len(teaching.after)}"
        )
    changes = tuple(map(_change, teaching.before, teaching.after))
    old, new = (0, 1) if len(changes) > 1 else (None, 0)
    each = " each" if len(teaching.classes) > 1 else ""
    taught = f"{listed(teaching.classes)} from {plural(teaching.examples, 'example')}{each}"
    return TeachingView(
        sentence=f"Taught {taught}, without retraining.",
        cost="" if old is None else _cost(teaching.before[old], teaching.after[old]),
        taught=taught,
        taught_value=changes[new].after,
        taught_images=f"{plural(teaching.after[new].total, 'image')}: {changes[new].images}",
        changes=changes,
    )


def _cost(before: Accuracy, after: Accuracy) -> str:
    difference = after.value - before.value
    noun = "Cost" if difference < 0 else "Change"
    return f"{noun} on {after.images}: {points(difference)}."


def _change(before: Accuracy, after: Accuracy) -> Change:
    if before.images != after.images:
        raise ValueError(
            "teaching.before and teaching.after must describe the same images in the same order, "
            f"got {before.images!r} beside {after.images!r}"
        )
    known = before.total and after.total
    return Change(
        images=after.images,
        model=after.model,
        before=percent(before.value),
        after=percent(after.value),
        difference=points(after.value - before.value),
        ends=(100 * before.value, 100 * after.value) if known else None,
    )
