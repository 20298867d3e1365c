"""Checks of values that come from a file."""

from __future__ import annotations

from typing import Any

_LARGEST = 1e30
"""Past it float32 arithmetic overflows."""


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
