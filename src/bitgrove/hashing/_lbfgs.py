"""torch's L-BFGS with strong Wolfe on one vector, which never returns anything worse than found."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Objective = Callable[[Tensor, Tensor], float]
"""Takes parameters and a vector to write the gradient to; returns the value."""

HISTORY = 100
"""Pairs that L-BFGS remembers, as minFunc's ``Corr``."""


class Outcome(NamedTuple):
    """Where a minimisation ended."""

    value: float
    """The least that was found."""
    evaluations: int
    finite: bool
    """False: values that are not finite ended it early."""


class _NotFiniteError(ArithmeticError):
    pass


def minimise(parameters: Tensor, objective: Objective, iterations: int) -> Outcome:
    """Make ``objective`` small, in place, with the settings of minFunc's defaults.

    The parameters end where the value was least of all that were tried, which is at most the value
    that it began with. A value or gradient that is not finite ends the search there.

    Args:
        parameters: ``float64[n]``, changed in place.
        objective: must be deterministic.
        iterations: at most; evaluations are limited to 2.5 times as many.
    """
    vector = torch.nn.Parameter(parameters.clone())
    gradient = torch.zeros_like(parameters)
    vector.grad = gradient
    least, evaluations = math.inf, 0

    def closure() -> Tensor:
        nonlocal least, evaluations
        with torch.no_grad():
            value = objective(vector.detach(), gradient)
            evaluations += 1
            if not (math.isfinite(value) and bool(torch.isfinite(gradient).all())):
                raise _NotFiniteError
            if value < least:
                least = value
                parameters.copy_(vector)
            return torch.tensor(value, dtype=parameters.dtype)

    search = torch.optim.LBFGS(
        [vector],
        lr=1,
        max_iter=iterations,
        max_eval=max(iterations * 5 // 2, 1),
        tolerance_grad=1e-5,
        tolerance_change=1e-9,
        history_size=HISTORY,
        line_search_fn="strong_wolfe",
    )
    try:
        search.step(closure)
    except _NotFiniteError:
        return Outcome(least, evaluations, False)
    return Outcome(least, evaluations, True)
