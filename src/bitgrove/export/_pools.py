"""How pooling, upsampling and padding become nodes of a packed graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from ._emitter import Emitter
from ._site import Converters, Site, sides


def max_pool(
    emit: Emitter, site: Site, module: nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d, value: int
) -> int:
    """Max pooling."""
    if sides(module.dilation, emit.axes) != [1] * emit.axes or module.return_indices:
        raise ValueError("dilation and return_indices cannot be packed")
    return emit.windowed("max_pool", site.name, value, _window(module, emit.axes))


def avg_pool(
    emit: Emitter, site: Site, module: nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d, value: int
) -> int:
    """Average pooling."""
    if getattr(module, "divisor_override", None):  # AvgPool1d has none
        raise ValueError("divisor_override cannot be packed")
    attributes = _window(module, emit.axes) | {"count_padding": bool(module.count_include_pad)}
    return emit.windowed("avg_pool", site.name, value, attributes)


def adaptive_avg_pool(emit: Emitter, site: Site, module: nn.Module, value: int) -> int:
    """Average pooling to a grid of cells."""
    size = list(site.after[2:]) or [1] * emit.axes
    return emit.add("adaptive_avg_pool", site.name, value, attributes={"size": size})


def upsample(emit: Emitter, site: Site, module: nn.Upsample, value: int) -> int:
    """Upsampling: the nearest pixel, or between neighbours."""
    if module.align_corners:
        raise ValueError("align_corners=True cannot be packed")
    mode = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "trilinear": "linear"}
    if module.mode not in mode:
        raise ValueError(f"mode {module.mode!r} cannot be packed; use one of {', '.join(mode)}")
    size, given = list(site.after[2:]), list(site.before[2:])
    # torch's step: the inverse of a factor that was asked for, else the ratio of the sizes.
    step = [np.float32(i) / np.float32(o) for i, o in zip(given, size, strict=True)]
    factor: Any = module.scale_factor
    if factor is not None and not module.recompute_scale_factor:
        factors = factor if isinstance(factor, tuple) else (factor,) * emit.axes
        step = [np.float32(1 / f) for f in factors]
    attributes = {"size": size, "step": list(map(float, step)), "mode": mode[module.mode]}
    return emit.add("upsample", site.name, value, attributes=attributes)


def pad(emit: Emitter, site: Site, module: nn.ConstantPad2d, value: int) -> int:
    """A border of one number."""
    border = list(module.padding)  # before and after the last axis, then the one before it
    if min(border) < 0:
        raise ValueError("a negative padding, which crops, cannot be packed")
    attributes = {
        "before": border[0::2][::-1],
        "after": border[1::2][::-1],
        "value": float(getattr(module, "value", 0)),
    }
    return emit.add("pad", site.name, value, attributes=attributes)


POOLS: Converters = {
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), max_pool),
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), avg_pool),
    **dict.fromkeys(
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), adaptive_avg_pool
    ),
    **dict.fromkeys((nn.Upsample, nn.UpsamplingNearest2d), upsample),
    **dict.fromkeys((nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d), pad),
    **dict.fromkeys((nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d), pad),
}


def _window(module: Any, axes: int) -> dict[str, Any]:
    stride = module.stride if module.stride is not None else module.kernel_size
    return {
        "kernel": sides(module.kernel_size, axes),
        "stride": sides(stride, axes),
        "padding": sides(module.padding, axes),
        "ceil": bool(module.ceil_mode),
    }
