"""The sign, and the base of what its gradient is taken to be.

Every estimator computes the same thing forwards, ``sign(x)`` with ``sign(0) = +1`` in the dtype of
``x``, and differs in the slope that the backward pass uses in place of the sign's zero one. NaN is
not looked for, which would cost a pass over every activation: ``sign(NaN)`` is -1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, cast

import torch
from torch import Tensor


def sign(x: Tensor) -> Tensor:
    """+1 where ``x >= 0`` (``-0.0`` too) and -1 elsewhere (NaN too), in the dtype of ``x``.

    >>> sign(torch.tensor([-2.0, -0.0, 3.0]))
    tensor([-1.,  1.,  1.])
    """
    return _compare(x.detach(), 0.0)


class Estimator(ABC):
    """A sign with a slope for the backward pass; call it on a tensor.

    A new one is a subclass with :meth:`slope`; hand an instance to a layer in place of a name. The
    other methods are for estimators that draw, or that know a shorter way.
    """

    remembers_input: ClassVar[bool] = True
    """Whether :meth:`pull_back` needs the input, which is then kept until the backward pass."""

    @abstractmethod
    def slope(self, x: Tensor) -> Tensor:
        """What the upstream gradient is multiplied by, elementwise, in the dtype of ``x``."""

    def threshold(self, x: Tensor, training: bool) -> Tensor | float:
        """What ``x`` is compared with: +1 where ``x >= threshold``. 0 but for a random sign."""
        return 0.0

    def pull_back(self, gradient: Tensor, x: Tensor | None) -> Tensor:
        """The gradient of the input from the one of the output: times :meth:`slope`.

        An override is a faster way to the same numbers. It is not used where the gradient is itself
        differentiated or compiled, so it may write in place.
        """
        return gradient * self.slope(cast(Tensor, x))

    def __call__(self, x: Tensor, *, training: bool = True) -> Tensor:
        """``sign(x)``, with the gradient ``slope(x)``.

        Args:
            x: real numbers.
            training: whether a random sign is drawn; layers hand in their own ``training``.
        """
        return cast(Tensor, _Sign.apply(x, self, training))


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, estimator: Estimator, training: bool) -> Tensor:
        ctx.save_for_backward(x if estimator.remembers_input else None)
        ctx.estimator = estimator
        return _compare(x, estimator.threshold(x, training))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        plain = torch.is_grad_enabled() or torch.compiler.is_compiling()
        if plain and x is not None:
            return gradients[0] * ctx.estimator.slope(x), None, None
        return ctx.estimator.pull_back(gradients[0], x), None, None


def _compare(x: Tensor, threshold: Tensor | float) -> Tensor:
    if torch.compiler.is_compiling():  # which fuses it
        return (x >= threshold).to(x.dtype) * 2 - 1
    # One new tensor and two passes; torch.where, which mixes bytes with floats, is far slower on a
    # CPU, and new memory costs more than a pass.
    bits = torch.ge(x, threshold, out=torch.empty_like(x))
    minus_one = torch.full((), -1.0, dtype=x.dtype, device=x.device)  # filled there, not copied
    return torch.add(minus_one, bits, alpha=2, out=bits)
