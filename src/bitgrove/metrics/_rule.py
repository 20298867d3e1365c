"""How average precision is counted: the four choices by which published figures differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

Form: TypeAlias = Literal["rectangle", "trapezoid", "interp21"]
Ties: TypeAlias = Literal["expected", "optimistic", "pessimistic"]
Divisor: TypeAlias = Literal["hits", "reachable", "relevant"]
Empty: TypeAlias = Literal["zero", "drop"]
Values: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rule:
    """Checked choices, and their numbers for the kernels.

    Raises:
        TypeError: ``at`` is no integer.
        ValueError: a choice that does not exist, ``at`` below 1, or the expected value of the
            21-point form.
    """

    ap: Form = "rectangle"
    ties: Ties = "expected"
    divisor: Divisor = "hits"
    at: int | None = None

    def __post_init__(self) -> None:
        choose("ap", self.ap, get_args(Form))
        choose("ties", self.ties, get_args(Ties))
        choose("divisor", self.divisor, get_args(Divisor))
        if self.at is not None:
            at_least_one("at", self.at)
        if self.ap == "interp21" and self.ties == "expected":
            raise ValueError(
                'ties="expected" has no closed form for ap="interp21", which takes maxima over '
                'the ranking: ask for ties="optimistic" and "pessimistic", between which it lies, '
                "or for sampled_average_precision, the mean over random orders"
            )

    def numbers(self) -> tuple[int, int, int, int]:
        """Form, ties, divisor and cut-off as the kernels take them."""
        return (
            get_args(Form).index(self.ap),
            get_args(Ties).index(self.ties),
            get_args(Divisor).index(self.divisor),
            self.at or 0,
        )

    def check_rows(self, rows: int) -> None:
        """Refuse to look at more rows than are ranked.

        Raises:
            ValueError: ``at`` is more.
        """
        if self.at is not None and self.at > rows:
            raise ValueError(f"at must be at most {rows}, the rows that are ranked, got {self.at}")


def choose(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse what is not one of the choices.

    Raises:
        ValueError: so.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def at_least_one(name: str, value: object) -> None:
    """Refuse what is no integer of at least 1.

    Raises:
        TypeError: no integer.
        ValueError: below 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")


def orders_of(orders: int, seed: int) -> int:
    """The number of orders to draw, if it and the seed are possible.

    Raises:
        TypeError: either is no integer.
        ValueError: fewer than 2 orders, which have no spread, or a seed that has not 64 bits.
    """
    at_least_one("orders", orders)
    if orders < 2:
        raise ValueError(f"orders must be at least 2, or there is no standard error, got {orders}")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"seed must be an integer, got {seed!r}")
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed must be in 0 ..= 2**64 - 1, got {seed}")
    return int(orders)
