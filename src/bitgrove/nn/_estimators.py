"""The sign, and what its gradient is taken to be.

Every estimator computes the same thing forwards, ``sign(x)`` with ``sign(0) = +1`` in the dtype of
``x``, and differs in the slope that the backward pass uses in place of the sign's zero one. NaN is
not looked for, which would cost a pass over every activation: ``sign(NaN)`` is -1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor


def sign(x: Tensor) -> Tensor:
    """+1 where ``x >= 0`` (``-0.0`` too) and -1 elsewhere (NaN too), in the dtype of ``x``.

    >>> sign(torch.tensor([-2.0, -0.0, 3.0]))
    tensor([-1.,  1.,  1.])
    """
    # Several times faster on a CPU than torch.where, which mixes a mask of bytes with floats.
    return torch.ge(x.detach(), 0, out=torch.empty_like(x)).mul_(2).sub_(1)


class Estimator(ABC):
    """A sign with a slope for the backward pass; call it on a tensor.

    A new one is a subclass with :meth:`slope`; hand an instance to a layer in place of a name.
    """

    @abstractmethod
    def slope(self, x: Tensor) -> Tensor:
        """What the upstream gradient is multiplied by, elementwise, in the dtype of ``x``."""

    def __call__(self, x: Tensor) -> Tensor:
        """``sign(x)``, with the gradient ``slope(x)``."""
        return cast(Tensor, _Sign.apply(x, self))


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, estimator: Estimator) -> Tensor:
        ctx.save_for_backward(x)
        ctx.estimator = estimator
        return sign(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradients[0] * ctx.estimator.slope(x), None


@dataclass(frozen=True)
class StraightThrough(Estimator):
    """Slope 1 everywhere; the surrogate is ``x``. Named ``"identity"``.

    Source: Courbariaux et al., BinaryConnect, NeurIPS 2015 (weights; clip them after the step).
    """

    def slope(self, x: Tensor) -> Tensor:
        """All ones."""
        return torch.ones_like(x)


@dataclass(frozen=True)
class Clipped(Estimator):
    """Slope 1 where ``|x| <= clip``, else 0; the surrogate is ``min(max(x, -clip), clip)``.

    Source: Hubara et al., Binarized Neural Networks, NeurIPS 2016, with ``clip`` 1.

    Args:
        clip: where the gradient is cut, above 0. Later networks use 1.25 or 1.3.

    >>> x = torch.tensor([-1.5, 0.0, 1.2], requires_grad=True)
    >>> Clipped(clip=1.3)(x).sum().backward()
    >>> x.grad
    tensor([0., 1., 1.])
    """

    clip: float = 1.0

    def __post_init__(self) -> None:
        _positive("clip", self.clip)

    def slope(self, x: Tensor) -> Tensor:
        """1 inside the clip, its edge included, 0 outside."""
        return (x.abs() <= self.clip).to(x.dtype)


@dataclass(frozen=True)
class Approx(Estimator):
    """Slope ``2 - 2|x|`` where ``|x| <= 1``, else 0.

    The surrogate is made of two parabolas, ``2x + x²`` on [-1, 0) and ``2x - x²`` on [0, 1).

    Source: Liu et al., Bi-Real Net, ECCV 2018 (ApproxSign), for activations.
    """

    def slope(self, x: Tensor) -> Tensor:
        """A tent of height 2 over [-1, 1]."""
        return 2 * (1 - x.abs()).clamp(min=0)


@dataclass(frozen=True)
class Swish(Estimator):
    """Slope ``beta (2 - z tanh(z/2)) / (1 + cosh z)`` with ``z = beta x``; negative far from 0.

    The surrogate is ``2 s(z) (1 + z (1 - s(z))) - 1`` with the logistic function ``s``. Computed
    through ``1 / (1 + cosh z) = sech²(z/2) / 2``, which does not overflow in half precision.

    Source: Darabi et al., BNN+, 2018 (SignSwish).

    Args:
        beta: steepness, above 0; the paper's value is 5.
    """

    beta: float = 5.0

    def __post_init__(self) -> None:
        _positive("beta", self.beta)

    def slope(self, x: Tensor) -> Tensor:
        """The formula above; ``beta`` at 0."""
        half = (self.beta / 2 * x).clamp(-50, 50)  # beyond it is below 1e-40; inf would make NaN
        return self.beta * (1 - half * torch.tanh(half)) * _sech_squared(half)


@dataclass(frozen=True)
class EDE(Estimator):
    """Slope ``k t (1 - tanh²(t x))``; the surrogate is ``k tanh(t x)``.

    Over the training ``t`` rises from 0.1 to 10 on a logarithmic scale, so that the surrogate turns
    from a line into the sign: assign ``EDE(t)`` anew to the layers as it does.

    Source: Qin et al., IR-Net, CVPR 2020 (error decay estimator).

    Args:
        t: steepness, above 0.
        k: height, above 0; ``None`` is the paper's ``max(1/t, 1)``.
    """

    t: float = 1.0
    k: float | None = None

    def __post_init__(self) -> None:
        _positive("t", self.t)
        if self.k is not None:
            _positive("k", self.k)

    def slope(self, x: Tensor) -> Tensor:
        """The formula above; ``k t`` at 0."""
        k = max(1 / self.t, 1.0) if self.k is None else self.k
        return k * self.t * _sech_squared(self.t * x)


@dataclass(frozen=True)
class MagnitudeAware(Estimator):
    """For weights only: ``a sign(W)``, slope ``a`` where ``|W| <= clip``, else 0.

    ``a`` is the mean of ``|W|`` over all but the first axis, taken as a constant. Layers multiply
    by it after the convolution, which has the same gradient and keeps the convolution's result an
    exact integer.

    Source: Liu et al., Bi-Real Net, ECCV 2018, sec. 3.3 (magnitude-aware gradient).

    Args:
        clip: where the gradient is cut, above 0.

    >>> MagnitudeAware()(torch.tensor([[0.5, -1.5], [0.2, 0.2]]))
    tensor([[ 1.0000, -1.0000],
            [ 0.2000,  0.2000]])
    """

    clip: float = 1.0

    def __post_init__(self) -> None:
        _positive("clip", self.clip)

    def slope(self, x: Tensor) -> Tensor:
        """Of the sign alone, without ``a``."""
        return (x.abs() <= self.clip).to(x.dtype)

    def magnitude(self, weight: Tensor) -> Tensor:
        """``a`` for every first index of ``weight``, shape ``(out,)``, detached."""
        return weight.detach().abs().flatten(1).mean(1)

    def __call__(self, x: Tensor) -> Tensor:
        """``a sign(x)`` with the gradient above; ``x`` has shape ``(out, ...)``."""
        return super().__call__(x) * self.magnitude(x).reshape(-1, *[1] * (x.ndim - 1))


ESTIMATORS: Mapping[str, type[Estimator]] = MappingProxyType(
    {
        "identity": StraightThrough,
        "clipped": Clipped,
        "approx": Approx,
        "swish": Swish,
        "ede": EDE,
        "magnitude_aware": MagnitudeAware,
    }
)
"""Every estimator by its name; a name stands for the class with its default parameters."""


def resolve(estimator: str | Estimator | None, argument: str) -> Estimator | None:
    """The estimator that an argument means; ``None`` leaves values real.

    Raises:
        ValueError: no estimator has this name; the message lists those there are.
        TypeError: neither a name, nor an :class:`Estimator`, nor ``None``.

    >>> resolve("swish", "input_estimator")
    Swish(beta=5.0)
    """
    if estimator is None or isinstance(estimator, Estimator):
        return estimator
    if not isinstance(estimator, str):
        raise TypeError(
            f"{argument} must be a name, an Estimator such as Clipped(clip=1.3), or None, "
            f"got {estimator!r}"
        )
    if estimator not in ESTIMATORS:
        raise ValueError(
            f"{argument} {estimator!r} is unknown; available: {', '.join(ESTIMATORS)}, "
            "or None to leave the values real"
        )
    return ESTIMATORS[estimator]()


def _sech_squared(z: Tensor) -> Tensor:
    """``1 - tanh²(z)``, without the loss of digits where ``tanh`` is near 1."""
    e = torch.exp(-2 * z.abs())
    return 4 * e / (1 + e).square()


def _positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be above 0 and finite, got {value}")
