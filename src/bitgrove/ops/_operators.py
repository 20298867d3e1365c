"""Registers the operators ``torch.ops.bitgrove.*``; call them through ``_functions``.

They are functional, know their shapes (``torch.compile``, ``torch.export``, meta tensors), and have
no gradient: a backward pass that reaches one is told so when it runs, not when it is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import Tensor

from ._checks import Operands, Window, convolved_shape, multiplied_shape
from ._networks import convolve, multiply

_GEOMETRY = "int[] stride, int[] padding, int[] dilation, int groups, int pad_value"
_SIGNS = "Tensor? threshold, Tensor? flip"
_FACTORS = "Tensor x, Tensor weight, Tensor? scale, Tensor? bias"

Numbers = list[int]


def _window(stride: Numbers, padding: Numbers, dilation: Numbers, *rest: int) -> Window:
    return Window(tuple(stride), tuple(padding), tuple(dilation), *rest)


def _binary_conv(
    x: Tensor,
    weight: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    stride: Numbers,
    padding: Numbers,
    dilation: Numbers,
    groups: int,
    pad_value: int,
    threshold: Tensor | None,
    flip: Tensor | None,
) -> Tensor:
    operands = Operands(weight, scale, bias, threshold, flip)
    window = _window(stride, padding, dilation, groups, pad_value)
    return convolve(x, operands, window, signs=True)


def _binary_weight_conv(
    x: Tensor, weight: Tensor, scale: Tensor | None, bias: Tensor | None, *geometry: Any
) -> Tensor:
    return convolve(x, Operands(weight, scale, bias), _window(*geometry), signs=False)


def _binary_linear(x: Tensor, *operands: Any) -> Tensor:
    return multiply(x, Operands(*operands), signs=True)


def _binary_weight_linear(x: Tensor, *operands: Any) -> Tensor:
    return multiply(x, Operands(*operands), signs=False)


def _convolved(
    x: Tensor, weight: Tensor, scale: Tensor | None, bias: Tensor | None, *rest: Any
) -> Tensor:
    operands = Operands(weight, scale, bias, *rest[5:])
    return x.new_empty(convolved_shape(x, operands, _window(*rest[:5])))


def _multiplied(x: Tensor, *operands: Any) -> Tensor:
    return x.new_empty(multiplied_shape(x, Operands(*operands)))


def _refuse_gradient(gradient: Tensor, size: Numbers) -> NoReturn:
    raise NotImplementedError(
        "a packed layer has no gradient: train with bitgrove.nn and pack afterwards; to train what "
        "stands behind packed layers, detach their result or freeze what stands before them"
    )


def _remember_sizes(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.sizes = [list(item.shape) if isinstance(item, Tensor) else None for item in inputs]


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    return tuple(
        torch.ops.bitgrove.refuse_gradient(gradient, size) if wanted else None
        for wanted, size in zip(ctx.needs_input_grad, ctx.sizes, strict=True)
    )


def _register(name: str, schema: str, compute: Callable, pretend: Callable) -> None:
    name = f"bitgrove::{name}"
    torch.library.define(name, f"({schema}) -> Tensor", tags=(torch.Tag.pt2_compliant_tag,))
    # For any device, so that one without kernels is refused in our words.
    torch.library.impl(name, "CompositeExplicitAutograd", compute)
    torch.library.register_fake(name, pretend)


for _name, _schema, _compute, _pretend in (
    ("binary_conv", f"{_FACTORS}, {_GEOMETRY}, {_SIGNS}", _binary_conv, _convolved),
    ("binary_weight_conv", f"{_FACTORS}, {_GEOMETRY}", _binary_weight_conv, _convolved),
    ("binary_linear", f"{_FACTORS}, {_SIGNS}", _binary_linear, _multiplied),
    ("binary_weight_linear", _FACTORS, _binary_weight_linear, _multiplied),
):
    _register(_name, _schema, _compute, _pretend)
    torch.library.register_autograd(f"bitgrove::{_name}", _backward, setup_context=_remember_sizes)

_register(
    "refuse_gradient",
    "Tensor gradient, SymInt[] size",
    _refuse_gradient,
    lambda gradient, size: gradient.new_empty(size),
)
