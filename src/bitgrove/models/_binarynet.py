"""BinaryNet, in the two forms that were published under this name."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from torch import Tensor, nn

from ..nn import Estimator
from ._parts import Bits, Real, Size, check_at_least_one, pair, sequence, without_scale

Variant = Literal["bop", "bnn"]


class BinaryNet(nn.Module):
    """Six binary 3x3 convolutions and three binary linear layers, each ``-> batch norm -> sign``.

    ``128C3 - 128C3 - MP2 - 256C3 - 256C3 - MP2 - 512C3 - 512C3 - MP2 - 1024FC - 1024FC - 10FC``,
    with max pooling between a convolution and its batch norm. All weights are binary, those of the
    first layer (whose input is real) and of the last one too, and a batch norm follows the last
    layer. Two networks go by the name:

    ================  ====================================  ===========================
    variant           ``"bop"``                             ``"bnn"``
    ================  ====================================  ===========================
    first layer       without padding: 32, 30, 15, 7, 3     padded: 32, 16, 8, 4
    batch norm        bias only; eps 1e-3, momentum 0.01    affine; eps 1e-4, momentum 0.1
    binary weights    10.35 million                         14.02 million
    ================  ====================================  ===========================

    Sources: Helwegen et al., Latent Weights Do Not Exist, NeurIPS 2019 (``"bop"``); Hubara et al.,
    Binarized Neural Networks, NeurIPS 2016, the Theano network for CIFAR-10 (``"bnn"``).
    Differences: BNN's biases are left out, because the batch norm behind each of them takes them
    away again.

    Args:
        in_channels: channels of the pictures.
        num_classes: outputs.
        variant: ``"bop"`` or ``"bnn"``, as above.
        image_size: one number, or (height, width), of the pictures: at least 10 for ``"bop"`` and
            8 for ``"bnn"``.
        width: channels of the first convolution, 128 as published; all layers scale with it.
        pad_value: border of the convolutions: -1, 0 (as published) or +1.
        input_estimator: gradient of the activations' sign.
        weight_estimator: gradient of the weights' sign. ``"identity"`` suits ``Bop``, whose weights
            are signs, and latent weights that are clipped after each step, as BNN's are.
        real: make the twin of the same shape with real numbers: ``"relu"`` (or ``True``),
            ``"leaky_clip"`` or ``"clip"`` in place of the signs, and ordinary layers without bias.
            Its state dict fits the binary network.

    Raises:
        ValueError: an argument is out of its range, or the pictures are too small.

    >>> import torch
    >>> net = BinaryNet(width=8, image_size=16).eval()
    >>> x = torch.zeros(2, 3, 16, 16)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 64]), torch.Size([2, 10]))
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 10,
        *,
        variant: Variant = "bop",
        image_size: Size = 32,
        width: int = 128,
        pad_value: float = 0.0,
        input_estimator: str | Estimator | None = "clipped",
        weight_estimator: str | Estimator | None = "identity",
        real: Real = False,
    ) -> None:
        check_at_least_one(in_channels=in_channels, num_classes=num_classes, width=width)
        if variant not in get_args(Variant):
            raise ValueError(f"variant must be 'bop' or 'bnn', got {variant!r}")
        size = pair("image_size", image_size)
        lost = 2 if variant == "bop" else 0
        if min(size) < 8 + lost:
            raise ValueError(
                f"image_size must be at least {8 + lost} for variant {variant!r}, so that three "
                f"halvings leave a pixel, got {image_size}; enlarge the pictures"
                + (" or use variant='bnn', which takes 8" if lost else "")
            )
        super().__init__()
        bits = Bits(
            real=real,
            pad_value=pad_value,
            input_estimator=input_estimator,
            weight_estimator=weight_estimator,
        )

        def layer(
            before: int, after: int, *, first: bool = False, pool: bool = False
        ) -> nn.Sequential:
            own = replace(bits, input_estimator=None) if first else bits
            padding = 0 if first and variant == "bop" else 1
            return sequence(
                activation=None if first else bits.activation(),
                conv=own.convolution(before, after, 3, padding=padding),
                pool=nn.MaxPool2d(2) if pool else None,
                norm=_norm(nn.BatchNorm2d, after, variant),
            )

        def dense(before: int, after: int) -> nn.Sequential:
            return sequence(
                activation=bits.activation(),
                linear=bits.linear(before, after),
                norm=_norm(nn.BatchNorm1d, after, variant),
            )

        self.convolutions = nn.Sequential(
            layer(in_channels, width, first=True),
            layer(width, width, pool=True),
            layer(width, 2 * width),
            layer(2 * width, 2 * width, pool=True),
            layer(2 * width, 4 * width),
            layer(4 * width, 4 * width, pool=True),
        )
        pixels = ((size[0] - lost) // 8) * ((size[1] - lost) // 8)
        self.embedding_dim = 8 * width
        self.flatten = nn.Flatten()
        self.hidden = nn.Sequential(
            dense(4 * width * pixels, 8 * width), dense(8 * width, self.embedding_dim)
        )
        self.head = dense(self.embedding_dim, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``.

        They are real; the head reads their signs.
        """
        return self.hidden(self.flatten(self.convolutions(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to logits ``(n, num_classes)``."""
        return self.head(self.embed(x))


def _norm(
    kind: type[nn.BatchNorm1d] | type[nn.BatchNorm2d], channels: int, variant: Variant
) -> nn.Module:
    if variant == "bnn":
        return kind(channels, eps=1e-4, momentum=0.1)
    return without_scale(kind(channels, eps=1e-3, momentum=0.01))
