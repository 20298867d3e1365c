"""How each torch operator becomes nodes of a packed graph."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..nn import BinaryConv2d, BinaryLinear
from ._emitter import Emitter, Folded, to_numpy

Module = Any
Converter = Callable[[Emitter, str, Module, int], int]


def conv2d(emit: Emitter, name: str, module: nn.Conv2d, value: int) -> int:
    """A real convolution."""
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise ValueError("only numbers of zeros as padding can be packed")
    window = _window(module) | {"groups": module.groups, "pad_value": 0}
    return emit.add(
        "conv2d", name, value, attributes=window, weight=_last(module.weight), bias=module.bias
    )


def linear(emit: Emitter, name: str, module: nn.Linear, value: int) -> int:
    """A real linear layer: a convolution of one pixel."""
    weight = module.weight[:, None, None, :]
    return emit.add("conv2d", name, value, attributes=dict(_POINT), weight=weight, bias=module.bias)


def binary_conv2d(emit: Emitter, name: str, module: BinaryConv2d, value: int | Folded) -> int:
    """A binary convolution with its sign and scales; see :func:`binary_layer`."""
    attributes = _window(module) | {"groups": module.groups, "pad_value": int(module.pad_value)}
    out = _product(emit, name, module, value, _last(module.binary_weight()), attributes)
    if module.input_scale:
        window = {k: v for k, v in attributes.items() if k != "pad_value"}
        kernel = list(module.kernel_size)
        scale = emit.add(
            "input_scale",
            f"{name}.input_scale",
            _real(value),
            attributes=window | {"kernel": kernel},
        )
        out = emit.add("multiply", f"{name}.scaled", out, scale)
    return out


def binary_linear(emit: Emitter, name: str, module: BinaryLinear, value: int | Folded) -> int:
    """A binary linear layer: a binary convolution of one pixel."""
    return _product(
        emit, name, module, value, module.binary_weight()[:, None, None, :], dict(_POINT)
    )


def _product(
    emit: Emitter,
    name: str,
    module: BinaryConv2d | BinaryLinear,
    value: int | Folded,
    weight: Tensor,
    attributes: dict[str, Any],
) -> int:
    scale = module.output_scale()
    channel_scale = scale if scale is not None and scale.ndim == 1 else None
    binary_input = module.input_estimator is not None
    if module.weight_estimator is None:
        if binary_input:
            value = emit.add("binarise", f"{name}.sign", _real(value))
        if channel_scale is not None:
            weight = weight * channel_scale[:, None, None, None]
        out = emit.add("conv2d", name, _real(value), attributes=attributes, weight=weight)
    else:
        bits = np.packbits(to_numpy(weight) > 0, axis=-1)
        if binary_input:
            channels = weight.shape[-1] * attributes["groups"]
            value = emit.sign(value, attributes["groups"], channels, name)
        op = "binary_conv2d" if binary_input else "binary_weight_conv2d"
        out = emit.add(
            op, name, _real(value), attributes=attributes, weight=bits, scale=channel_scale
        )
    if scale is not None and scale.ndim == 3:
        out = emit.add("scale_map", f"{name}.scale", out, map=scale.permute(1, 2, 0))
    return out


def max_pool2d(emit: Emitter, name: str, module: nn.MaxPool2d, value: int) -> int:
    """Max pooling."""
    if module.ceil_mode or _pair(module.dilation) != [1, 1] or module.return_indices:
        raise ValueError("ceil_mode, dilation and return_indices cannot be packed")
    return emit.add("max_pool2d", name, value, attributes=_pool_window(module))


def avg_pool2d(emit: Emitter, name: str, module: nn.AvgPool2d, value: int) -> int:
    """Average pooling."""
    if module.ceil_mode or module.divisor_override:
        raise ValueError("ceil_mode and divisor_override cannot be packed")
    attributes = _pool_window(module) | {"count_padding": bool(module.count_include_pad)}
    return emit.add("avg_pool2d", name, value, attributes=attributes)


def adaptive_avg_pool2d(
    emit: Emitter, name: str, module: nn.AdaptiveAvgPool2d, value: int, size: tuple[int, int]
) -> int:
    """Average pooling of an input of ``size`` pixels to a grid of cells."""
    asked = module.output_size
    rows, columns = asked if isinstance(asked, tuple) else (asked, asked)
    grid = [rows or size[0], columns or size[1]]  # None keeps the input's size
    if grid == [1, 1]:
        return emit.add("global_avg_pool", name, value)
    cells = [_regular_cells(whole, parts) for whole, parts in zip(size, grid, strict=True)]
    attributes = {
        "kernel": [kernel for kernel, _ in cells],
        "stride": [stride for _, stride in cells],
        "padding": [0, 0],
        "count_padding": True,
    }
    return emit.add("avg_pool2d", name, value, attributes=attributes)


def _regular_cells(whole: int, parts: int) -> tuple[int, int]:
    """Length and distance of torch's adaptive cells, which may overlap, if they are all alike."""
    starts = [i * whole // parts for i in range(parts)]
    lengths = {-(-(i + 1) * whole // parts) - start for i, start in enumerate(starts)}
    strides = {after - before for before, after in itertools.pairwise(starts)} or {1}
    if len(lengths) > 1 or len(strides) > 1:
        raise ValueError(f"{whole} pixels cannot be divided into {parts} cells of one size")
    return lengths.pop(), strides.pop()


def hardtanh(emit: Emitter, name: str, module: nn.Hardtanh, value: int) -> int:
    """Clipping to [-1, 1]."""
    if (module.min_val, module.max_val) != (-1, 1):
        raise ValueError(f"only [-1, 1] can be packed, got [{module.min_val}, {module.max_val}]")
    return emit.add("hardtanh", name, value)


def relu(emit: Emitter, name: str, module: nn.ReLU, value: int) -> int:
    """Rectification."""
    return emit.add("relu", name, value)


def nothing(emit: Emitter, name: str, module: nn.Module, value: int) -> int:
    """A module that does nothing in eval mode."""
    return value


CONVERTERS: dict[type[nn.Module], Converter] = {
    nn.Conv2d: conv2d,
    nn.Linear: linear,
    nn.MaxPool2d: max_pool2d,
    nn.AvgPool2d: avg_pool2d,
    nn.ReLU: relu,
    nn.Hardtanh: hardtanh,
    nn.Identity: nothing,
    nn.Dropout: nothing,
    nn.Dropout2d: nothing,
}
"""Modules of one input and one output. Batch norms, PReLU, flattening, adaptive pooling and the
binary layers need to know their surroundings; ``_pack`` sees to them."""


_POINT = {
    "stride": [1, 1],
    "padding": [0, 0],
    "dilation": [1, 1],
    "groups": 1,
    "pad_value": 0,
}


def _real(value: int | Folded) -> int:
    if isinstance(value, Folded):
        raise TypeError("a folded batch norm has no real value")
    return value


def _last(weight: Tensor) -> Tensor:
    """``[out, in, kh, kw]`` to ``[out, kh, kw, in]``."""
    return weight.detach().permute(0, 2, 3, 1)


def _pair(value: int | tuple[int, ...]) -> list[int]:
    return [value, value] if isinstance(value, int) else [int(item) for item in value]


def _window(module: nn.Conv2d | BinaryConv2d) -> dict[str, Any]:
    return {key: _pair(getattr(module, key)) for key in ("stride", "padding", "dilation")}


def _pool_window(module: nn.MaxPool2d | nn.AvgPool2d) -> dict[str, Any]:
    stride = module.stride if module.stride is not None else module.kernel_size
    return {
        "kernel": _pair(module.kernel_size),
        "stride": _pair(stride),
        "padding": _pair(module.padding),
    }


def is_flatten(target: Any) -> bool:
    """Whether a traced function or method name flattens all but the batch."""
    return target in (torch.flatten, "flatten")
