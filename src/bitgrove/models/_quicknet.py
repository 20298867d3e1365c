"""QuickNet, a modern binary network that is made for speed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..nn import Clipped, Estimator
from ._parts import Bits, Real, check_at_least_one, real_convolution, sequence


class QuickNet(nn.Module):
    """A cheap real stem, then stages of binary 3x3 convolutions with a shortcut around each.

    ``real 3x3/2 of width/4 -> BN -> ReLU -> depthwise 3x3/2 -> BN -> 1x1 -> BN``, then stages of
    blocks ``x + BN(ReLU(3x3(sign(x))))``, with ``ReLU -> max pooling -> blur -> real 1x1 -> BN``
    between them, and ``ReLU -> average pooling -> real linear``. The max pooling is 2x2 with stride
    1; the blur is a fixed depthwise 3x3 filter ``[1, 2, 1]`` in both directions, with stride 2.

    Source: Bannink et al., Larq Compute Engine, MLSys 2021, and the authors' code. Differences: a
    convolution of stride 2 pads one pixel on all four sides, where Keras' ``"same"`` pads an even
    picture below and to the right only (odd ones, which is what the blur sees, alike).

    Args:
        blocks: binary convolutions of each stage.
        filters: channels of each stage, in multiples of ``width``.
        in_channels: channels of the pictures.
        num_classes: outputs of the head.
        width: channels of one multiple, at least 4.
        pad_value: border of the binary convolutions: -1, 0 or +1 (as published).
        input_estimator: gradient of the activations' sign.
        weight_estimator: gradient of the weights' sign.
        real: make the twin of the same shape with real numbers: ``"relu"`` (or ``True``),
            ``"leaky_clip"`` or ``"clip"`` in place of the signs. Its state dict fits.

    Raises:
        ValueError: an argument is out of its range.

    Pictures need ``4 * 2 ** (len(blocks) - 1) - 3`` pixels a side or more, 29 for four stages.

    >>> net = QuickNet((1, 1), (1, 2), num_classes=5, width=8).eval()
    >>> x = torch.zeros(2, 3, 16, 16)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 16]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        blocks: Sequence[int],
        filters: Sequence[int],
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        width: int = 64,
        pad_value: float = 1.0,
        input_estimator: str | Estimator | None = Clipped(1.25),  # noqa: B008 - frozen
        weight_estimator: str | Estimator | None = Clipped(1.25),  # noqa: B008
        real: Real = False,
    ) -> None:
        check_at_least_one(in_channels=in_channels, num_classes=num_classes)
        if width < 4:
            raise ValueError(
                f"width must be at least 4, of which the stem has a quarter, got {width}"
            )
        if not blocks or min(blocks) < 1 or len(blocks) != len(filters) or min(filters) < 1:
            raise ValueError(
                "blocks and filters must be one number of at least 1 per stage each, "
                f"got {blocks} and {filters}"
            )
        bits = Bits(
            real=real,
            pad_value=pad_value,
            input_estimator=input_estimator,
            weight_estimator=weight_estimator,
        )
        super().__init__()
        channels = width * filters[0]
        thin = channels // 4
        self.stem = sequence(
            conv=real_convolution(in_channels, thin, 3, stride=2, padding=1),
            norm1=nn.BatchNorm2d(thin),
            activation=bits.relu(),
            depthwise=real_convolution(thin, thin, 3, stride=2, padding=1, groups=thin),
            norm2=nn.BatchNorm2d(thin, affine=False),
            pointwise=real_convolution(thin, channels, 1),
            norm3=nn.BatchNorm2d(channels),
        )
        self.stages = nn.Sequential()
        for stage, (count, multiple) in enumerate(zip(blocks, filters, strict=True)):
            after = width * multiple
            if stage:
                self.stages.append(_transition(bits, channels, after))
            channels = after
            self.stages.append(nn.Sequential(*(_Block(bits, after) for _ in range(count))))
        self.embedding_dim = channels
        self.embedding = nn.Sequential(bits.relu(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(channels, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``."""
        return self.embedding(self.stages(self.stem(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to logits ``(n, num_classes)``."""
        return self.head(self.embed(x))


class _Block(nn.Module):
    def __init__(self, bits: Bits, channels: int) -> None:
        super().__init__()
        self.body = sequence(
            activation=bits.activation(),
            conv=bits.convolution(channels, channels, 3, padding=1),
            relu=nn.ReLU(),
            norm=nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, h, w)`` to the same shape."""
        return self.body(x) + x


def _transition(bits: Bits, before: int, after: int) -> nn.Sequential:
    return sequence(
        activation=bits.relu(),
        pool=nn.MaxPool2d(2, 1),
        blur=_blur(before),
        conv=real_convolution(before, after, 1),
        norm=nn.BatchNorm2d(after),
    )


def _blur(channels: int) -> nn.Conv2d:
    """A depthwise convolution whose weight is a buffer that is not saved."""
    layer = nn.Conv2d(channels, channels, 3, 2, 1, groups=channels, bias=False)
    line = torch.tensor([0.25, 0.5, 0.25])
    del layer.weight
    kernel = torch.outer(line, line).repeat(channels, 1, 1, 1)
    layer.register_buffer("weight", kernel, persistent=False)
    return layer
