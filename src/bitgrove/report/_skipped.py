"""Files that could not be read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ._record import Record
from ._text import count, plural

MOST_OPEN = 8
"""Files up to which the list stands open."""

MOST_SHOWN = 1000
"""Files listed on the page; all are in ``results.json``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedView:
    """The section on skipped files."""

    sentence: str
    reasons: tuple[tuple[str, str], ...]
    """The most frequent reasons and how often each came; empty for a short list."""
    files: tuple[tuple[str, str], ...]
    collapsed: bool
    left: str
    """What is not listed; empty where all is."""


def skipped_view(record: Record) -> SkippedView | None:
    """Lay the section out; None where every file could be read."""
    files = record.skipped
    if not files:
        return None
    collapsed = len(files) > MOST_OPEN
    reasons = Counter(reason for _, reason in files).most_common(6) if collapsed else []
    left = len(files) - MOST_SHOWN
    return SkippedView(
        sentence=f"{plural(len(files), 'file')} could not be used and took no part in the run.",
        reasons=tuple((reason, count(number)) for reason, number in reasons if number > 1),
        files=files[:MOST_SHOWN],
        collapsed=collapsed,
        left=f"{plural(left, 'file')} more in results.json." if left > 0 else "",
    )
