"""Depth from one picture with a Bi-Real network of 50 layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..nn import Estimator
from ._bireal_bottleneck import bottleneck_stages, run_stage
from ._parts import Bits, Real, check_at_least_one, real_convolution, sequence


class BiRealDepthNet(nn.Module):
    """A two-stream Bi-Real network with a binary decoder: one depth at every second pixel.

    The encoder is that of :class:`bitgrove.models.BiRealBottleneckNet`. The decoder doubles the
    picture stage by stage; a step is ::

        y = BN(3x3(sign(up(x)))) + up(BN(real 1x1(x))) + what the encoder had at this size

    where ``up`` repeats every pixel in both directions, and a real 3x3 convolution with bias at the
    end makes the depth. Nothing bounds it: it may stand for a depth or for its logarithm.

    Source: Liu et al., Bi-Real Net, IJCV 2020, estimate depth with 50 layers. Differences: **the
    decoder is our design**; the authors' has not been published in a form that we could follow.

    Args:
        in_channels: channels of the pictures.
        blocks: bottlenecks of each stage of the encoder.
        width: of the stem and of the first stage's middle.
        pad_value: border of the binary convolutions: -1, 0 (as in the authors' code) or +1.
        input_estimator: gradient of the activations' sign.
        weight_estimator: gradient of the weights' sign.
        real: make the twin of the same shape with real numbers: ``"relu"`` (or ``True``),
            ``"leaky_clip"`` or ``"clip"`` in place of the signs. Its state dict fits.

    Raises:
        ValueError: an argument is out of its range.

    The height and width of the pictures must be multiples of ``4 * 2 ** (len(blocks) - 1)``, which
    is 32 for 50 layers.

    >>> import torch
    >>> net = BiRealDepthNet(blocks=(1, 1), width=4).eval()
    >>> x = torch.zeros(2, 3, 16, 24)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 32]), torch.Size([2, 1, 8, 12]))
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        blocks: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        pad_value: float = 0.0,
        input_estimator: str | Estimator | None = "approx",
        weight_estimator: str | Estimator | None = "magnitude_aware",
        real: Real = False,
    ) -> None:
        check_at_least_one(in_channels=in_channels, width=width)
        bits = Bits(
            real=real,
            pad_value=pad_value,
            input_estimator=input_estimator,
            weight_estimator=weight_estimator,
        )
        super().__init__()
        self.stem = sequence(
            conv=real_convolution(in_channels, width, 7, stride=2, padding=3),
            norm=nn.BatchNorm2d(width),
        )
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stages = bottleneck_stages(bits, blocks, width)
        trunks = [4 * width * 2**stage for stage in range(len(blocks))]
        self.decoder = nn.ModuleList()
        channels = trunks[-1]
        for after in [*reversed(trunks[:-1]), width]:
            self.decoder.append(_Rise(bits, channels, after))
            channels = after
        self.head = nn.Conv2d(width, 1, 3, padding=1)
        self.embedding_dim = trunks[-1]
        self.embedding = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``.

        They are the average of the encoder's result; the depth is made of more than that.
        """
        return self.embedding(self._encode(x)[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to depths ``(n, 1, h / 2, w / 2)``."""
        *skips, y = self._encode(x)
        for rise in self.decoder:
            y = rise(y) + skips.pop()
        return self.head(y)

    def _encode(self, x: Tensor) -> list[Tensor]:
        """What the stem and the stages leave, from the largest picture to the smallest."""
        found = [self.stem(x)]
        middle = trunk = self.pool(found[0])
        for stage in self.stages:
            middle, trunk = run_stage(stage, middle, trunk)
            found.append(trunk)
        return found


class _Rise(nn.Module):
    """One step of the decoder, without the encoder's part.

    The shortcut's 1x1 convolution comes before the pixels are repeated: the result is the same at a
    quarter of the work.
    """

    def __init__(self, bits: Bits, before: int, after: int) -> None:
        super().__init__()
        self.body = sequence(
            up=nn.Upsample(scale_factor=2, mode="nearest"),
            activation=bits.activation(),
            conv=bits.convolution(before, after, 3, padding=1),
            norm=nn.BatchNorm2d(after),
        )
        self.shortcut = sequence(
            conv=real_convolution(before, after, 1),
            norm=nn.BatchNorm2d(after),
            up=nn.Upsample(scale_factor=2, mode="nearest"),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, before, h, w)`` to ``(n, after, 2 h, 2 w)``."""
        return self.body(x) + self.shortcut(x)
