"""Bi-Real networks of 18 and 34 layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..nn import BiRealBlock, Estimator
from ._parts import Bits, Real, check_at_least_one
from ._stem import Stem, make_stem


class BiRealNet(nn.Module):
    """A ResNet of binary 3x3 convolutions, each with a real shortcut of its own.

    ``real 7x7 stem -> max pooling -> stages of Bi-Real blocks -> average pooling -> real linear``;
    each stage but the first doubles the channels and halves the picture.

    Source: Liu et al., Bi-Real Net, ECCV 2018 (18 and 34 layers).

    Args:
        blocks: binary convolutions of each stage: (4, 4, 4, 4) are 18 layers, (6, 8, 12, 6) are 34.
        in_channels: channels of the pictures.
        num_classes: outputs of the head.
        width: channels of the first stage.
        stem: ``"large"``, as published: 7x7 with stride 2, and max pooling; or ``"small"``, for
            pictures of some 32 pixels: 3x3 with stride 1, without pooling.
        pad_value: border of the binary convolutions: -1, 0 (as in the authors' code) or +1.
        input_estimator: gradient of the activations' sign.
        weight_estimator: gradient of the weights' sign.
        real: make the twin of the same shape with real numbers: ``"relu"`` (or ``True``),
            ``"leaky_clip"`` or ``"clip"`` in place of the signs. The paper trains these one after
            the other, each from the one before, and the binary network from the last; every state
            dict fits the next network.

    Raises:
        ValueError: an argument is out of its range.

    What the stem leaves (a quarter of the height and width, rounded up, or with ``"small"`` all of
    it) must be a multiple of ``2 ** (len(blocks) - 1)``, or the average pooling of a shortcut and
    the convolution beside it would not agree.

    >>> import torch
    >>> net = BiRealNet((1, 1), num_classes=5, width=8, stem="small").eval()
    >>> x = torch.zeros(2, 3, 8, 8)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 16]), torch.Size([2, 5]))
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
        if not blocks or min(blocks) < 1:
            raise ValueError(f"blocks must be one number of at least 1 per stage, got {blocks}")
        twin = Bits(real=real)
        super().__init__()
        self.stem = make_stem(stem, in_channels, width)
        self.stages = nn.Sequential()
        channels = width
        for stage, count in enumerate(blocks):
            layers = nn.Sequential()
            for index in range(count):
                widens = stage > 0 and index == 0
                after = 2 * channels if widens else channels
                block = BiRealBlock(
                    channels,
                    after,
                    stride=2 if widens else 1,
                    pad_value=pad_value,
                    input_estimator=input_estimator,
                    weight_estimator=weight_estimator,
                    real=real is not False,
                )
                if real is not False:
                    block.register_module("activation", twin.activation())
                nn.init.xavier_normal_(block.conv.weight)
                layers.append(block)
                channels = after
            self.stages.append(layers)
        self.embedding_dim = channels
        self.embedding = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(channels, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``."""
        return self.embedding(self.stages(self.stem(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to logits ``(n, num_classes)``."""
        return self.head(self.embed(x))
