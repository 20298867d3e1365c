"""Binary layers whose weights are bits."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import _operators as _operators  # registers them
from ._source import Source, read

if TYPE_CHECKING:
    from ..nn import BinaryConv1d, BinaryConv2d, BinaryConv3d, BinaryLinear

_CONVOLUTIONS: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_SIDES = {1: "l", 2: "h, w", 3: "d, h, w"}


class PackedLayer(nn.Module):
    """Base of the packed layers: bits, and the scale of what they make.

    Buffers: ``weight``, ``uint8`` as :func:`bitgrove.ops.pack_weight` lays it out; ``scale``,
    ``(out,)``, and ``scale_map``, ``(1 or out, *output sides)``, where the layer has them. They are
    what ``state_dict`` holds. Made by :meth:`from_binary` only.
    """

    weight: Tensor
    scale: Tensor | None
    scale_map: Tensor | None

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.signs = source.signs
        self.register_buffer("weight", source.weight)
        self.register_buffer("scale", source.scale)
        self.register_buffer("scale_map", source.scale_map)

    def _apply_to(self, x: Tensor, axes: int) -> Tensor:
        scale, scale_map = self.scale, self.scale_map
        if x.dtype is torch.float32 and (scale is None or scale.dtype is torch.float32):
            y = self._product(x, scale)
        elif x.dtype in (torch.float32, torch.float16, torch.bfloat16):
            y = self._product(x.float(), None).to(x.dtype)  # rounded as the layer rounds its sums
            y = y if scale is None else y * scale.to(y.dtype).reshape(-1, *[1] * axes)
        else:
            way_out = "; use x.float()" if x.dtype is torch.float64 else ""
            raise TypeError(
                f"the input must be float32, float16 or bfloat16, got {x.dtype}{way_out}"
            )
        return y if scale_map is None else y * scale_map.to(y.dtype)

    @abstractmethod
    def _product(self, x: Tensor, scale: Tensor | None) -> Tensor:
        """The operator's result for ``x`` in float32."""


