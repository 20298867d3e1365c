"""What multiplies the integers of a binary layer: the learned scales and their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from torch import Tensor

Scale = Literal["channel", "learned", "map", "plane", "spatial"]

SIZED: frozenset[Scale] = frozenset({"map", "plane", "spatial"})
"""The scales that tie a layer to one output size."""

_AXES = ("depth", "row", "column")


def check_scale(scale: Scale | None) -> Scale | None:
    """Refuse a name that is no scale.

    Raises:
        ValueError: the name is unknown; the message lists those there are.
    """
    if scale is not None and scale not in get_args(Scale):
        raise ValueError(
            f"scale {scale!r} is unknown; available: {', '.join(get_args(Scale))}, or None"
        )
    return scale


def scale_parameters(
    scale: Scale | None, out: int, size: tuple[int, ...]
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters of a scale; none for ``None`` and ``"channel"``.

    Args:
        scale: its name.
        out: output channels.
        size: of the output: (length,), (height, width) or (depth, height, width).

    >>> scale_parameters("spatial", 8, (4, 6))
    {'scale_channel': (8,), 'scale_row': (4,), 'scale_column': (6,)}
    """
    if scale is None or scale == "channel":
        return {}
    if scale == "map":
        return {"scale_map": (out, *size)}
    shapes: dict[str, tuple[int, ...]] = {"scale_channel": (out,)}
    if scale == "plane":
        shapes["scale_plane"] = size
    if scale == "spatial":
        shapes |= {f"scale_{axis}": (n,) for axis, n in zip(_AXES[-len(size) :], size, strict=True)}
    return shapes


def scale_product(factors: Mapping[str, Tensor]) -> Tensor | None:
    """The factor of every output from the parameters that :func:`scale_parameters` names.

    Returns:
        Shape ``(out,)``, or ``(out, *size)`` for the sized scales; None without parameters.
    """
    if "scale_map" in factors:
        return factors["scale_map"]
    product = factors.get("scale_channel")
    if product is None:
        return None
    if "scale_plane" in factors:
        plane = factors["scale_plane"]
        return product.reshape(-1, *[1] * plane.ndim) * plane
    for axis in _AXES:
        if f"scale_{axis}" in factors:
            product = product[..., None] * factors[f"scale_{axis}"]
    return product
