"""A convolution of signs that keeps the real numbers alone and takes their signs once more.

The backward pass needs both, the real input for its slope and the signs for the weight's gradient.
Autograd keeps the two; a second look at the signs costs one pass and no memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from ._kernels import brief_signs, fast
from ._sign import Estimator, sign


@dataclass(frozen=True)
class Convolution:
    """A convolution's geometry, one number for each axis but for the groups."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def __call__(self, x: Tensor, weight: Tensor) -> Tensor:
        """Zeros around, no bias."""
        return torch.convolution(x, weight, None, *self._settings)

    def pull_back(
        self, gradient: Tensor, x: Tensor, weight: Tensor, of_weight: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The gradients of ``x`` and, where it is wanted, of ``weight``, in new memory."""
        gx, gw, _ = torch.ops.aten.convolution_backward(
            gradient, x, weight, None, *self._settings, (True, of_weight, False)
        )
        return gx, gw

    @property
    def _settings(self) -> tuple[Any, ...]:
        none = (0,) * len(self.stride)
        return self.stride, self.padding, self.dilation, False, none, self.groups


def recomputes(x: Tensor, weight: Tensor, estimator: Estimator | None) -> bool:
    """Whether :func:`convolve_signs` does what the sign and the convolution would, with less."""
    return (
        estimator is not None
        and estimator.remembers_input  # else the signs alone are kept
        and not _draws(estimator)
        and type(estimator).__call__ is Estimator.__call__
        and x.requires_grad
        and torch.is_grad_enabled()
        and fast(x, weight)
        and not torch.is_autocast_enabled("cpu")
    )


def convolve_signs(
    x: Tensor,
    signed_weight: Tensor,
    weight: Tensor,
    estimators: tuple[Estimator, Estimator | None],
    convolution: Convolution,
) -> Tensor:
    """``convolution(sign(x), signed_weight)``, with the gradients of the two steps.

    Args:
        x: real numbers, for which :func:`recomputes` holds.
        signed_weight: the signs of ``weight``, or ``weight`` itself without an estimator.
        weight: the latent weight; kept in place of its signs where they are not drawn.
        estimators: of the input and of the weight.
        convolution: what to compute of them.
    """
    if estimators[1] is None or _draws(estimators[1]):
        weight, estimators = signed_weight, (estimators[0], None)
    return cast(Tensor, _SignedConvolution.apply(x, signed_weight, weight, estimators, convolution))


class _SignedConvolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        signed_weight: Tensor,
        weight: Tensor,
        estimators: tuple[Estimator, Estimator | None],
        convolution: Convolution,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.estimators, ctx.convolution = estimators, convolution
        return convolution(brief_signs(x), signed_weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wanted = bool(ctx.needs_input_grad[1])  # of the weight; that of x is, or we were not here
        (of_input, of_weight), convolution = ctx.estimators, ctx.convolution
        if torch.is_grad_enabled():  # to be differentiated again: leave it all to autograd
            signed = weight if of_weight is None else Estimator.__call__(of_weight, weight)
            y = convolution(of_input(x), signed)
            inputs = (x, signed) if wanted else (x,)
            gx, *gw = torch.autograd.grad(y, inputs, gradients[0], create_graph=True)
            return gx, gw[0] if wanted else None, None, None, None
        signed = weight if of_weight is None else sign(weight)
        gx, gw = convolution.pull_back(gradients[0], brief_signs(x), signed, wanted)
        return of_input.pull_back_(gx, x), gw, None, None, None


def _draws(estimator: Estimator) -> bool:
    """Whether a second look may find other signs: it compares with something else than 0."""
    return type(estimator).threshold is not Estimator.threshold
