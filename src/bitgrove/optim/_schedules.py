"""How a number changes with the step: functions of the steps done, an integer from 0.

They print as the call that makes them and can be pickled and compared. After their last step they
keep the value of their end.
"""

# ruff: noqa: N801 - called like functions
from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class constant:
    """One value at all steps.

    >>> constant(0.1)(1000)
    0.1
    """

    value: float

    def __post_init__(self) -> None:
        _check_finite("value", self.value)

    def __call__(self, step: int) -> float:
        """The value at a step."""
        return self.value


@dataclass(frozen=True)
class linear:
    """From ``start`` at step 0 to ``end`` at step ``steps`` by equal differences.

    >>> f = linear(1.0, 0.0, steps=4)
    >>> [f(step) for step in (0, 1, 4, 5)]
    [1.0, 0.75, 0.0, 0.0]
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        _check_finite("start", self.start)
        _check_finite("end", self.end)
        _check_least("steps", self.steps, 1)

    def __call__(self, step: int) -> float:
        """The value at a step."""
        done = min(step / self.steps, 1.0)
        return (1 - done) * self.start + done * self.end  # the ends exactly


@dataclass(frozen=True)
class exponential:
    """From ``start`` at step 0 to ``end`` at step ``steps`` by equal factors; both above 0.

    >>> f = exponential(1.0, 0.01, steps=2)
    >>> f(0), round(f(1), 9), f(2)
    (1.0, 0.1, 0.01)
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        _check_finite("start", self.start, above=0)
        _check_finite("end", self.end, above=0)
        _check_least("steps", self.steps, 1)

    def __call__(self, step: int) -> float:
        """The value at a step."""
        done = min(step / self.steps, 1.0)
        return self.start ** (1 - done) * self.end**done


@dataclass(frozen=True)
class staircase:
    """From ``start``, multiplied by ``factor`` every ``every`` steps, without an end.

    >>> f = staircase(1.0, 0.5, every=100)
    >>> [f(step) for step in (0, 99, 100, 300)]
    [1.0, 1.0, 0.5, 0.125]
    """

    start: float
    factor: float
    every: int

    def __post_init__(self) -> None:
        _check_finite("start", self.start)
        _check_finite("factor", self.factor, above=0)
        _check_least("every", self.every, 1)

    def __call__(self, step: int) -> float:
        """The value at a step."""
        return self.start * self.factor ** (step // self.every)


@dataclass(frozen=True)
class piecewise:
    """One value after another.

    Args:
        values: one more than ``bounds``.
        bounds: first step of the second value, of the third and so on; above 0 and increasing.

    >>> f = piecewise([0.1, 0.01, 0.001], bounds=[10, 15])
    >>> [f(step) for step in (0, 9, 10, 14, 15)]
    [0.1, 0.1, 0.01, 0.01, 0.001]
    """

    values: tuple[float, ...] | list[float]
    bounds: tuple[int, ...] | list[int]

    def __post_init__(self) -> None:
        # Tuples, so that the schedule can be neither changed nor told from an equal one.
        object.__setattr__(self, "values", tuple(self.values))
        object.__setattr__(self, "bounds", tuple(self.bounds))
        if len(self.values) != len(self.bounds) + 1:
            raise ValueError(
                "values must be one more than bounds, got "
                f"{len(self.values)} values and {len(self.bounds)} bounds"
            )
        for value in self.values:
            _check_finite("values", value)
        for bound in self.bounds:
            _check_least("bounds", bound, 1)
        if any(b <= a for a, b in pairwise(self.bounds)):
            raise ValueError(f"bounds must increase, got {self.bounds}")

    def __call__(self, step: int) -> float:
        """The value at a step."""
        return self.values[sum(step >= bound for bound in self.bounds)]


@dataclass(frozen=True)
class cosine:
    """From ``start`` to ``end`` on half a cosine wave, after a linear rise to ``start``.

    Args:
        start: value at step ``warmup``.
        end: value at step ``steps``.
        steps: length of both parts together.
        warmup: steps of the rise; the first of them has ``start / warmup``, not 0, and the last
            ``start``. Below ``steps``.

    >>> f = cosine(1.0, 0.0, steps=6, warmup=2)
    >>> [round(f(step), 9) for step in range(7)]
    [0.5, 1.0, 1.0, 0.853553391, 0.5, 0.146446609, 0.0]
    """

    start: float
    end: float
    steps: int
    warmup: int = 0

    def __post_init__(self) -> None:
        _check_finite("start", self.start)
        _check_finite("end", self.end)
        _check_least("steps", self.steps, 1)
        _check_least("warmup", self.warmup, 0)
        if self.warmup >= self.steps:
            raise ValueError(f"warmup (={self.warmup}) must be below steps (={self.steps})")

    def __call__(self, step: int) -> float:
        """The value at a step."""
        if step < self.warmup:
            return self.start * (step + 1) / self.warmup
        done = min((step - self.warmup) / (self.steps - self.warmup), 1.0)
        share = (1 + math.cos(math.pi * done)) / 2
        return share * self.start + (1 - share) * self.end


def _check_finite(name: str, value: float, *, above: float = -math.inf) -> None:
    if not above < value < math.inf:
        expected = "finite" if above == -math.inf else f"above {above:g} and finite"
        raise ValueError(f"{name} must be {expected}, got {value}")


def _check_least(name: str, value: int, least: int) -> None:
    if not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number of steps, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
