"""What the parameters of hash methods must be."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any


def at_least(owner: object, name: str, low: int) -> None:
    """Refuse an attribute that is no integer of at least ``low``."""
    value = getattr(owner, name)
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, got {value}")


def not_negative(name: str, value: Any) -> None:
    """Refuse what is no finite number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not (math.isfinite(value) and float(value) >= 0):
        raise ValueError(f"{name} must be finite and at least 0, got {value}")


def one_of(owner: object, name: str, known: tuple[str, ...]) -> None:
    """Refuse an attribute that is none of some words."""
    value = getattr(owner, name)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")


def flag(owner: object, name: str) -> None:
    """Refuse an attribute that is neither True nor False."""
    value = getattr(owner, name)
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")


def positive(name: str, value: Any) -> None:
    """Refuse what is no finite number above 0."""
    not_negative(name, value)
    if value == 0:
        raise ValueError(f"{name} must be above 0, got {value}")
