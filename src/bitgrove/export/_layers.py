"""How convolutions and linear layers, real and binary, become nodes of a packed graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..nn import BinaryLayer, FernLayer
from ._emitter import Emitter, Folded, to_numpy
from ._site import Converters, Site, sides

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d


def convolution(emit: Emitter, site: Site, module: Convolution, value: int) -> int:
    """A real convolution."""
    if module.padding_mode != "zeros":
        raise ValueError(f"only zeros as padding can be packed, got {module.padding_mode!r}")
    attributes = {
        "stride": sides(module.stride, emit.axes),
        "padding": _padding(module, emit.axes),
        "dilation": sides(module.dilation, emit.axes),
        "groups": module.groups,
        "pad_value": 0,
    }
    weight = _channels_last(module.weight)
    return emit.windowed("conv", site.name, value, attributes, weight=weight, bias=module.bias)


def linear(emit: Emitter, site: Site, module: nn.Linear, value: int) -> int:
    """A real linear layer: a convolution of one pixel."""
    need_vector(site)
    weight = _one_pixel(module.weight, emit.axes)
    return emit.windowed(
        "conv", site.name, value, _point(emit.axes), weight=weight, bias=module.bias
    )


LAYERS: Converters = {
    nn.Conv1d: convolution,
    nn.Conv2d: convolution,
    nn.Conv3d: convolution,
    nn.Linear: linear,
}


def binary_layer(emit: Emitter, site: Site, module: BinaryLayer, value: int | Folded) -> int:
    """A binary convolution or linear layer with its sign and scales."""
    layer: Any = module
    is_convolution = module.weight.ndim > 2
    if is_convolution:
        attributes = {
            "stride": sides(layer.stride, emit.axes),
            "padding": sides(layer.padding, emit.axes),
            "dilation": sides(layer.dilation, emit.axes),
            "groups": layer.groups,
            "pad_value": int(layer.pad_value),
        }
        weight = _channels_last(module.binary_weight())
    else:
        need_vector(site)
        attributes = _point(emit.axes)
        weight = _one_pixel(module.binary_weight(), emit.axes)
    out = _product(emit, site.name, module, value, weight, attributes)
    if is_convolution and layer.input_scale:
        window = {key: attributes[key] for key in ("stride", "padding", "dilation", "groups")}
        scale = emit.add(
            "input_scale",
            f"{site.name}.input_scale",
            _real(value),
            attributes=window | {"kernel": sides(layer.kernel_size, emit.axes)},
        )
        out = emit.add("multiply", f"{site.name}.scaled", out, scale)
    return out


def reads_signs(module: nn.Module | None) -> bool:
    """Whether all that a module takes of its input are signs or other comparisons."""
    return isinstance(module, FernLayer) or (
        isinstance(module, BinaryLayer)
        and module.input_estimator is not None
        and not getattr(module, "input_scale", False)
    )


def need_vector(site: Site) -> None:
    """Refuse a linear layer along another axis than the channels."""
    if len(site.before) != 2:
        raise ValueError("a linear layer can be packed after flattening only")


def _product(
    emit: Emitter,
    name: str,
    module: BinaryLayer,
    value: int | Folded,
    weight: Tensor,
    attributes: dict[str, Any],
) -> int:
    scale, scale_map = _factors(module.output_scale())
    estimator = module.input_estimator
    if estimator is not None and estimator.threshold(torch.zeros(1), False) != 0.0:
        raise ValueError("an estimator with a threshold of its own cannot be packed; use RSign")
    if module.weight_estimator is None:
        if estimator is not None:
            value = emit.binarise(value, name)
        if scale is not None:
            weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        out = emit.windowed("conv", name, _real(value), attributes, weight=weight)
    else:
        if estimator is not None:
            value = emit.sign(value, attributes["groups"], name)
        op = "binary_weight_conv" if estimator is None else "binary_conv"
        bits = np.packbits(to_numpy(weight) > 0, axis=-1)
        out = emit.windowed(op, name, _real(value), attributes, weight=bits, scale=scale)
    if scale_map is not None:
        out = emit.add("scale_map", f"{name}.scale", out, map=scale_map)
    return out


def _factors(scale: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """A scale as one factor per channel and a map ``(*sides, channels)``.

    The map has one channel if the scale is a product, which takes a fraction of the room.
    """
    if scale is None or scale.ndim == 1:
        return scale, None
    flat = scale.detach().double().flatten(1)
    channel, pixel = divmod(int(flat.abs().argmax()), flat.shape[1])
    largest = flat[channel, pixel]
    if largest != 0:
        channels, plane = flat[:, pixel], flat[channel] / largest
        if ((channels[:, None] * plane - flat).abs() <= 1e-6 * flat.abs()).all():
            return channels, plane.reshape(*scale.shape[1:], 1)
    return None, scale.movedim(0, -1)


def _padding(module: Convolution, axes: int) -> list[int]:
    if not isinstance(module.padding, str):
        return sides(module.padding, axes)
    if module.padding == "valid":
        return [0] * axes
    total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    if any(n % 2 for n in total):
        raise ValueError(
            "padding 'same' of an even kernel is uneven and cannot be packed; put "
            f"nn.ZeroPad{axes}d before the convolution and use padding=0"
        )
    return [n // 2 for n in total]


def _point(axes: int) -> dict[str, Any]:
    return {
        "stride": [1] * axes,
        "padding": [0] * axes,
        "dilation": [1] * axes,
        "groups": 1,
        "pad_value": 0,
    }


def _channels_last(weight: Tensor) -> Tensor:
    """``[out, in, kernel...]`` to ``[out, kernel..., in]``."""
    return weight.detach().movedim(1, -1)


def _one_pixel(weight: Tensor, axes: int) -> Tensor:
    """``[out, in]`` to ``[out, 1..., in]``."""
    return weight.detach().reshape(len(weight), *[1] * axes, -1)


def _real(value: int | Folded) -> int:
    return value.realise() if isinstance(value, Folded) else value
