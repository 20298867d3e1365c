"""The head in which every bit has features of its own."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from ._checks import check_whole


@final
class DivideAndEncode(nn.Module):
    """One linear unit for each bit, over a slice of the features that no other bit sees.

    Features are cut into ``bits`` slices of equal length, in order. The outputs are what the
    source's sigmoids are taken of; :class:`TripletHashLoss` takes them.

    Source: Lai, Pan, Liu and Yan, CVPR 2015, sec. 3.2, with slices of 50 features.

    Args:
        features: elements of a row, a multiple of ``bits``.
        bits: length of a code, at least 1.

    Raises:
        TypeError, ValueError: features cannot be divided so.

    >>> head = DivideAndEncode(6, 3)
    >>> head(torch.zeros(4, 6)).shape, head.linear().weight.shape
    (torch.Size([4, 3]), torch.Size([3, 6]))
    """

    def __init__(self, features: int, bits: int) -> None:
        super().__init__()
        check_whole(1, features=features, bits=bits)
        if features % bits:
            raise ValueError(
                f"features must be a multiple of bits to be divided, got {features} features for "
                f"{bits} bits; put a linear layer of a multiple before it"
            )
        self.features, self.bits = features, bits
        bound = 1 / math.sqrt(features // bits)  # as nn.Linear of a slice
        self.weight = nn.Parameter(torch.empty(bits, features // bits).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(bits).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(n, features)`` to real codes ``(n, bits)``."""
        return (x.unflatten(1, self.weight.shape) * self.weight).sum(2) + self.bias

    def linear(self) -> nn.Linear:
        """The same as a linear layer, with zeros where a bit does not look: it can be packed."""
        layer = nn.Linear(1, 1, device="meta")  # draws no random numbers
        layer.in_features, layer.out_features = self.features, self.bits
        layer.weight = nn.Parameter(torch.block_diag(*self.weight.detach()))
        layer.bias = nn.Parameter(self.bias.detach().clone())
        return layer

    def extra_repr(self) -> str:
        """The sizes."""
        return f"features={self.features}, bits={self.bits}"
