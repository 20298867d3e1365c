"""The network of the fern paper, and its two rivals of the same shape."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from ..nn import BinaryConv2d, FernConv2d
from ._parts import Bits, Real, check_at_least_one, real_convolution, sequence

Layers = Literal["fern", "xnor"]


class FernNet(nn.Module):
    """Three convolutions with strides of 2, each with a batch norm, then means and a linear layer.

    ``64C5/2 - 64C3/2 - 64C3/2 - mean over the picture - classes``, padded to half the kernel. In
    each of three forms:

    ============  ================================================================================
    layers        what stands for a convolution
    ============  ================================================================================
    ``"fern"``    :class:`bitgrove.nn.FernConv2d`, nothing between the batch norm and the next
                  ferns' comparisons
    ``"xnor"``    the first real, the others :class:`bitgrove.nn.BinaryConv2d` of the batch norm's
                  sign with XNOR-Net's alpha; a ReLU before the means
    ``real=``     real convolutions without bias, a ReLU behind each batch norm
    ============  ================================================================================

    Source: Blendowski and Heinrich, Learning to map between ferns with differentiable binary
    embedding networks, MIDL 2020, whose slides give kernels, strides, widths and batch norms, about
    80,000 parameters for the float network (ours has 79,042 with two classes) and 40,000 for the
    ferns (ours 37,522 with 12 ferns of depth 4, which the slides do not say; 12 and 4 fit the
    published counts). Ours too: padding, the ReLUs of the rivals, the real first layer of the XNOR
    form, and that the last layer is real in all three.

    Args:
        in_channels: channels of the pictures.
        num_classes: outputs.
        layers: ``"fern"`` or ``"xnor"``.
        width: channels, 64 as published.
        ferns: of each fern layer.
        depth: of each fern, 1 to 8.
        gradient: how the tests of the ferns learn, see :class:`bitgrove.nn.FernConv2d`.
        tests: ``"random"`` or ``"learned"``.
        anneal: batches of training until the ferns compute what they do in evaluation, or None.
        real: make the float rival: ``"relu"`` (or ``True``), ``"leaky_clip"`` or ``"clip"`` as its
            activation. Its parameters are others than those of the ferns.

    Raises:
        ValueError: an argument is out of its range, or two arguments contradict each other.

    >>> import torch
    >>> net = FernNet(width=8).eval()
    >>> x = torch.zeros(2, 3, 32, 32)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 8]), torch.Size([2, 2]))
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        layers: Layers = "fern",
        width: int = 64,
        ferns: int = 12,
        depth: int = 4,
        gradient: Literal["tanh", "ste", "hinge", "efd", "soft"] = "efd",
        tests: Literal["random", "learned"] = "random",
        anneal: int | None = None,
        real: Real = False,
    ) -> None:
        check_at_least_one(in_channels=in_channels, num_classes=num_classes, width=width)
        if layers not in get_args(Layers):
            raise ValueError(f"layers must be 'fern' or 'xnor', got {layers!r}")
        bits = Bits(real=real, scale="channel")
        super().__init__()

        def layer(
            before: int, kernel: int, *, first: bool = False, last: bool = False
        ) -> nn.Module:
            padding = kernel // 2
            conv: FernConv2d | BinaryConv2d | nn.Conv2d
            if real is False and layers == "fern":
                conv = FernConv2d(
                    before,
                    width,
                    kernel,
                    stride=2,
                    padding=padding,
                    ferns=ferns,
                    depth=depth,
                    gradient=gradient,
                    tests=tests,
                    anneal=anneal,
                )
                return sequence(conv=conv, norm=nn.BatchNorm2d(width))
            if first:
                conv = real_convolution(before, width, kernel, stride=2, padding=padding)
            else:
                conv = bits.convolution(before, width, kernel, stride=2, padding=padding)
            activation = bits.relu() if real is not False or last else None
            return sequence(conv=conv, norm=nn.BatchNorm2d(width), activation=activation)

        self.layers = nn.Sequential(
            layer(in_channels, 5, first=True), layer(width, 3), layer(width, 3, last=True)
        )
        self.embedding_dim = width
        self.pool = sequence(mean=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten())
        self.head = nn.Linear(width, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``."""
        return self.pool(self.layers(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to logits ``(n, num_classes)``."""
        return self.head(self.embed(x))