class PackedConvNd(PackedLayer):
    """Base of ``PackedConv1d``, ``PackedConv2d`` and ``PackedConv3d``, which see."""

    dimensions: ClassVar[int]

    def __init__(self, source: Source, layer: Any) -> None:
        super().__init__(source)
        self.in_channels: int = layer.in_channels
        self.out_channels: int = layer.out_channels
        self.kernel_size: tuple[int, ...] = layer.kernel_size
        self.stride: tuple[int, ...] = layer.stride
        self.padding: tuple[int, ...] = layer.padding
        self.pad_value = int(layer.pad_value)
        self.dilation: tuple[int, ...] = layer.dilation
        self.groups: int = layer.groups
        self.input_scale: bool = layer.input_scale
        self.output_size: tuple[int, ...] | None = layer.output_size
        self.train(layer.training)

    @classmethod
    def _from(cls, layer: nn.Module) -> Self:
        return cls(read(layer, cls.dimensions, f"BinaryConv{cls.dimensions}d"), layer)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, in_channels, *sides)`` to ``(n, out_channels, *output sides)``."""
        if x.ndim != 2 + self.dimensions or x.shape[1] != self.in_channels:
            raise ValueError(
                f"the input must have shape (n, {self.in_channels}, {_SIDES[self.dimensions]}), "
                f"got {tuple(x.shape)}"
            )
        y = self._apply_to(x, self.dimensions)
        return y * self._input_scale_map(x) if self.input_scale else y

    def _product(self, x: Tensor, scale: Tensor | None) -> Tensor:
        window = self.stride, self.padding, self.dilation, self.groups, self.pad_value
        if self.signs:
            y = torch.ops.bitgrove.binary_conv(x, self.weight, scale, None, *window, None, None)
        else:
            y = torch.ops.bitgrove.binary_weight_conv(x, self.weight, scale, None, *window)
        made_for = self.output_size
        if made_for is not None and y.shape[2:] != made_for:
            raise ValueError(
                f"the scale was made for output_size={made_for}, and the output is "
                f"{tuple(y.shape[2:])}; make the layer for this size"
            )
        return y

    def _input_scale_map(self, x: Tensor) -> Tensor:
        """XNOR-Net's K, as the layer in ``bitgrove.nn`` computes it."""
        magnitude = x.abs().unflatten(1, (self.groups, -1)).mean(2)
        taps = self.weight[0, ..., 0].numel()
        box = x.new_full((self.groups, 1, *self.kernel_size), 1 / taps)
        convolve = _CONVOLUTIONS[self.dimensions]
        mean = convolve(magnitude, box, None, self.stride, self.padding, self.dilation, self.groups)
        if self.groups == 1:
            return mean
        return mean.repeat_interleave(self.out_channels // self.groups, 1)

    def extra_repr(self) -> str:
        """The arguments of the layer that this one was made from, that are not at defaults."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        for name, default in (
            ("stride", (1,) * self.dimensions),
            ("padding", (0,) * self.dimensions),
            ("pad_value", -1),
            ("dilation", (1,) * self.dimensions),
            ("groups", 1),
            ("input_scale", False),
            ("output_size", None),
            ("signs", True),
        ):
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text


class PackedConv2d(PackedConvNd):
    """A :class:`bitgrove.nn.BinaryConv2d` in evaluation, with a bit for a weight.

    Its result is the layer's: integers bit for bit, in float16 and bfloat16 too, which come out in
    their own dtype; scales to float rounding. It has no gradient, says so in a backward pass, and
    runs on a CPU. ``torch.autocast`` leaves it alone. Write to a buffer by torch's operators, which
    ``load_state_dict`` does: what comes through ``.data`` or a numpy view is not seen.

    Source: Rastegari et al., XNOR-Net, ECCV 2016, sec. 3.2 and fig. 2 (XNOR and popcount; K).

    >>> from bitgrove import nn as bnn
    >>> layer = bnn.BinaryConv2d(64, 64, 3, padding=1, scale="channel").eval()
    >>> packed = PackedConv2d.from_binary(layer)
    >>> packed
    PackedConv2d(64, 64, kernel_size=(3, 3), padding=(1, 1))
    >>> x = torch.randn(1, 64, 8, 8)
    >>> torch.equal(packed(x), layer(x)), layer.weight.nbytes, packed.weight.nbytes
    (True, 147456, 4608)
    """

    dimensions: ClassVar[int] = 2

    @classmethod
    def from_binary(cls, layer: BinaryConv2d) -> Self:
        """Pack a layer, which stays as it is.

        Raises:
            TypeError: the layer is of another kind, or of a class with a forward of its own.
            ValueError: its weight is real, in float64 or not on a CPU, an estimator compares with
                something else than 0, or it has forward hooks.
        """
        return cls._from(layer)


class PackedConv1d(PackedConvNd):
    """A :class:`bitgrove.nn.BinaryConv1d` in evaluation; see :class:`PackedConv2d`."""

    dimensions: ClassVar[int] = 1

    @classmethod
    def from_binary(cls, layer: BinaryConv1d) -> Self:
        """As :meth:`PackedConv2d.from_binary`."""
        return cls._from(layer)


class PackedConv3d(PackedConvNd):
    """A :class:`bitgrove.nn.BinaryConv3d` in evaluation; see :class:`PackedConv2d`."""

    dimensions: ClassVar[int] = 3

    @classmethod
    def from_binary(cls, layer: BinaryConv3d) -> Self:
        """As :meth:`PackedConv2d.from_binary`."""
        return cls._from(layer)


class PackedLinear(PackedLayer):
    """A :class:`bitgrove.nn.BinaryLinear` in evaluation; what is common is in `PackedConv2d`.

    >>> from bitgrove import nn as bnn
    >>> layer = bnn.BinaryLinear(100, 10).eval()
    >>> packed = PackedLinear.from_binary(layer)
    >>> x = torch.randn(2, 100)
    >>> torch.equal(packed(x), layer(x)), tuple(packed.weight.shape)
    (True, (10, 13))
    """

    def __init__(self, source: Source, layer: Any) -> None:
        super().__init__(source)
        self.in_features: int = layer.in_features
        self.out_features: int = layer.out_features
        self.train(layer.training)

    @classmethod
    def from_binary(cls, layer: BinaryLinear) -> Self:
        """As :meth:`PackedConv2d.from_binary`."""
        return cls(read(layer, 0, "BinaryLinear"), layer)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., in_features)`` to ``(..., out_features)``."""
        if x.ndim < 1 or x.shape[-1] != self.in_features:
            raise ValueError(
                f"the input must have shape (..., {self.in_features}), got {tuple(x.shape)}"
            )
        return self._apply_to(x, 0)

    def _product(self, x: Tensor, scale: Tensor | None) -> Tensor:
        if self.signs:
            return torch.ops.bitgrove.binary_linear(x, self.weight, scale, None, None, None)
        return torch.ops.bitgrove.binary_weight_linear(x, self.weight, scale, None)

    def extra_repr(self) -> str:
        """The sizes, and whether the input's signs are taken."""
        text = f"{self.in_features}, {self.out_features}"
        return text if self.signs else f"{text}, signs=False"
