"""What losses, heads and estimators refuse, in one wording."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np


def check_whole(least: int, **values: Any) -> None:
    """Refuse what is no integer of at least ``least``."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TypeError(f"{name} must be an integer, got {value!r}")
        if int(value) < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")


def check_not_negative(**values: Any) -> None:
    """Refuse what is no finite number of at least 0."""
    for name, value in values.items():
        _check_number(name, value)
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} must be finite and at least 0, got {value}")


def check_positive(**values: Any) -> None:
    """Refuse what is no finite number above 0."""
    for name, value in values.items():
        _check_number(name, value)
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be finite and above 0, got {value}")


def check_one_of(known: tuple[str, ...], **values: Any) -> None:
    """Refuse what is none of some words."""
    for name, value in values.items():
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")


def check_flag(**values: Any) -> None:
    """Refuse what is neither True nor False."""
    for name, value in values.items():
        if not isinstance(value, bool | np.bool_):
            raise TypeError(f"{name} must be True or False, got {value!r}")


def check_widths(hidden: Any) -> tuple[int, ...]:
    """The widths of hidden layers as integers.

    Raises:
        TypeError: it is no sequence, or does not hold integers.
        ValueError: a width is below 1.
    """
    if isinstance(hidden, str) or not isinstance(hidden, Sequence | np.ndarray):
        raise TypeError(f"hidden must be a sequence of widths, got {hidden!r}")
    for width in hidden:
        check_whole(1, hidden=width)
    return tuple(int(width) for width in hidden)


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
