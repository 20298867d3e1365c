"""Numbers and names as a reader sees them."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

NOTHING = "\N{EN DASH}"
"""Stands for a figure that does not exist, such as the accuracy on no images."""

_SPACE = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that draw nothing, or change how their neighbours are drawn."""


def count(value: int) -> str:
    """An integer with thousands separators.

    >>> count(60000)
    '60,000'
    """
    return f"{value:,}"


def plural(value: int, noun: str) -> str:
    r"""A count and its noun.

    >>> plural(1, "image"), plural(1000, "image")
    ('1\xa0image', '1,000\xa0images')
    """
    return f"{count(value)}{_SPACE}{noun}{'' if value == 1 else 's'}"


def percent(fraction: float) -> str:
    r"""A fraction to a tenth of a percent, finer where a tenth would hide the last error.

    >>> percent(0.9722), percent(1.0), percent(0.9998), percent(float("nan"))
    ('97.2\xa0%', '100\xa0%', '99.98\xa0%', '–')
    """
    if not math.isfinite(fraction):
        return NOTHING
    if fraction in (0.0, 1.0):
        return f"{100 * fraction:.0f}{_SPACE}%"
    digits = 1
    while digits < 6 and f"{100 * fraction:.{digits}f}" in (f"{w:.{digits}f}" for w in (0, 100)):
        digits += 1
    return f"{100 * fraction:.{digits}f}{_SPACE}%"


def points(difference: float) -> str:
    r"""A difference of two fractions, in percentage points with its sign.

    >>> points(-0.003), points(0.97), points(0.0)
    ('−0.3\xa0points', '+97.0\xa0points', '±0.0\xa0points')
    """
    if not math.isfinite(difference):
        return NOTHING
    rounded = round(100 * difference, 1)
    sign = "±" if rounded == 0 else _MINUS if rounded < 0 else "+"
    return f"{sign}{abs(rounded):.1f}{_SPACE}points"


def significant(value: float, digits: int = 3) -> str:
    """A number to some significant digits, never in exponents up to a trillion.

    >>> [significant(v) for v in (0.04213, 1.3, 36.71, 12345.6, -2.0, 0.0)]
    ['0.0421', '1.30', '36.7', '12,346', '−2.00', '0']
    """
    if not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    if not 1e-6 <= abs(value) < 1e12:
        return f"{value:.{digits - 1}e}".replace("-", _MINUS)
    exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2])
    return f"{value:,.{max(0, digits - 1 - exponent)}f}".replace("-", _MINUS)


def milliseconds(value: float) -> str:
    r"""A time given in milliseconds to three significant digits; below 0.1 ms in microseconds.

    >>> milliseconds(0.4211), milliseconds(0.06874)
    ('0.421\xa0ms', '68.7\xa0µs')
    """
    if abs(value) < 0.1 and value:
        return f"{significant(value * 1000)}{_SPACE}µs"
    text = significant(value)
    return text if text == NOTHING else f"{text}{_SPACE}ms"


def size(value: int) -> str:
    r"""Bytes in decimal units: 1 kB is 1,000 bytes.

    >>> size(831), size(46213), size(999_999), size(1_250_000_000)
    ('831\xa0bytes', '46.2\xa0kB', '1.00\xa0MB', '1.25\xa0GB')
    """
    if value < 1000:
        return f"{value}{_SPACE}bytes"
    power = 1
    while power < len(_UNITS) and float(f"{value / 1000**power:.2e}") >= 1000:
        power += 1
    return f"{significant(value / 1000**power)}{_SPACE}{_UNITS[power - 1]}"


_UNITS = ("kB", "MB", "GB", "TB")


def times(ratio: float) -> str:
    """A ratio, to a tenth below a hundred.

    >>> times(9.779), times(130.2), times(float("nan"))
    ('9.8', '130', '–')
    """
    if not math.isfinite(ratio):
        return NOTHING
    return f"{ratio:.1f}" if ratio < 99.95 else f"{ratio:,.0f}"


def listed(names: Sequence[str], limit: int = 6) -> str:
    """Names as a sentence holds them.

    >>> listed(["8", "9"]), listed(list("abcdefgh"), limit=3)
    ('8 and 9', 'a, b, c and 5 more')
    """
    shown = [shorten(name, 32) for name in names[:limit]]
    if len(names) > limit:
        return f"{', '.join(shown)} and {count(len(names) - limit)} more"
    return " and ".join(part for part in (", ".join(shown[:-1]), *shown[-1:]) if part)


def shorten(name: str, limit: int) -> str:
    """At most ``limit`` characters: the start, an ellipsis, the end.

    >>> shorten("great crested grebe", 11)
    'great…grebe'
    """
    if len(name) <= limit:
        return name
    tail = (limit - 1) // 2
    return f"{name[: limit - 1 - tail]}…{name[len(name) - tail :]}"


def shorten_all(names: Sequence[str], limit: int) -> list[str]:
    """Shorten names that stand side by side where they differ: at the end, middle or start.

    >>> shorten_all(["species 1 of the grove", "species 2 of the grove"], 11)
    ['species 1 …', 'species 2 …']
    """
    ways = (
        [name if len(name) <= limit else f"{name[: limit - 1]}…" for name in names],
        [shorten(name, limit) for name in names],
        [name if len(name) <= limit else f"…{name[len(name) - limit + 1 :]}" for name in names],
    )
    return max(ways, key=lambda shortened: len(set(shortened)))


def visible(text: str) -> str:
    r"""The text with every character that could hide or reorder others written as its code.

    Names come from folders, and a folder may be called anything, even by bytes that are no text.

    >>> visible("a\x00b\u202ec\udcff"), visible("two\nlines")
    ('a\\x00b\\u202ec\\udcff', 'two\nlines')
    """
    return "".join(
        c.encode("unicode_escape").decode()
        if c not in "\n\t\u200d" and unicodedata.category(c) in _HIDDEN
        else c
        for c in text
    )
