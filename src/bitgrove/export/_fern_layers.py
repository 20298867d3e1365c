"""How fern layers become nodes of a packed graph; what comparisons alone read is in thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..nn import FernConv2d, FernLayer
from ._emitter import Emitter, Folded, to_numpy
from ._layers import need_vector
from ._site import Site, sides
from ._thresholds import fold_sign


def fern_layer(emit: Emitter, site: Site, module: FernLayer, value: int | Folded) -> int:
    """A fern convolution or linear layer."""
    if module.table_dtype != "int8":
        raise ValueError(
            f"tables of {module.table_dtype} cannot be packed: make the layer with "
            "table_dtype='int8', or set its attribute to that and measure what rounding costs"
        )
    if isinstance(module, FernConv2d):
        kernel = module.kernel_size
        attributes = {
            "kernel": sides(kernel, emit.axes),
            "stride": sides(module.stride, emit.axes),
            "padding": sides(module.padding, emit.axes),
            "dilation": sides(module.dilation, emit.axes),
        }
    else:
        need_vector(site)
        kernel, one = (1, 1), [1] * emit.axes
        attributes = {"kernel": one, "stride": one, "padding": [0] * emit.axes, "dilation": one}
    place = module.chosen().flatten()
    threshold, flip = module.thresholds.detach().flatten(), None
    # Beyond the input a test reads 0, whatever is folded into it inside.
    outside = np.packbits(to_numpy(threshold <= 0)) if any(attributes["padding"]) else None
    if isinstance(value, Folded):
        channels = place // (kernel[0] * kernel[1])
        threshold, flip = _folded(value, channels, threshold)
        value = value.value
    tensors: dict[str, Any] = {
        "place": to_numpy(place).astype(np.int32),
        "threshold": threshold,
        "flip": flip,
        "outside": outside,
        "table": to_numpy(module.rounded_table()).astype(np.int8),
        "scale": module.table_scale(),
    }
    return emit.windowed("fern_conv", site.name, value, attributes, **tensors)


def _folded(
    value: Folded, channels: Tensor, thresholds: Tensor
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8] | None]:
    """The thresholds of the tests before a function that only comparisons read."""
    each = torch.arange(len(channels))

    def above(x: Tensor) -> Tensor:
        rows = x.new_zeros((len(channels), value.channels))
        rows[each, channels] = x[0]
        return (value.function(rows)[each, channels] - thresholds)[None]

    return fold_sign(above, len(channels))
