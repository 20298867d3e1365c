"""Bop, the optimiser that flips bits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ._flipping import FlippingOptimizer, blocks, flip_


class Bop(FlippingOptimizer):
    """Flips a binary weight when an average of its gradients has long pointed against it.

    With the gradient ``g`` and its average ``m``, first 0, each step does

        m <- (1 - adaptivity_rate) m + adaptivity_rate g,    w <- -w where m w > threshold.

    There is no learning rate and there are no latent weights: ``w`` is +1 or -1, and a weight that
    is not becomes its sign at the first step. ``m`` is held in float32, whatever the weight is in.
    Both numbers may be changed between steps in ``param_groups``, by hand or by
    :class:`bitgrove.optim.HyperparameterScheduler`. Give the real parameters, which
    :func:`bitgrove.optim.split_parameters` finds, to another optimiser.

    The threshold is in units of the gradient, so the batch size, the reduction of the loss and a
    loss scale all change its meaning: unscale gradients before the step, as
    ``torch.amp.GradScaler.step`` does.

    Source: Helwegen et al., Latent Weights Do Not Exist, NeurIPS 2019. Differences: where ``m w``
    equals the threshold exactly the weight stays, while the authors' code makes it +1; and the
    layers of this library take signs from the first pass on, while there it sees the real weights
    that were drawn.

    Args:
        params: binary parameters, or groups of them (a dict with ``"params"`` and settings of its
            own by their names here); not ``model.parameters()``, among which are real ones.
        threshold: tau, at least 0; larger values flip less.
        adaptivity_rate: gamma, above 0 and at most 1; larger values forget sooner.
        check_finite: refuse a gradient with an infinity or NaN before anything is updated. Taken
            into the average it would hold the weight for ever, without a trace in the loss. The
            check reads each gradient once more and waits for the device; leave it on unless the
            loss or the gradients are checked elsewhere.

    Raises:
        ValueError: a number is out of its range, a group has a setting that Bop does not use, such
            as ``lr`` or ``weight_decay``, or a parameter has fewer than 2 axes, as no binary
            weight has.

    >>> w = torch.nn.Parameter(torch.tensor([[1.0, 1.0, -1.0]]))
    >>> w.grad = torch.tensor([[0.5, -0.5, 0.5]])
    >>> Bop([w], threshold=0.1, adaptivity_rate=0.5).step()
    >>> w.data
    tensor([[-1.,  1., -1.]])
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        threshold: float = 1e-8,
        adaptivity_rate: float = 1e-4,
        *,
        check_finite: bool = True,
    ) -> None:
        settings = {
            "threshold": threshold,
            "adaptivity_rate": adaptivity_rate,
            "check_finite": check_finite,
        }
        super().__init__(params, settings)

    @torch.no_grad()
    def pressure(self, w: Tensor) -> Tensor | None:
        """``m / threshold``."""
        known = self._known(w)
        if known is None:
            return None
        state, group = known
        return state["momentum"] / group["threshold"]

    def _new_state(self, w: Tensor) -> dict[str, Any]:
        return {"momentum": torch.zeros_like(w, dtype=torch.float32)}

    def _update(
        self, w: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        threshold = w.new_full((), group["threshold"])
        for w_, g, m in blocks(w, gradient, state["momentum"]):
            m.lerp_(g, group["adaptivity_rate"])
            flip_(w_, m, threshold)
