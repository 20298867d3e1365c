"""How activations become nodes of a packed graph, and which of them a sign can take in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..nn import LeakyClip, RPReLU, RSign, sign
from ._emitter import BatchNorm, Emitter, Folded, apply_norm
from ._site import Converters, Site


def relu(emit: Emitter, site: Site, module: nn.ReLU, value: int) -> int:
    """Rectification."""
    return emit.add("relu", site.name, value)


def sigmoid(emit: Emitter, site: Site, module: nn.Sigmoid, value: int) -> int:
    """The logistic function."""
    return emit.add("sigmoid", site.name, value)


def hardtanh(emit: Emitter, site: Site, module: nn.Hardtanh, value: int) -> int:
    """Clipping."""
    return _clip(emit, site, value, module.min_val, module.max_val, 0.0)


def leaky_clip(emit: Emitter, site: Site, module: LeakyClip, value: int) -> int:
    """Clipping to [-1, 1] that leaks."""
    return _clip(emit, site, value, -1.0, 1.0, module.slope)


def leaky_relu(emit: Emitter, site: Site, module: nn.LeakyReLU, value: int) -> int:
    """A PReLU whose channels share a slope."""
    slope = torch.full((site.channels,), float(module.negative_slope))
    return emit.add("prelu", site.name, value, slope=slope)


def prelu(emit: Emitter, site: Site, module: nn.PReLU, value: int) -> int:
    """A slope per channel, or one for all."""
    return emit.add("prelu", site.name, value, slope=module.weight.detach().expand(site.channels))


def rprelu(emit: Emitter, site: Site, module: RPReLU, value: int) -> int:
    """A shifted PReLU."""
    before, after = module.shift_in, module.shift_out
    return emit.add("prelu", site.name, value, slope=module.slope, before=before, after=after)


def rsign(emit: Emitter, site: Site, module: RSign, value: int) -> int:
    """A shifted sign as real numbers, for a reader who is no binary layer."""
    return emit.binarise(fold(emit, site, module, value), site.name)


def nothing(emit: Emitter, site: Site, module: nn.Module, value: int) -> int:
    """A module that does nothing in eval mode."""
    return value


PASSIVE = (
    nn.Identity,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)

ACTIVATIONS: Converters = {
    nn.ReLU: relu,
    nn.Sigmoid: sigmoid,
    nn.Hardtanh: hardtanh,
    nn.ReLU6: hardtanh,
    nn.LeakyReLU: leaky_relu,
    nn.PReLU: prelu,
    LeakyClip: leaky_clip,
    RPReLU: rprelu,
    RSign: rsign,
    **dict.fromkeys(PASSIVE, nothing),
}


def is_monotone(module: nn.Module | None) -> bool:
    """Whether a sign can take a module in: it treats channels apart, and never turns back."""
    if isinstance(module, nn.PReLU):
        return bool((module.weight >= 0).all())
    if isinstance(module, RPReLU):
        return bool((module.slope >= 0).all())
    if isinstance(module, nn.LeakyReLU):
        return module.negative_slope >= 0
    return isinstance(module, BatchNorm | nn.ReLU | nn.Hardtanh | LeakyClip | RSign)


def fold(emit: Emitter, site: Site, module: nn.Module, value: int | Folded) -> Folded:
    """A monotone module that only signs read."""

    def function(x: Tensor) -> Tensor:
        if isinstance(module, BatchNorm):
            return apply_norm(module, x)
        if isinstance(module, RSign):
            shifted = x + module.shift
            # A sign of its own would hide that a norm before it overflowed into NaN.
            return torch.where(shifted.isnan(), shifted, sign(shifted))
        return module(x.clone())  # some work in place

    def realise(value: int) -> int:
        if isinstance(module, BatchNorm):
            return emit.norm(value, module, site.name, only_reader=False)
        return ACTIVATIONS[type(module)](emit, site, module, value)

    if isinstance(value, Folded):
        return value.then(function, realise)
    return Folded(value, site.channels, function, lambda: realise(value))


def _clip(emit: Emitter, site: Site, value: int, low: float, high: float, slope: float) -> int:
    attributes = {"low": float(low), "high": float(high), "slope": float(slope)}
    return emit.add("clip", site.name, value, attributes=attributes)
