"""The table of accuracies: a bar for each, with the interval that chance allows."""

from __future__ import annotations

from dataclasses import dataclass

from ._interval import wilson
from ._record import Accuracy, Record
from ._text import NOTHING, count, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow:
    """One accuracy, ready to draw; positions are percent of the bar's width."""

    model: str
    images: str
    counts: str
    value: str
    interval: str
    bar: tuple[float, float, float] | None
    """Lower end, value, upper end; None for no images."""


def accuracy_row(accuracy: Accuracy) -> AccuracyRow:
    """Lay one accuracy out."""
    if not accuracy.total:
        interval, bar = "no images", None
    else:
        low, high = wilson(accuracy.correct, accuracy.total)
        interval = f"{100 * low:.1f} to {percent(high)}"
        bar = (100 * low, 100 * accuracy.value, 100 * high)
    return AccuracyRow(
        model=accuracy.model,
        images=accuracy.images,
        counts=f"{count(accuracy.correct)} / {count(accuracy.total)}",
        value=percent(accuracy.value) if accuracy.total else NOTHING,
        interval=interval,
        bar=bar,
    )


def headline_accuracy(record: Record) -> Accuracy | None:
    """The accuracy that stands at the top: the first of the model whose confusion is shown."""
    same_model = (a for a in record.accuracy if a.model == record.confusion_of)
    return next(same_model, record.accuracy[0] if record.accuracy else None)
