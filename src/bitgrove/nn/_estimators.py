"""Every estimator of the sign's gradient, and the names they go by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor

from ._kernels import approx_gradient, approx_gradient_, fast
from ._sign import Estimator


@dataclass(frozen=True)
class StraightThrough(Estimator):
    """Slope 1 everywhere; the surrogate is ``x``. Named ``"identity"``.

    Source: Courbariaux et al., BinaryConnect, NeurIPS 2015 (weights; clip them after the step).
    """

    remembers_input = False

    def slope(self, x: Tensor) -> Tensor:
        """All ones."""
        return torch.ones_like(x)

    def pull_back(self, gradient: Tensor, x: Tensor | None) -> Tensor:
        """The upstream gradient itself."""
        return gradient


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

    def pull_back(self, gradient: Tensor, x: Tensor | None) -> Tensor:
        """Cut outside the clip, in one pass."""
        return _cut(gradient, x, self.clip)

    def pull_back_(self, gradient: Tensor, x: Tensor | None) -> Tensor:
        """The same, written over the gradient."""
        return _cut_(gradient, x, self.clip)


@dataclass(frozen=True)
class Stochastic(Estimator):
    """In training +1 with probability ``min(max((x + 1) / 2, 0), 1)``; in evaluation the sign.

    The slope is that of ``Clipped(clip=1)``, 1 where ``|x| <= 1``, else 0: the expected value of
    the draw is the clipped ``x``. Draws come from torch's global generator (``torch.manual_seed``),
    one per element and call, in float32 where ``x`` has half precision.

    Source: Hubara et al., Binarized Neural Networks, NeurIPS 2016 (activations).
    Differences: a weight is its sign in evaluation, as it is packed, where BinaryConnect trained
    stochastically is tested with its real weights.

    >>> _ = torch.manual_seed(0)
    >>> x = torch.full((1000,), 0.5)
    >>> Stochastic()(x).mean(), Stochastic()(x, training=False).mean()
    (tensor(0.4980), tensor(1.))
    """

    def threshold(self, x: Tensor, training: bool) -> Tensor | float:
        """Uniform in (-1, 1], so that -1 is never drawn as +1, nor +1 as -1."""
        if not training:
            return 0.0
        dtype = torch.promote_types(x.dtype, torch.float32)
        return 1 - 2 * torch.rand_like(x, dtype=dtype)

    def slope(self, x: Tensor) -> Tensor:
        """1 on [-1, 1], 0 outside."""
        return (x.abs() <= 1).to(x.dtype)

    def pull_back(self, gradient: Tensor, x: Tensor | None) -> Tensor:
        """Cut outside [-1, 1], in one pass."""
        return _cut(gradient, x, 1.0)

    def pull_back_(self, gradient: Tensor, x: Tensor | None) -> Tensor:
        """The same, written over the gradient."""
        return _cut_(gradient, x, 1.0)


@dataclass(frozen=True)
class Approx(Estimator):
    """Slope ``2 - 2|x|`` where ``|x| <= 1``, else 0.

    The surrogate is made of two parabolas, ``2x + x²`` on [-1, 0) and ``2x - x²`` on [0, 1).

    Source: Liu et al., Bi-Real Net, ECCV 2018 (ApproxSign), for activations.
    """

    def slope(self, x: Tensor) -> Tensor:
        """A tent of height 2 over [-1, 1]."""
        return 2 * (1 - x.abs()).clamp(min=0)

    def pull_back(self, gradient: Tensor, x: Tensor | None) -> Tensor:
        """Times the tent, in one new tensor."""
        if fast(gradient, cast(Tensor, x)):
            return approx_gradient(gradient, cast(Tensor, x))
        tent = cast(Tensor, x).abs()
        torch.sub(torch.tensor(2.0), tent, alpha=2, out=tent)
        return tent.clamp_(min=0).mul_(gradient)

    def pull_back_(self, gradient: Tensor, x: Tensor | None) -> Tensor:
        """Times the tent, written over the gradient."""
        if fast(gradient, cast(Tensor, x)):
            return approx_gradient_(gradient, cast(Tensor, x))
        return self.pull_back(gradient, x)


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
    from a line into the sign: :class:`bitgrove.nn.EDESchedule` sees to it, in
    :func:`bitgrove.training.fit` without being asked.

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

    def pull_back(self, gradient: Tensor, x: Tensor | None) -> Tensor:
        """Cut outside the clip, in one pass."""
        return _cut(gradient, x, self.clip)

    def pull_back_(self, gradient: Tensor, x: Tensor | None) -> Tensor:
        """The same, written over the gradient."""
        return _cut_(gradient, x, self.clip)

    def magnitude(self, weight: Tensor) -> Tensor:
        """``a`` for every first index of ``weight``, shape ``(out,)``, detached."""
        return mean_magnitude(weight.detach())

    def __call__(self, x: Tensor, *, training: bool = True) -> Tensor:
        """``a sign(x)`` with the gradient above; ``x`` has shape ``(out, ...)``."""
        return super().__call__(x, training=training) * self.magnitude(x).reshape(
            -1, *[1] * (x.ndim - 1)
        )


ESTIMATORS: Mapping[str, type[Estimator]] = MappingProxyType(
    {
        "identity": StraightThrough,
        "clipped": Clipped,
        "approx": Approx,
        "swish": Swish,
        "ede": EDE,
        "magnitude_aware": MagnitudeAware,
        "stochastic": Stochastic,
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


def mean_magnitude(weight: Tensor) -> Tensor:
    """The mean of ``|weight|`` for every first index, shape ``(out,)``."""
    # Not flattened first, which copies a weight whose channels are its last axis in memory.
    return weight.abs().mean(tuple(range(1, max(weight.ndim, 2))))


def _sech_squared(z: Tensor) -> Tensor:
    """``1 - tanh²(z)``, without the loss of digits where ``tanh`` is near 1."""
    e = torch.exp(-2 * z.abs())
    return 4 * e / (1 + e).square()


def _cut(gradient: Tensor, x: Tensor | None, clip: float) -> Tensor:
    """``gradient`` where ``|x| <= clip``, else 0."""
    edge = _beyond(clip, gradient)
    return torch.ops.aten.hardtanh_backward(gradient, x, -edge, edge)


def _cut_(gradient: Tensor, x: Tensor | None, clip: float) -> Tensor:
    """The same, written over ``gradient``."""
    edge = _beyond(clip, gradient)
    return torch.ops.aten.hardtanh_backward.grad_input(
        gradient, x, -edge, edge, grad_input=gradient
    )


def _beyond(clip: float, gradient: Tensor) -> float:
    # The backward pass of hardtanh is one fused kernel, but leaves its edges out: move them to the
    # next number of this dtype.
    step = torch.finfo(gradient.dtype).eps * 2.0 ** (math.frexp(clip)[1] - 1)
    return (round(clip / step) + 1) * step


def _positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be above 0 and finite, got {value}")
