"""How a setting changes over a run of any length: the functions of ``bitgrove.optim`` to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from .. import optim

Per = Literal["step", "epoch"]


class Schedule(Protocol):
    """A setting that is scheduled once the length of the run is known."""

    @property
    def per(self) -> Per:
        """Whether the value changes at every step or stays for a whole epoch."""
        ...

    def over(self, count: int) -> Callable[[int], float]:
        """The function of the steps (or epochs) done for a run of ``count``."""
        ...


@dataclass(frozen=True)
class Constant:
    """One value throughout."""

    value: float
    per: Per = "step"

    def over(self, count: int) -> Callable[[int], float]:
        """See :class:`Schedule`."""
        return optim.constant(self.value)


@dataclass(frozen=True)
class Linear:
    """From one value to another by equal differences.

    >>> Linear(0.2, 0.0).over(100)(75)
    0.05
    """

    start: float
    end: float = 0.0
    per: Per = "step"

    def over(self, count: int) -> Callable[[int], float]:
        """See :class:`Schedule`."""
        return optim.linear(self.start, self.end, count)


@dataclass(frozen=True)
class Exponential:
    """From one value to another by equal factors, by default from epoch to epoch."""

    start: float
    end: float
    per: Per = "epoch"

    def over(self, count: int) -> Callable[[int], float]:
        """See :class:`Schedule`."""
        return optim.exponential(self.start, self.end, count)


@dataclass(frozen=True)
class Staircase:
    """``parts`` equal parts of a run, each with ``factor`` times the value of the one before.

    >>> f = Staircase(1.0, 0.5, parts=4).over(100)
    >>> [f(step) for step in (0, 24, 25, 99)]
    [1.0, 1.0, 0.5, 0.125]
    """

    start: float
    factor: float
    parts: int
    per: Per = "step"

    def over(self, count: int) -> Callable[[int], float]:
        """See :class:`Schedule`."""
        return optim.staircase(self.start, self.factor, max(1, -(-count // self.parts)))


def schedule_of(value: Schedule | float, name: str) -> Schedule:
    """A number as one value throughout.

    Raises:
        TypeError: neither a number nor a schedule.

    >>> schedule_of(0.1, "lr")
    Constant(value=0.1, per='step')
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Constant(float(value))
    if not hasattr(value, "over") or not hasattr(value, "per"):
        raise TypeError(f"{name} must be a number or a schedule such as Linear(), got {value!r}")
    return cast(Schedule, value)
