"""Checks of values that come from a file or a caller."""

from __future__ import annotations

import operator
from typing import Any

from ..interfaces import describe

_LARGEST = 1e30
"""Past it float32 arithmetic overflows."""

_MOST_THREADS = 1024


def is_number(value: Any) -> bool:
    """A finite number that float32 can work with; JSON's integers may have any length.

    >>> is_number(1), is_number(-0.5), is_number(10**400), is_number(True), is_number("1")
    (True, True, False, False, False)
    """
    return type(value) in (int, float) and -_LARGEST <= value <= _LARGEST


def is_positive(value: Any) -> bool:
    """A number above 0 whose inverse is one too.

    >>> is_positive(1e-3), is_positive(0), is_positive(1e-300)
    (True, False, False)
    """
    return is_number(value) and value >= 1 / _LARGEST


def check_count(name: str, value: Any, most: int | None = None) -> int:
    """The argument ``name`` as an ``int``: a whole number from 1 to ``most``.

    Raises:
        TypeError: it is no whole number; a truth value is none.
        ValueError: it is out of range.

    >>> check_count("repeats", 3)
    3
    """
    try:
        count = operator.index(value)
    except TypeError:
        count = None
    if count is None or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, got {describe(value)}")
    if most is None and count < 1:
        raise ValueError(f"{name} must be at least 1, got {count}")
    if most is not None and not 1 <= count <= most:
        raise ValueError(f"{name} must be 1 to {most}, got {count}")
    return count


def check_threads(value: Any) -> int:
    """``threads`` as an ``int``, 1 to 1024; errors as :func:`check_count`."""
    return check_count("threads", value, _MOST_THREADS)
