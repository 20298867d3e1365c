"""Bi-Real networks of 50 and 152 layers: bottlenecks on two streams of real values."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..nn import Estimator, LeakyClip
from ._parts import Bits, Real, check_at_least_one, real_convolution, sequence
from ._stem import Stem, make_stem


class BiRealBottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 binary convolution, each with a real shortcut of its own.

    A shortcut around one convolution of a bottleneck would join values of different widths, so
    real values travel in two streams: ``middle``, of the bottleneck's width, from 3x3 to 3x3, and
    ``trunk``, four times as wide, from block to block::

        y1     = BN(1x1(sign(trunk))) + middle         (real 1x1 of it where the width changes)
        middle = BN(3x3(sign(y1)))    + y1             (average-pooled where the size changes)
        trunk  = BN(1x1(sign(middle))) + trunk         (average pool, real 1x1, BN where it changes)

    In the first block of a network the first convolution is real, on the leaky clip of the trunk,
    and without shortcut.

    Source: Liu et al., Bi-Real Net, IJCV 2020, for 50 layers, as in the authors' code.

    Args:
        bits: how the convolutions are made.
        before: width of ``middle`` on entry.
        trunk: width of ``trunk`` on entry.
        width: width of ``middle`` on exit; ``trunk`` is four times as wide.
        stride: of the 3x3 convolution.
        first: make the first block of a network.
    """

    def __init__(
        self,
        bits: Bits,
        before: int,
        trunk: int,
        width: int,
        *,
        stride: int = 1,
        first: bool = False,
    ) -> None:
        super().__init__()
        after = 4 * width
        if first:
            self.conv1 = sequence(
                activation=bits.activation() or LeakyClip(), conv=real_convolution(trunk, width, 1)
            )
        else:
            self.conv1 = sequence(
                activation=bits.activation(), conv=bits.convolution(trunk, width, 1)
            )
        self.norm1 = nn.BatchNorm2d(width)
        self.shortcut1 = None
        if before != width and not first:
            self.shortcut1 = real_convolution(before, width, 1)
        self.has_shortcut1 = not first

        self.conv2 = sequence(
            activation=bits.activation(),
            conv=bits.convolution(width, width, 3, stride=stride, padding=1),
        )
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut2 = nn.AvgPool2d(stride) if stride != 1 else None

        self.conv3 = sequence(activation=bits.activation(), conv=bits.convolution(width, after, 1))
        self.norm3 = nn.BatchNorm2d(after)
        self.shortcut3 = None
        if stride != 1 or trunk != after:
            self.shortcut3 = sequence(
                pool=nn.AvgPool2d(stride) if stride != 1 else None,
                conv=real_convolution(trunk, after, 1),
                norm=nn.BatchNorm2d(after),
            )

    def forward(self, middle: Tensor, trunk: Tensor) -> tuple[Tensor, Tensor]:
        """Map the two streams ``(n, before, h, w)`` and ``(n, trunk, h, w)`` to the next two."""
        y = self.norm1(self.conv1(trunk))
        if self.has_shortcut1:
            y = y + _past(self.shortcut1, middle)
        middle = self.norm2(self.conv2(y)) + _past(self.shortcut2, y)
        trunk = self.norm3(self.conv3(middle)) + _past(self.shortcut3, trunk)
        return middle, trunk


class BiRealBottleneckNet(nn.Module):
    """A Bi-Real network of two-stream bottlenecks; both streams start as what the stem leaves.

    ``real 7x7 stem -> max pooling -> stages of bottlenecks -> average pooling of the trunk -> real
    linear``; each stage but the first doubles the widths and halves the picture.

    Source: Liu et al., Bi-Real Net: Binarizing Deep Network Towards Real-Network Performance, IJCV
    2020 (50 and 152 layers). Differences: no code of the 152 layers was published, and theirs are
    those of 50 with ResNet-152's number of blocks.

    Args:
        blocks: bottlenecks of each stage: (3, 4, 6, 3) are 50 layers, (3, 8, 36, 3) are 152.
        in_channels: channels of the pictures.
        num_classes: outputs of the head.
        width: of the stem and of the first stage's middle; the first trunk is four times as wide.
        stem: ``"large"``, as published: 7x7 with stride 2, and max pooling; or ``"small"``, for
            pictures of some 32 pixels: 3x3 with stride 1, without pooling.
        pad_value: border of the binary convolutions: -1, 0 (as in the authors' code) or +1.
        input_estimator: gradient of the activations' sign.
        weight_estimator: gradient of the weights' sign.
        real: make the twin of the same shape with real numbers: ``"relu"`` (or ``True``),
            ``"leaky_clip"`` or ``"clip"`` in place of the signs. Its state dict fits.

    Raises:
        ValueError: an argument is out of its range.

    What the stem leaves must be a multiple of ``2 ** (len(blocks) - 1)`` in height and width.

    >>> import torch
    >>> net = BiRealBottleneckNet((1, 1), num_classes=5, width=4, stem="small").eval()
    >>> x = torch.zeros(2, 3, 8, 8)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 32]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        blocks: Sequence[int],
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        width: int = 64,
        stem: Stem = "large",
        pad_value: float = 0.0,
        input_estimator: str | Estimator | None = "approx",
        weight_estimator: str | Estimator | None = "magnitude_aware",
        real: Real = False,
    ) -> None:
        check_at_least_one(in_channels=in_channels, num_classes=num_classes, width=width)
        bits = Bits(
            real=real,
            pad_value=pad_value,
            input_estimator=input_estimator,
            weight_estimator=weight_estimator,
        )
        super().__init__()
        self.stem = make_stem(stem, in_channels, width)
        self.stages = bottleneck_stages(bits, blocks, width)
        self.embedding_dim = 4 * width * 2 ** (len(blocks) - 1)
        self.embedding = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(self.embedding_dim, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``."""
        middle = trunk = self.stem(x)
        for stage in self.stages:
            middle, trunk = run_stage(stage, middle, trunk)
        return self.embedding(trunk)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to logits ``(n, num_classes)``."""
        return self.head(self.embed(x))


def bottleneck_stages(bits: Bits, blocks: Sequence[int], width: int) -> nn.ModuleList:
    """Stages of bottlenecks, each a list of blocks; the first stage's middle has ``width``.

    Raises:
        ValueError: a stage is empty, or there is none.
    """
    if not blocks or min(blocks) < 1:
        raise ValueError(f"blocks must be one number of at least 1 per stage, got {blocks}")
    stages = nn.ModuleList()
    before = trunk = width
    for stage, count in enumerate(blocks):
        wide = width * 2**stage
        layers = nn.ModuleList()
        for index in range(count):
            layers.append(
                BiRealBottleneck(
                    bits,
                    before,
                    trunk,
                    wide,
                    stride=2 if stage and not index else 1,
                    first=not stage and not index,
                )
            )
            before, trunk = wide, 4 * wide
        stages.append(layers)
    return stages


def run_stage(stage: nn.Module, middle: Tensor, trunk: Tensor) -> tuple[Tensor, Tensor]:
    """Both streams through the blocks of one stage."""
    for block in stage.children():
        middle, trunk = block(middle, trunk)
    return middle, trunk


def _past(shortcut: nn.Module | None, x: Tensor) -> Tensor:
    return x if shortcut is None else shortcut(x)
