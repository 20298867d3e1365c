"""Torch's functions as the modules that do the same, so that each has one conversion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Maker = Callable[..., nn.Module]
"""Takes a function's arguments but the first, which is the input."""


def _max_pool(module: type[nn.Module]) -> Maker:
    def make(
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> nn.Module:
        return module(kernel_size, stride, padding, dilation, return_indices, ceil_mode)

    return make


def _convolution(module: type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]) -> Maker:
    def make(
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> nn.Module:
        layer = module(
            weight.shape[1] * groups,
            weight.shape[0],
            tuple(weight.shape[2:]),  # pyright: ignore[reportArgumentType]
            stride,
            padding,
            dilation,
            groups,
            bias=bias is not None,
        )
        return _with(layer, weight=weight, bias=bias)

    return make


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Module:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    return _with(layer, weight=weight, bias=bias)


def _prelu(weight: Tensor) -> nn.Module:
    return _with(nn.PReLU(weight.numel()), weight=weight.reshape(-1))


def _with(layer: nn.Module, **tensors: Tensor | None) -> nn.Module:
    for name, tensor in tensors.items():
        if tensor is not None:
            setattr(layer, name, nn.Parameter(tensor.detach(), requires_grad=False))
    return layer


def _clamp(min: Any = None, max: Any = None) -> nn.Module:
    if min == 0 and max is None:
        return nn.ReLU()
    if not isinstance(min, int | float) or not isinstance(max, int | float):
        raise ValueError("clamping can be packed between two numbers only, or from 0")
    return nn.Hardtanh(float(min), float(max))


def _upsample(
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> nn.Module:
    if antialias:
        raise ValueError("antialias cannot be packed")
    factor = tuple(scale_factor) if isinstance(scale_factor, Sequence) else scale_factor
    module = nn.Upsample(size, None, mode, align_corners, recompute_scale_factor)
    module.scale_factor = factor
    return module


def _pad(pad: Sequence[int], mode: str = "constant", value: float | None = None) -> nn.Module:
    kinds: dict[int, Maker] = {2: nn.ConstantPad1d, 4: nn.ConstantPad2d, 6: nn.ConstantPad3d}
    if mode != "constant" or len(pad) not in kinds:
        raise ValueError("only a constant border along all sides can be packed")
    return kinds[len(pad)](tuple(pad), 0.0 if value is None else value)


def _dropout(p: float = 0.5, training: bool = True, inplace: bool = False) -> nn.Module:
    if training:
        raise ValueError("dropout that also runs in eval mode cannot be packed")
    return nn.Identity()


def _flatten(start_dim: int = 0, end_dim: int = -1) -> nn.Module:
    return nn.Flatten(start_dim, end_dim)


FUNCTIONS: dict[Any, Maker] = {
    **dict.fromkeys((F.relu, torch.relu, torch.relu_, "relu", "relu_"), nn.ReLU),
    F.relu6: nn.ReLU6,
    F.hardtanh: nn.Hardtanh,
    **dict.fromkeys((torch.clamp, "clamp", torch.clip, "clip"), _clamp),
    F.leaky_relu: nn.LeakyReLU,
    **dict.fromkeys((torch.prelu, F.prelu), _prelu),
    **dict.fromkeys((torch.sigmoid, F.sigmoid, "sigmoid"), nn.Sigmoid),
    F.max_pool1d: _max_pool(nn.MaxPool1d),
    F.max_pool2d: _max_pool(nn.MaxPool2d),
    F.max_pool3d: _max_pool(nn.MaxPool3d),
    F.avg_pool1d: nn.AvgPool1d,
    F.avg_pool2d: nn.AvgPool2d,
    F.avg_pool3d: nn.AvgPool3d,
    F.adaptive_avg_pool1d: nn.AdaptiveAvgPool1d,
    F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
    F.adaptive_avg_pool3d: nn.AdaptiveAvgPool3d,
    F.conv1d: _convolution(nn.Conv1d),
    F.conv2d: _convolution(nn.Conv2d),
    F.conv3d: _convolution(nn.Conv3d),
    F.linear: _linear,
    F.interpolate: _upsample,
    F.pad: _pad,
    **dict.fromkeys((F.dropout, F.dropout1d, F.dropout2d, F.dropout3d), _dropout),
    **dict.fromkeys((torch.flatten, "flatten"), _flatten),
}


def as_module(target: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> nn.Module:
    """The module that does what a traced function does.

    Args:
        target: one of :data:`FUNCTIONS`.
        args: its positional arguments but the input.
        kwargs: the others.

    Raises:
        ValueError: the function has a packed form, but not with these arguments.
    """
    try:
        return FUNCTIONS[target](*args, **kwargs).eval()
    except TypeError as error:
        raise ValueError(f"cannot be packed with these arguments: {error}") from None
