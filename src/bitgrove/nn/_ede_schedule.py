"""IR-Net's schedule: how the error decay estimator turns from a line into the sign."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import nn

from ._estimators import EDE

_PLACES = ("input_estimator", "weight_estimator", "estimator")


class EDESchedule:
    """Raises ``t`` of every :class:`bitgrove.nn.EDE` in a model, evenly on a logarithmic scale.

    ``t`` is ``first`` from the start and ``first (last / first)^(n / steps)`` after ``n`` calls of
    :meth:`step`; after ``steps`` of them it stays at ``last``. An estimator's ``k`` stays as it
    was given, which for ``None`` is ``max(1/t, 1)``.

    Source: Qin et al., IR-Net, CVPR 2020, which steps once per epoch. A compiled model may be
    stepped as well: ``torch.compile`` makes ``t`` an input of the graph when it first changes.

    Args:
        model: its layers are looked through at every step; those that have an ``EDE`` as
            ``input_estimator``, ``weight_estimator`` or ``estimator`` take part.
        steps: from ``first`` to ``last``, at least 1: the epochs, or the batches, of the training.
        first: the first ``t``, above 0.
        last: the last one, at least ``first``.

    Raises:
        ValueError: an argument is out of its range, or the model has no ``EDE``.

    >>> from bitgrove.nn import BinaryLinear
    >>> layer = BinaryLinear(4, 2, weight_estimator="ede")
    >>> schedule = EDESchedule(layer, steps=2)
    >>> for _ in range(2):
    ...     print(layer.weight_estimator)
    ...     schedule.step()
    EDE(t=0.1, k=None)
    EDE(t=1.0, k=None)
    >>> layer.weight_estimator, EDESchedule.t_at(0.5)
    (EDE(t=10.0, k=None), 1.0)
    """

    def __init__(
        self, model: nn.Module, steps: int, *, first: float = 0.1, last: float = 10.0
    ) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        if not 0 < first <= last < float("inf"):
            raise ValueError(f"0 < first <= last must hold, got first={first}, last={last}")
        if not self.applies_to(model):
            raise ValueError(
                "the model has no EDE to schedule; make its layers with input_estimator='ede' or "
                "weight_estimator='ede'"
            )
        self.model, self.steps, self.first, self.last = model, steps, first, last
        self._done = 0
        self._apply()

    @property
    def t(self) -> float:
        """The present steepness."""
        return self.t_at(self._done / self.steps, first=self.first, last=self.last)

    def step(self) -> None:
        """Go on by one of ``steps``."""
        self._done = min(self._done + 1, self.steps)
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        """How far it has come; the arguments of the constructor are not in it."""
        return {"done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where ``state`` was taken, and give the model's estimators that ``t``.

        Raises:
            ValueError: the state comes from a longer schedule.
        """
        done = int(state["done"])
        if not 0 <= done <= self.steps:
            raise ValueError(
                f"the state has done {done} steps and this schedule has {self.steps}; make it with "
                "the same number of steps"
            )
        self._done = done
        self._apply()

    @staticmethod
    def applies_to(model: nn.Module) -> bool:
        """Whether ``model`` has an ``EDE`` to schedule."""
        return next(_estimated(model), None) is not None

    @staticmethod
    def t_at(progress: float, *, first: float = 0.1, last: float = 10.0) -> float:
        """``t`` when the fraction ``progress``, in [0, 1], of the training is over."""
        if not 0 <= progress <= 1:
            raise ValueError(f"progress must be in [0, 1], got {progress}")
        return min(first * (last / first) ** progress, last)

    def _apply(self) -> None:
        for module, place, estimator in _estimated(self.model):
            setattr(module, place, replace(estimator, t=self.t))


def _estimated(model: nn.Module) -> Iterator[tuple[nn.Module, str, EDE]]:
    for module in model.modules():
        for place in _PLACES:
            estimator = getattr(module, place, None)
            if isinstance(estimator, EDE):
                yield module, place, estimator
