"""From a record to the text of its page."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

from .. import __version__, require
from ._accuracy import accuracy_row
from ._confusion import confusion_view
from ._curve import curve_view
from ._headline import headline
from ._latency import latency_view
from ._queries import queries_view
from ._record import Record
from ._size import size_view
from ._skipped import skipped_view
from ._teaching import teaching_view
from ._text import plural, shorten, visible


def render(record: Record) -> str:
    """The page as HTML that needs nothing beside itself."""
    jinja2 = require("jinja2", extra="train", needed_for="the report")
    return template(jinja2, "page.html.j2").render(
        record=record,
        version=__version__,
        counts=_counts(record),
        figures=headline(record),
        accuracy=[accuracy_row(accuracy) for accuracy in record.accuracy],
        teaching=teaching_view(record.teaching) if record.teaching else None,
        confusion=confusion_view(record),
        queries=queries_view(record),
        sizes=size_view(record.size),
        latency=latency_view(record.latency),
        curve=curve_view(record),
        skipped=skipped_view(record),
    )


@cache
def template(jinja2: ModuleType, name: str) -> Any:
    """One of our templates, ready to render."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bitgrove.report", "templates"),
        autoescape=True,  # names of classes and files may be any text
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters["short"] = shorten
    environment.filters["px"] = _px
    return environment.get_template(name)


def _px(value: Any) -> str:
    """A coordinate, without digits that nobody sees."""
    return f"{float(value):.2f}".rstrip("0").rstrip(".")


def _counts(record: Record) -> str:
    parts = [
        f"{plural(n, 'image')} for {_USES.get(part, part)}" for part, n in record.counts.items()
    ]
    return ", ".join(parts)


_USES = {"train": "training", "validation": "validation", "test": "testing"}
