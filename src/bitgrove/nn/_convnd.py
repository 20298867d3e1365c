"""What the binary convolutions of one, two and three dimensions share: everything."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, ClassVar, ParamSpec, cast

import torch.nn.functional as F
from torch import Tensor

from ._border import add_border, slabs_of
from ._layer import BinaryLayer, check_input
from ._recompute import Convolution, convolve_signs, recomputes
from ._scale import SIZED, Scale
from ._sign import Estimator

Size = int | tuple[int, ...]

_P = ParamSpec("_P")

_CONVOLUTIONS: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_AXES = {1: "(length,)", 2: "(height, width)", 3: "(depth, height, width)"}
_LETTERS = {1: "l", 2: "h, w", 3: "d, h, w"}


def _named(init: Callable[_P, None]) -> Callable[_P, None]:
    """Tell of arguments that ``nn.Conv2d`` would take by the name of the class that is made."""
    known = list(signature(init).parameters)

    @wraps(init)
    def checked(*args: _P.args, **options: _P.kwargs) -> None:
        name = type(args[0]).__name__
        if len(args) > 4:
            raise TypeError(
                f"{name} takes in_channels, out_channels and kernel_size by position, and by name "
                f"what follows, such as stride=2, padding=1; got {len(args) - 1} by position"
            )
        for option in options:
            if option == "bias":
                raise TypeError(f"{name} has no bias; leave it out, and put a batch norm behind")
            if option not in known:
                raise TypeError(f"{name} has no {option!r}; it takes {', '.join(known[1:])}")
        init(*args, **options)

    return checked


class BinaryConvNd(BinaryLayer):
    """Base of ``BinaryConv1d``, ``BinaryConv2d`` and ``BinaryConv3d``, which see for the arguments.

    A subclass says only how many dimensions it has.
    """

    dimensions: ClassVar[int]

    @_named
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Size = 0,
        pad_value: float = -1.0,
        dilation: Size = 1,
        groups: int = 1,
        input_estimator: str | Estimator | None = "clipped",
        weight_estimator: str | Estimator | None = "clipped",
        scale: Scale | None = None,
        input_scale: bool = False,
        output_size: Size | None = None,
    ) -> None:
        for name, value in (
            ("in_channels", in_channels),
            ("out_channels", out_channels),
            ("groups", groups),
        ):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels)):
            if value % groups:
                raise ValueError(f"{name} (={value}) must be a multiple of groups (={groups})")
        kernel = self._size("kernel_size", kernel_size, least=1)
        if (scale in SIZED) != (output_size is not None):
            raise ValueError(
                f"output_size, the {_AXES[self.dimensions]} of the output, goes with the scales "
                f"{', '.join(repr(name) for name in sorted(SIZED))} and only with them; got "
                f"scale={scale!r}, output_size={output_size}"
            )
        size = None if output_size is None else self._size("output_size", output_size, least=1)
        super().__init__(
            (out_channels, in_channels // groups, *kernel),
            input_estimator,
            weight_estimator,
            scale,
            size or (),
        )
        if pad_value not in (-1, 0, 1):
            raise ValueError(f"pad_value must be -1, 0 or +1, got {pad_value}")
        if input_scale and self.input_estimator is None:
            raise ValueError(
                "input_scale is the magnitude that a sign loses, and input_estimator=None keeps "
                "the real input; leave input_scale out"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = kernel
        self.stride = self._size("stride", stride, least=1)
        self.padding = self._size("padding", padding, least=0)
        self.dilation = self._size("dilation", dilation, least=1)
        self.pad_value = float(pad_value)
        self.input_scale = bool(input_scale)
        self.output_size = size
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, in_channels, *size)`` to ``(n, out_channels, *output size)``."""
        expected = f"(n, {self.in_channels}, {_LETTERS[self.dimensions]})"
        check_input(x, 2 + self.dimensions, 1, self.in_channels, expected)
        y = self._convolve(x)
        if self.output_size is not None and tuple(y.shape[2:]) != self.output_size:
            raise ValueError(
                f"scale {self.scale!r} was made for output_size={self.output_size}, and the output "
                f"is {tuple(y.shape[2:])}; make the layer for this size"
            )
        scale = self._scales()
        if scale is not None:
            if scale.ndim == 1:
                scale = scale.reshape(-1, *[1] * self.dimensions)
            # Without a gradient of the scale nobody else needs y, and new memory costs more.
            y = y * scale.to(y.dtype) if scale.requires_grad else y.mul_(scale.to(y.dtype))
        return y * self.input_scale_map(x) if self.input_scale else y

    def input_scale_map(self, x: Tensor) -> Tensor:
        """XNOR-Net's K: the mean of ``|x|`` under each position of the kernel.

        Padding counts as 0, and the mean runs over the channels of each group.

        Args:
            x: the layer's real input, ``(n, in_channels, *size)``.

        Returns:
            Shape ``(n, 1, *output size)``, or ``(n, out_channels, *output size)`` with groups.
        """
        magnitude = x.abs().unflatten(1, (self.groups, -1)).mean(2)
        box = x.new_full((self.groups, 1, *self.kernel_size), 1 / self.weight[0, 0].numel())
        mean = self._convolution(magnitude, box, self.padding)
        if self.groups == 1:
            return mean
        return mean.repeat_interleave(self.out_channels // self.groups, 1)

    def _convolve(self, x: Tensor) -> Tensor:
        weight = self._signed_weight()
        if self.pad_value == 0 or not any(self.padding):
            return self._convolve_signs(x, weight)
        if self._input_estimator is None or self._weight_estimator is None:
            x = self._padded(self._signed_input(x))
            return self._convolution(x, weight, (0,) * self.dimensions)
        # The sums are integers, so the border may be added afterwards without changing a bit: it
        # is the same for all images and, but for the weight, for all channels. A padded copy of the
        # signs would cost a tenth of the step.
        y = self._convolve_signs(x, weight)
        window = (self.kernel_size, self.stride, self.padding, self.dilation)
        return add_border(y, self._border(x, weight), slabs_of(x.shape[2:], y.shape[2:], *window))

    def _convolve_signs(self, x: Tensor, weight: Tensor) -> Tensor:
        estimator = self._input_estimator
        if not recomputes(x, weight, estimator):
            return self._convolution(self._signed_input(x), weight, self.padding)
        convolution = Convolution(self.stride, self.padding, self.dilation, self.groups)
        estimators = cast(Estimator, estimator), self._weight_estimator
        return convolve_signs(x, weight, self.weight, estimators, convolution)

    def _border(self, x: Tensor, weight: Tensor) -> Tensor:
        """What a padding of ``pad_value`` contributes, ``(1, out_channels, *output size)``."""
        outside = self._padded(x.new_zeros((1, 1, *x.shape[2:])))
        convolve = _CONVOLUTIONS[self.dimensions]
        kernel = weight.sum(1, keepdim=True)
        return convolve(outside, kernel, None, self.stride, 0, self.dilation)

    def _padded(self, x: Tensor) -> Tensor:
        edges = [edge for edge in reversed(self.padding) for _ in range(2)]  # last axis first
        return F.pad(x, edges, value=self.pad_value)

    def _convolution(self, x: Tensor, weight: Tensor, padding: tuple[int, ...]) -> Tensor:
        convolve = _CONVOLUTIONS[self.dimensions]
        return convolve(x, weight, None, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults, in their order."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        for name, default in (
            ("stride", (1,) * self.dimensions),
            ("padding", (0,) * self.dimensions),
            ("pad_value", -1.0),
            ("dilation", (1,) * self.dimensions),
            ("groups", 1),
        ):
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        text += f", input_estimator={self.input_estimator}"
        text += f", weight_estimator={self.weight_estimator}"
        for name, default in (("scale", None), ("input_scale", False), ("output_size", None)):
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)!r}"
        return text

    @classmethod
    def _size(cls, name: str, value: Size, *, least: int) -> tuple[int, ...]:
        count = cls.dimensions
        size = (value,) * count if isinstance(value, int) else tuple(value)
        if len(size) != count or not all(isinstance(item, int) and item >= least for item in size):
            words = {1: "one in a tuple", 2: "two", 3: "three"}[count]
            raise ValueError(
                f"{name} must be an integer of at least {least} or {words}, got {value!r}"
            )
        return size
