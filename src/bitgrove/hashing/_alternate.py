"""Alternating optimisation of weights and codes, recorded, with early stopping."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ._bdnn_problems import Problem
from ._bdnn_terms import Terms
from ._lbfgs import minimise

Judge = Callable[[Tensor], float]
"""Validation mAP of the encoder with these parameters."""


@dataclass(slots=True)
class History:
    """What happened in every half step."""

    steps: list[str] = field(default_factory=list)
    """``"start"``, then ``"weights"`` and ``"codes"`` in turn."""
    objective: list[float] = field(default_factory=list)
    """After each of them."""
    terms: list[Terms] = field(default_factory=list)
    evaluations: list[int] = field(default_factory=list)
    """Of the objective, by each step over weights."""
    validation: list[float] = field(default_factory=list)
    """mAP after each step over weights, if there are validation rows."""
    best: int = 0
    """Steps over codes before the weights that were kept; 0 is the first step over weights."""
    ended: str = "rounds"
    """Why: ``"rounds"``, ``"validation"`` or ``"not finite"``."""

    def note(self, step: str, terms: Terms) -> None:
        self.steps.append(step)
        self.terms.append(terms)
        self.objective.append(sum(terms.values()))


def alternate(
    problem: Problem,
    vector: Tensor,
    signs: Tensor,
    *,
    rounds: int,
    iterations: int,
    patience: int,
    judge: Judge | None,
    say: Callable[[str], None],
) -> History:
    """Learn in place; the vector ends as the weights that validation liked best, or the last.

    Weights for the signs at hand come first, then ``rounds`` of better signs and weights for them.
    No half step makes the objective larger, unless codes start from zeros by choice.

    Args:
        problem: the objective.
        vector: where weights start; changed.
        signs: where codes start, ``(n, bits)``.
        rounds: at most.
        iterations: of L-BFGS in each step over weights.
        patience: steps over weights without a better validation mAP that end it.
        judge: makes the validation mAP; None never ends early.
        say: told a line after each half step.

    Raises:
        ValueError: the objective is not finite where it starts.
    """
    history = History()
    problem.set_signs(signs)
    history.note("start", problem.measure(vector))
    if not math.isfinite(history.objective[0]):
        raise ValueError(
            "the objective is not finite at its start: X has values too large for it, scale the "
            "features"
        )
    best, kept = -math.inf, vector.clone()
    for number in range(rounds + 1):
        if number:
            problem.set_signs(problem.better_signs(vector))
            history.note("codes", problem.measure(vector))
            say(f"round {number}: codes, objective {history.objective[-1]:.6g}")
        outcome = minimise(vector, problem, iterations)
        history.evaluations.append(outcome.evaluations)
        history.note("weights", problem.measure(vector))
        text = f"round {number}: weights, objective {history.objective[-1]:.6g}"
        score = judge(vector) if judge else float(number)
        if judge:
            history.validation.append(score)
            text += f", validation mAP {score:.4f}"
        say(f"{text}, {outcome.evaluations} evaluations")
        if score > best:
            best, history.best = score, number
            kept.copy_(vector)
        if not outcome.finite:
            history.ended = "not finite"
            warnings.warn(
                f"the objective was not finite in round {number}; the best weights before that "
                f"are kept, of round {history.best}",
                RuntimeWarning,
                stacklevel=2,
            )
            break
        if judge and number - history.best >= patience:
            history.ended = "validation"
            break
    vector.copy_(kept)
    return history


def flat(problem: Problem, parts: list[torch.Tensor]) -> Tensor:
    """Weights into one vector, biases zero."""
    vector = torch.zeros(problem.layout.length, dtype=torch.float64)
    for (weight, _), part in zip(problem.layout.parts(vector), parts, strict=True):
        weight.copy_(part)
    return vector
