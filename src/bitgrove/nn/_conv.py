"""A convolution of signs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._layer import BinaryLayer, Scale, check_input
from ._sign import Estimator

Pair = tuple[int, int]


class BinaryConv2d(BinaryLayer):
    r"""A 2-D convolution of the sign of its input with the sign of its weight, without bias.

    The input is binarised, padded with ``pad_value`` and convolved; the result is an exact integer
    in float32 (in float16 up to 2048 and in bfloat16 up to 256 summands), which the scales multiply
    afterwards. In training, latent weights are best kept in [-1, 1] by
    :func:`bitgrove.nn.clip_latents_` after each step. NaN is not looked for: its sign is -1.

    Sources: Hubara et al., Binarized Neural Networks, NeurIPS 2016; Rastegari et al., XNOR-Net,
    ECCV 2016, sec. 3 (``scale="channel"``, ``input_scale``); Bulat and Tzimiropoulos, XNOR-Net++,
    BMVC 2019, sec. 4 (``"learned"``, ``"spatial"``). Differences: the gradient of alpha is the full
    one, where XNOR-Net's eq. 6 keeps one of its terms.

    Args:
        in_channels: channels of the input, a multiple of ``groups``.
        out_channels: channels of the output, a multiple of ``groups``.
        kernel_size: one number, or (height, width).
        stride: one number, or (down, across).
        padding: pixels added on both sides, one number or (above and below, left and right).
        pad_value: what they hold: -1, 0 or +1. With 0 the convolution has three values at the
            border. The pixels of a real input (``input_estimator=None``) are padded with the same.
        dilation: one number, or (down, across).
        groups: convolutions side by side.
        input_estimator: gradient of the input's sign: a name from :data:`bitgrove.nn.ESTIMATORS`
            but ``"magnitude_aware"``, an :class:`bitgrove.nn.Estimator`, or ``None`` to leave the
            input real (a binary-weight network).
        weight_estimator: the same for the weight; ``None`` leaves the weight real.
        scale: ``None``; ``"channel"``, alpha, the mean of ``|W|`` per output channel,
            differentiated too; ``"learned"``, a parameter per output channel, first 1;
            ``"spatial"``, the product of a parameter per output channel, row and column.
        input_scale: multiply by K, the box-filtered mean over the channels (of a group) of
            ``|input|``, whose border is padded with 0; differentiated too.
        output_size: one number, or (height, width); needed for ``"spatial"``, refused otherwise.

    Raises:
        ValueError: an argument is out of its range, or two arguments contradict each other.

    >>> layer = BinaryConv2d(2, 1, 3, padding=1)
    >>> _ = nn.init.ones_(layer.weight)
    >>> layer(torch.ones(1, 2, 3, 3)).squeeze()
    tensor([[-2.,  6., -2.],
            [ 6., 18.,  6.],
            [-2.,  6., -2.]], grad_fn=<SqueezeBackward0>)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        *,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        pad_value: float = -1.0,
        dilation: int | Pair = 1,
        groups: int = 1,
        input_estimator: str | Estimator | None = "clipped",
        weight_estimator: str | Estimator | None = "clipped",
        scale: Scale | None = None,
        input_scale: bool = False,
        output_size: int | Pair | None = None,
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
        kernel = _pair("kernel_size", kernel_size, least=1)
        super().__init__(
            (out_channels, in_channels // groups, *kernel), input_estimator, weight_estimator, scale
        )
        if pad_value not in (-1, 0, 1):
            raise ValueError(f"pad_value must be -1, 0 or +1, got {pad_value}")
        if input_scale and self.input_estimator is None:
            raise ValueError(
                "input_scale is the magnitude that a sign loses, and input_estimator=None keeps "
                "the real input; leave input_scale out"
            )
        if (scale == "spatial") != (output_size is not None):
            raise ValueError(
                "output_size, the (height, width) of the output, goes with scale='spatial' and "
                f"only with it; got scale={scale!r}, output_size={output_size}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = kernel
        self.stride = _pair("stride", stride, least=1)
        self.padding = _pair("padding", padding, least=0)
        self.dilation = _pair("dilation", dilation, least=1)
        self.pad_value = float(pad_value)
        self.input_scale = bool(input_scale)
        self.output_size = None
        self.scale_row = self.scale_column = None
        if output_size is not None:
            self.output_size = _pair("output_size", output_size, least=1)
            self.scale_channel = nn.Parameter(torch.ones(out_channels))
            self.scale_row = nn.Parameter(torch.ones(self.output_size[0]))
            self.scale_column = nn.Parameter(torch.ones(self.output_size[1]))
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, in_channels, h, w)`` to ``(n, out_channels, h_out, w_out)``."""
        check_input(x, 4, 1, self.in_channels, f"(n, {self.in_channels}, h, w)")
        y = self._convolve(self._signed_input(x), self._signed_weight())
        if self.output_size is not None and tuple(y.shape[2:]) != self.output_size:
            raise ValueError(
                f"scale 'spatial' was made for output_size={self.output_size}, and the output is "
                f"{tuple(y.shape[2:])}; make the layer for this size"
            )
        scale = self._scales()
        if scale is not None:
            y = y * (scale[:, None, None] if scale.ndim == 1 else scale)
        return y * self.input_scale_map(x) if self.input_scale else y

    def input_scale_map(self, x: Tensor) -> Tensor:
        """XNOR-Net's K: the mean of ``|x|`` under each position of the kernel.

        Padding counts as 0, and the mean runs over the channels of each group.

        Args:
            x: the layer's real input, ``(n, in_channels, h, w)``.

        Returns:
            Shape ``(n, 1, h_out, w_out)``, or ``(n, out_channels, h_out, w_out)`` with groups.
        """
        magnitude = x.abs().unflatten(1, (self.groups, -1)).mean(2)
        height, width = self.kernel_size
        box = x.new_full((self.groups, 1, height, width), 1 / (height * width))
        mean = F.conv2d(magnitude, box, None, self.stride, self.padding, self.dilation, self.groups)
        if self.groups == 1:
            return mean
        return mean.repeat_interleave(self.out_channels // self.groups, 1)

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        above, left = self.padding
        if self.pad_value == 0:
            return F.conv2d(x, weight, None, self.stride, self.padding, self.dilation, self.groups)
        if above or left:
            x = F.pad(x, (left, left, above, above), value=self.pad_value)
        return F.conv2d(x, weight, None, self.stride, 0, self.dilation, self.groups)

    def _own_scale(self) -> Tensor | None:
        if self.scale_channel is None or self.scale_row is None or self.scale_column is None:
            return super()._own_scale()
        return self.scale_channel[:, None, None] * self.scale_row[:, None] * self.scale_column

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults, in their order."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        for name, default in (
            ("stride", (1, 1)),
            ("padding", (0, 0)),
            ("pad_value", -1.0),
            ("dilation", (1, 1)),
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


def _pair(name: str, value: int | Pair, *, least: int) -> Pair:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(item, int) and item >= least for item in pair):
        raise ValueError(f"{name} must be an integer of at least {least} or two, got {value!r}")
    return pair[0], pair[1]
