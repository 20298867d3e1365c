"""ReActNet-A."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..nn import Estimator, RPReLU, RSign
from ._parts import Bits, Real, check_at_least_one, real_convolution, sequence

_MULTIPLES = (1, 2, 4, 4, 8, 8, 16, 16, 16, 16, 16, 16, 32, 32)


class ReActNet(nn.Module):
    """MobileNet's shape out of binary 3x3 and 1x1 convolutions with learned shifts.

    ``real 3x3 stem of stride 2 -> 13 blocks -> average pooling -> real linear``. A block is ::

        y = RPReLU(BN(3x3(RSign(x))) + x)               (x average-pooled where the stride is 2)
        z = RPReLU(BN(1x1(RSign(y))) + y)

    and where the channels double, two 1x1 convolutions, each with its batch norm and the same
    shortcut, are put side by side before the last RPReLU. There is no real convolution in between.

    Source: Liu et al., ReActNet, ECCV 2020 (ReActNet-A). Its training has two steps: first
    ``weight_estimator=None``, real weights on binary activations; its state dict then starts the
    binary network. Differences: the gradient of a weight is multiplied by its filter's magnitude,
    as in Bi-Real Net, which Adam does not notice; the authors' code multiplies the value alone.

    Args:
        in_channels: channels of the pictures.
        num_classes: outputs of the head.
        width: channels of the stem, 32 as published; all layers scale with it.
        multiples: channels of the stem and of every block, in multiples of ``width``: the same as
            before or twice as many. Doubling halves the picture, but for the first block.
        stem_stride: 2, as published, or 1 for pictures of some 32 pixels.
        pad_value: border of the binary convolutions: -1, 0 (as in the authors' code) or +1.
        input_estimator: gradient of the activations' sign.
        weight_estimator: gradient of the weights' sign; ``None`` is the first step.
        real: make the twin of the same shape with real numbers: ``"relu"`` (or ``True``),
            ``"leaky_clip"`` or ``"clip"`` in place of the signs, and without their shifts, which
            are all that its state dict lacks.

    Raises:
        ValueError: an argument is out of its range.

    What the stem leaves must be a multiple of 16 in height and width (of one 2 for each halving).

    >>> import torch
    >>> net = ReActNet(num_classes=5, width=4, multiples=(1, 2, 4, 4)).eval()
    >>> x = torch.zeros(2, 3, 8, 8)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 16]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        width: int = 32,
        multiples: Sequence[int] = _MULTIPLES,
        stem_stride: int = 2,
        pad_value: float = 0.0,
        input_estimator: str | Estimator = "approx",
        weight_estimator: str | Estimator | None = "magnitude_aware",
        real: Real = False,
    ) -> None:
        check_at_least_one(in_channels=in_channels, num_classes=num_classes, width=width)
        grows = [after / before for before, after in pairwise(multiples)]
        if len(multiples) < 2 or multiples[0] < 1 or not {1, 2} >= set(grows):
            raise ValueError(
                "multiples must be at least two numbers from 1 up, each equal to the one before or "
                f"its double, got {tuple(multiples)}"
            )
        if stem_stride not in (1, 2):
            raise ValueError(f"stem_stride must be 1 or 2, got {stem_stride}")
        bits = Bits(
            real=real,
            pad_value=pad_value,
            input_estimator="identity",  # RSign has the gradient of the sign
            weight_estimator=weight_estimator,
        )
        super().__init__()
        channels = width * multiples[0]
        self.stem = sequence(
            conv=real_convolution(in_channels, channels, 3, stride=stem_stride, padding=1),
            norm=nn.BatchNorm2d(channels),
        )
        self.blocks = nn.Sequential()
        for index, multiple in enumerate(multiples[1:]):
            after = width * multiple
            stride = 2 if after != channels and index else 1
            self.blocks.append(_Block(bits, input_estimator, channels, after, stride))
            channels = after
        self.embedding_dim = channels
        self.embedding = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(channels, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``."""
        return self.embedding(self.blocks(self.stem(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to logits ``(n, num_classes)``."""
        return self.head(self.embed(x))


class _Block(nn.Module):
    def __init__(
        self, bits: Bits, estimator: str | Estimator, before: int, after: int, stride: int
    ) -> None:
        super().__init__()
        self.sign1 = bits.activation() or RSign(before, estimator=estimator)
        self.conv1 = bits.convolution(before, before, 3, stride=stride, padding=1)
        self.norm1 = nn.BatchNorm2d(before)
        self.shortcut = nn.AvgPool2d(stride) if stride != 1 else None
        self.prelu1 = RPReLU(before)
        self.sign2 = bits.activation() or RSign(before, estimator=estimator)
        self.conv2, self.norm2 = bits.convolution(before, before, 1), nn.BatchNorm2d(before)
        self.conv3 = self.norm3 = None
        if after != before:
            self.conv3, self.norm3 = bits.convolution(before, before, 1), nn.BatchNorm2d(before)
        self.prelu2 = RPReLU(after)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, before, h, w)`` to ``(n, after, h / stride, w / stride)``."""
        past = x if self.shortcut is None else self.shortcut(x)
        y = self.prelu1(self.norm1(self.conv1(self.sign1(x))) + past)
        signs = self.sign2(y)
        z = self.norm2(self.conv2(signs)) + y
        if self.conv3 is not None and self.norm3 is not None:
            z = torch.cat((z, self.norm3(self.conv3(signs)) + y), dim=1)
        return self.prelu2(z)
