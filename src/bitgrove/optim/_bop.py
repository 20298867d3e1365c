"""Bop, the optimiser that flips bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Bop(Optimizer):
    """Flips a binary weight when an average of its gradients has long pointed against it.

    With the gradient ``g`` and its average ``m``, first 0, each step does

        m <- (1 - adaptivity_rate) m + adaptivity_rate g,    w <- -w where m w > threshold.

    There is no learning rate and there are no latent weights: ``w`` is +1 or -1, and a weight that
    is not becomes its sign at the first step. ``m`` is held in float32, whatever the weight is in.
    Both numbers may be changed between steps in ``param_groups``. Give the real parameters, which
    :func:`bitgrove.optim.split_parameters` finds, to another optimiser.

    The threshold is in units of the gradient, so the batch size, the reduction of the loss and a
    loss scale all change its meaning: unscale gradients before the step.

    Source: Helwegen et al., Latent Weights Do Not Exist, NeurIPS 2019, algorithm 1.

    Args:
        params: binary parameters, or groups of them (a dict with ``"params"`` and its own
            ``"threshold"`` and ``"adaptivity_rate"``).
        threshold: tau, at least 0; larger values flip less.
        adaptivity_rate: gamma, above 0 and at most 1; larger values forget sooner.

    Raises:
        ValueError: a number is out of its range, or a group has a setting that Bop does not use,
            such as ``lr`` or ``weight_decay``.

    >>> w = torch.nn.Parameter(torch.tensor([1.0, 1.0, -1.0]))
    >>> w.grad = torch.tensor([0.5, -0.5, 0.5])
    >>> Bop([w], threshold=0.1, adaptivity_rate=0.5).step()
    >>> w.data
    tensor([-1.,  1., -1.])
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        threshold: float = 1e-8,
        adaptivity_rate: float = 1e-4,
    ) -> None:
        super().__init__(params, {"threshold": threshold, "adaptivity_rate": adaptivity_rate})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own; raises as the class does."""
        unused = set(param_group) - {"params", "param_names", "threshold", "adaptivity_rate"}
        if unused:
            raise ValueError(
                f"Bop has no {', '.join(sorted(unused))}: binary weights have no magnitude to "
                "scale or decay; leave it out, or give real parameters to another optimiser"
            )
        threshold, rate = (
            param_group.get(name, self.defaults[name]) for name in ("threshold", "adaptivity_rate")
        )
        if not 0 <= threshold < float("inf"):
            raise ValueError(f"threshold must be at least 0 and finite, got {threshold}")
        if not 0 < rate <= 1:
            raise ValueError(f"adaptivity_rate must be above 0 and at most 1, got {rate}")
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient.

        Args:
            closure: evaluates the model again and returns the loss.

        Returns:
            What ``closure`` returned.

        Raises:
            TypeError: a gradient is sparse.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    self._update(w, w.grad, group["threshold"], group["adaptivity_rate"])
        return loss

    def _update(self, w: Tensor, gradient: Tensor, threshold: float, rate: float) -> None:
        if gradient.is_sparse:
            raise TypeError("Bop needs dense gradients, got a sparse one; use sparse=False")
        state = self.state[w]
        if not state:
            state["momentum"] = torch.zeros_like(w, dtype=torch.float32)
        m = state["momentum"]
        m.mul_(1 - rate).add_(gradient.to(m.dtype), alpha=rate)
        signs = torch.where(w >= 0, 1.0, -1.0)
        w.copy_(torch.where(m * signs > threshold, -signs, signs))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the averages, in float32 also where the parameters are in half precision."""
        super().load_state_dict(state_dict)
        # torch casts state to the parameter's dtype, where an average of small steps would stall.
        keys = chain.from_iterable(group["params"] for group in state_dict["param_groups"])
        parameters = chain.from_iterable(group["params"] for group in self.param_groups)
        for key, w in zip(keys, parameters, strict=True):
            if key in state_dict["state"]:
                saved = state_dict["state"][key]["momentum"]
                self.state[w]["momentum"] = saved.to(w.device, torch.float32, copy=True)
