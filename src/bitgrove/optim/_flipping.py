"""What the optimisers that flip bits share: checks, averages in float32, the flip itself."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_BLOCK = 1 << 16
"""Weights that are updated together on a CPU, so that what lies between stays in its cache."""

_ANY_GROUP = {"params", "param_names", "name"}


class FlippingOptimizer(Optimizer):
    """Base of the optimisers of weights that are +1 or -1.

    A weight that is neither becomes its sign at the first step. The averages are float32, whatever
    the weight is in, because a small step towards a gradient vanishes in half precision.
    """

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own; raises as the class does."""
        unused = set(param_group) - _ANY_GROUP - set(self.defaults)
        if unused:
            raise ValueError(
                f"{type(self).__name__} has no {', '.join(sorted(unused))}: binary weights have no "
                "magnitude to scale or decay; leave it out, or give real parameters to another "
                "optimiser"
            )
        _check_settings(self.defaults | param_group)
        params = param_group["params"]
        if not isinstance(params, Tensor | set):  # torch refuses a set, which has no order
            param_group["params"] = params = list(params)  # as torch does; it may be an iterator
        self._check_axes([params] if isinstance(params, Tensor) else params)
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient.

        Args:
            closure: evaluates the model again and returns the loss.

        Returns:
            What ``closure`` returned.

        Raises:
            ValueError: a gradient is not finite (with ``check_finite``), or a setting was changed
                to a value out of its range. Nothing has been updated.
            TypeError: a gradient is sparse.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            _check_settings(group)
        self._check_gradients()
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    continue
                state = self.state[w]
                if not state:
                    w.copy_(torch.where(w >= 0, 1.0, -1.0))
                    state.update(self._new_state(w))
                signs = w.float()  # the weight itself where it is float32
                self._update(signs, w.grad.float(), state, group)
                if signs is not w:
                    w.copy_(signs)
        return loss

    @abstractmethod
    def pressure(self, w: Tensor) -> Tensor | None:
        """The average gradient of a parameter in units of what flips it, at this moment.

        Args:
            w: one of the optimiser's parameters.

        Returns:
            float32 of the shape of ``w``: a weight flips where ``w`` times it is above 1. None
            before the first step, and where the threshold is 0.

        Raises:
            ValueError: ``w`` is none of the optimiser's parameters.
        """

    @abstractmethod
    def _new_state(self, w: Tensor) -> dict[str, Any]:
        """What is known of a parameter before its first gradient; tensors in float32."""

    @abstractmethod
    def _update(
        self, w: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Move the averages and flip, in place; everything is float32."""

    def _known(self, w: Tensor) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """State and group of a parameter whose pressure is defined."""
        for group in self.param_groups:
            if any(w is own for own in group["params"]):
                known = group["threshold"] > 0 and self.state.get(w)
                return (self.state[w], group) if known else None
        raise ValueError(f"w is none of the parameters of this {type(self).__name__}")

    def _check_axes(self, params: Iterable[Any]) -> None:
        for item in params:
            name, w = item if isinstance(item, tuple) else ("", item)
            if isinstance(w, Tensor) and w.ndim < 2:
                raise ValueError(
                    f"{type(self).__name__} turns every parameter to +1 and -1, and binary weights "
                    f"have at least 2 axes, got one {f'{name!r} ' if name else ''}of shape "
                    f"{tuple(w.shape)}: a bias, slope or batch norm is real. Give "
                    "bitgrove.optim.split_parameters(model)[0] here, and [1] to another optimiser"
                )

    def _check_gradients(self) -> None:
        totals: dict[torch.device, list[Tensor]] = {}
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    continue
                if w.grad.is_sparse:
                    raise TypeError(
                        f"{type(self).__name__} needs dense gradients, got a sparse one; "
                        "use sparse=False"
                    )
                if group["check_finite"]:
                    # A sum is not finite if one of its terms is not; one wait for each device.
                    total = w.grad.sum(dtype=torch.float32)
                    totals.setdefault(w.grad.device, []).append(total)
        if not all(math.isfinite(torch.stack(some).sum().item()) for some in totals.values()):
            raise ValueError(
                "a gradient of a binary weight is not finite, and its average would never recover: "
                "the weights were left as they are. Lower the learning rate of the real "
                "parameters; with float16, step through torch.amp.GradScaler, which skips such "
                "steps"
            )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the averages, in float32 also where the parameters are in half precision."""
        super().load_state_dict(state_dict)
        # torch casts state to the parameter's dtype, where an average of small steps would stall.
        keys = chain.from_iterable(group["params"] for group in state_dict["param_groups"])
        parameters = chain.from_iterable(group["params"] for group in self.param_groups)
        for key, w in zip(keys, parameters, strict=True):
            for name, saved in state_dict["state"].get(key, {}).items():
                if isinstance(saved, Tensor):
                    self.state[w][name] = saved.to(w.device, torch.float32, copy=True)


def flip_(w: Tensor, m: Tensor, threshold: Tensor) -> None:
    """Turn ``w``, of +1 and -1, over where ``m w > threshold``; ``threshold`` is overwritten.

    Args:
        w: float32.
        m: float32, of the same shape.
        threshold: at least 0, of the same shape or a single number.
    """
    if threshold.ndim:
        kept = threshold.addcmul_(m, w, value=-1)
    else:
        kept = torch.addcmul(threshold, m, w, value=-1)
    # Vectorised, unlike a masked fill; a difference of 0, which is +0, keeps the sign of w.
    torch.copysign(w.new_ones(()), kept.mul_(w), out=w)


def blocks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same parts of tensors of one shape, small enough for a CPU's cache; views."""
    first = tensors[0]
    if first.device.type != "cpu" or first.numel() <= _BLOCK:
        yield tensors
        return
    rows = max(1, _BLOCK * len(first) // first.numel())
    yield from zip(*(tensor.split(rows) for tensor in tensors), strict=True)


def _check_settings(group: dict[str, Any]) -> None:
    if not 0 <= group["threshold"] < math.inf:
        raise ValueError(f"threshold must be at least 0 and finite, got {group['threshold']}")
    for name in ("adaptivity_rate", "second_rate"):
        if name in group and not 0 < group[name] <= 1:
            raise ValueError(f"{name} must be above 0 and at most 1, got {group[name]}")
