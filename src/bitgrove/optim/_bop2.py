"""Bop with a second moment: a threshold that does not depend on the gradient's scale."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from ._flipping import FlippingOptimizer, blocks, flip_

_EPSILON = 1e-10
"""As in the published code."""


class Bop2ndOrder(FlippingOptimizer):
    """Bop whose average is measured against the gradient's own size, as Adam does.

    With the gradient ``g``, its average ``m`` and that of its square ``v``, both first 0,

        m <- m + adaptivity_rate (g - m),    v <- v + second_rate (g^2 - v),
        w <- -w where w m / (sqrt(v) + 1e-10) > threshold.

    Multiplying the loss by a number changes almost nothing, unlike in :class:`Bop`; all else said
    there holds here too.

    Source: Suárez-Ramírez et al., Bop and Beyond, 2021, and its published code. Both runs
    on CIFAR-10 (91.9 % biased, 91.4 % unbiased, batches of 50, 500 epochs) change all three numbers
    linearly over training: threshold 1e-5 to 1e-8, adaptivity_rate 1e-2 to 1e-5, second_rate 1e-7
    to 1e-2. The defaults are ours, the magnitudes in the midst of these, for use without schedules.

    Args:
        params: binary parameters, or groups of them (a dict with ``"params"`` and settings of its
            own by their names here).
        threshold: tau, at least 0, without a unit; larger values flip less.
        adaptivity_rate: gamma, above 0 and at most 1; larger values forget sooner.
        second_rate: sigma, above 0 and at most 1, the same for the squares.
        unbiased: divide ``m`` and ``v`` by the total weight of the gradients in them, which for
            constant rates is Adam's correction, ``1 - (1 - rate)^t``. This form is inferred: the
            published code lacks the class that would show it.
        check_finite: as in :class:`Bop`.

    Raises:
        ValueError: as for :class:`Bop`.

    >>> w = torch.nn.Parameter(torch.tensor([[1.0, 1.0, -1.0]]))
    >>> w.grad = torch.tensor([[5e-9, -5e9, 5.0]])
    >>> Bop2ndOrder([w], threshold=0.1, adaptivity_rate=0.1, second_rate=0.1).step()
    >>> w.data
    tensor([[-1.,  1., -1.]])
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        threshold: float = 1e-6,
        adaptivity_rate: float = 1e-3,
        second_rate: float = 1e-3,
        unbiased: bool = False,
        *,
        check_finite: bool = True,
    ) -> None:
        settings = {
            "threshold": threshold,
            "adaptivity_rate": adaptivity_rate,
            "second_rate": second_rate,
            "unbiased": unbiased,
            "check_finite": check_finite,
        }
        super().__init__(params, settings)

    @torch.no_grad()
    def pressure(self, w: Tensor) -> Tensor | None:
        """``m / (sqrt(v) + 1e-10) / threshold``, corrected if the optimiser is ``unbiased``."""
        known = self._known(w)
        if known is None:
            return None
        state, group = known
        root, offset = _units(state, group)
        return state["momentum"] / state["second_moment"].sqrt().mul_(root).add_(offset)

    def _new_state(self, w: Tensor) -> dict[str, Any]:
        return {
            "momentum": torch.zeros_like(w, dtype=torch.float32),
            "second_moment": torch.zeros_like(w, dtype=torch.float32),
            "momentum_weight": 0.0,
            "second_weight": 0.0,
        }

    def _update(
        self, w: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        rate, second_rate = group["adaptivity_rate"], group["second_rate"]
        # The averages of the constant 1: how much of m and v is gradients rather than their start.
        state["momentum_weight"] += rate * (1 - state["momentum_weight"])
        state["second_weight"] += second_rate * (1 - state["second_weight"])
        root, offset = _units(state, group)
        for w_, g, m, v in blocks(w, gradient, state["momentum"], state["second_moment"]):
            m.lerp_(g, rate)
            v.mul_(1 - second_rate).addcmul_(g, g, value=second_rate)
            flip_(w_, m, v.sqrt().mul_(root).add_(offset))


def _units(state: dict[str, Any], group: dict[str, Any]) -> tuple[float, float]:
    """What flips a weight: ``m w > root sqrt(v) + offset``, which needs no division."""
    of_m, of_v = 1.0, 1.0
    if group["unbiased"]:
        of_m, of_v = state["momentum_weight"], state["second_weight"]
    factor = group["threshold"] * of_m
    return factor / sqrt(of_v), factor * _EPSILON
