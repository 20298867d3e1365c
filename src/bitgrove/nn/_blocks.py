"""Blocks: a few layers and the shortcut around them."""

from __future__ import annotations

from torch import Tensor, fx, nn

from ._conv import BinaryConv2d
from ._sign import Estimator


class BiRealBlock(nn.Module):
    """``sign -> 1-bit 3x3 convolution -> batch norm -> + shortcut``: one shortcut per convolution.

    The shortcut carries the real values past the sign. Where the shape changes it is
    ``average pool -> real 1x1 convolution -> batch norm``, else the identity.

    Source: Liu et al., Bi-Real Net, ECCV 2018. Differences: the border of the convolution
    is padded with ``pad_value`` and not with 0, so that it has two values.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: of the convolution and of the shortcut's pooling; the input's height and width must
            be multiples of it (else ``forward`` raises ``ValueError``).
        pad_value: border of the binary convolution: -1, 0 or +1; not used by the real twin, whose
            border is 0.
        input_estimator: gradient of the activations' sign.
        weight_estimator: gradient of the weights' sign.
        real: make the twin of the same shape with real numbers: ``hardtanh``, the function whose
            limit values the sign has, and an ordinary convolution. Its state dict fits the binary
            block, which is how the paper initialises it.

    >>> import torch
    >>> BiRealBlock(8, 16, stride=2)(torch.zeros(1, 8, 6, 6)).shape
    torch.Size([1, 16, 3, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        pad_value: float = -1.0,
        input_estimator: str | Estimator | None = "approx",
        weight_estimator: str | Estimator | None = "clipped",
        real: bool = False,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.activation = nn.Hardtanh() if real else None
        if real:
            self.conv = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        else:
            self.conv = BinaryConv2d(
                in_channels,
                out_channels,
                3,
                stride=stride,
                padding=1,
                pad_value=pad_value,
                input_estimator=input_estimator,
                weight_estimator=weight_estimator,
            )
        self.bn = nn.BatchNorm2d(out_channels)
        self.shortcut = None
        if stride != 1 or in_channels != out_channels:
            pool = [nn.AvgPool2d(stride)] if stride != 1 else []
            self.shortcut = nn.Sequential(
                *pool,
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, in_channels, h, w)`` to ``(n, out_channels, h / stride, w / stride)``."""
        if not isinstance(x, fx.Proxy) and any(size % self.stride for size in x.shape[2:]):
            raise ValueError(
                f"height and width must be multiples of the stride (={self.stride}), got "
                f"{tuple(x.shape[2:])}; pad or resize the input"
            )
        y = self.bn(self.conv(x if self.activation is None else self.activation(x)))
        return y + (x if self.shortcut is None else self.shortcut(x))
