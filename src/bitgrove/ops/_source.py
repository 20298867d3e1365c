"""What a binary layer of ``bitgrove.nn`` holds, as far as a packed one needs to know.

This package lies below ``bitgrove.nn`` and does not import it: a layer is told by what it offers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

from ._bits import pack_weight

if TYPE_CHECKING:
    from ..nn import BinaryLayer


class Source(NamedTuple):
    """The state of a layer in evaluation."""

    weight: Tensor
    """As :func:`pack_weight` returns it."""
    scale: Tensor | None
    """Shape ``(out,)``."""
    scale_map: Tensor | None
    """Shape ``(1, *sides)`` or ``(out, *sides)``."""
    signs: bool
    """Whether the input's signs are taken."""


def is_binary(module: nn.Module) -> TypeGuard[BinaryLayer]:
    """Whether a module is a binary layer of ``bitgrove.nn``, or made from one."""
    return any(
        kind.__name__ == "BinaryLayer" and kind.__module__.startswith("bitgrove.nn.")
        for kind in type(module).__mro__
    )


def read(layer: nn.Module, axes: int, wanted: str) -> Source:
    """Take a layer apart.

    Args:
        layer: a binary convolution of so many sides, or with none a binary linear layer.
        axes: sides of a picture.
        wanted: the layer's class as the error names it.

    Raises:
        TypeError: it is no such layer, or computes something of its own.
        ValueError: it cannot be packed; the message says why.
    """
    if not is_binary(layer) or layer.weight.ndim != (axes + 2 if axes else 2):
        raise TypeError(f"the layer must be a bitgrove.nn.{wanted}, got {type(layer).__name__}")
    _check(layer)
    scale, scale_map = _factors(layer)
    return Source(pack_weight(layer.binary_weight()), scale, scale_map, bool(layer.input_estimator))


def _check(layer: Any) -> None:
    name = type(layer).__name__
    if not type(layer).forward.__module__.startswith("bitgrove.nn."):
        raise TypeError(f"{name} has a forward of its own, which a packed layer would not run")
    if layer._forward_hooks or layer._forward_pre_hooks:
        raise ValueError(f"the {name} has forward hooks, which a packed layer would not run")
    if layer.weight_estimator is None:
        raise ValueError(
            "weight_estimator is None, so the weight is real and has no bits; give the layer a "
            "weight estimator, such as 'clipped', and train it so"
        )
    if layer.weight.device.type != "cpu":
        raise ValueError(
            f"the weight is on {layer.weight.device}, and packed layers run on a CPU; pack a copy "
            "there: copy.deepcopy(model).cpu()"
        )
    if layer.weight.dtype is torch.float64:
        raise ValueError("the layer is in float64, and packed ones in float32; use layer.float()")
    for argument, called in (("input_estimator", True), ("weight_estimator", False)):
        if not _takes_signs(getattr(layer, argument), called=called):
            raise ValueError(
                f"{argument} {getattr(layer, argument)} is not the sign in evaluation, +1 where "
                "x >= 0; use RSign for a threshold"
            )


def _takes_signs(estimator: Any, *, called: bool) -> bool:
    """Whether an estimator is the plain sign in evaluation, on numbers where others differ."""
    if estimator is None:
        return True
    x = torch.tensor([-3.0, -0.1, -1e-30, -0.0, 0.0, 1e-30, 0.1, 3.0])
    if not bool((torch.as_tensor(estimator.threshold(x, False)) == 0).all()):
        return False
    return not called or torch.equal(estimator(x, training=False), (x >= 0) * 2.0 - 1)


@torch.no_grad()
def _factors(layer: Any) -> tuple[Tensor | None, Tensor | None]:
    """The scale per channel and the rest of it; the map of a product takes one channel's room."""
    if layer.scale not in ("map", "plane", "spatial"):
        return layer.output_scale(), None
    if layer.scale == "map":
        return None, layer.output_scale()
    channel = layer.scale_channel
    magnitude = getattr(layer.weight_estimator, "magnitude", None)
    if magnitude is not None:
        channel = channel * magnitude(layer.weight)
    if layer.scale == "plane":
        return channel.clone(), layer.scale_plane[None].clone()
    plane = torch.ones((), dtype=channel.dtype)
    for name in ("scale_depth", "scale_row", "scale_column"):
        if hasattr(layer, name):
            plane = plane[..., None] * getattr(layer, name)
    return channel.clone(), plane[None]
