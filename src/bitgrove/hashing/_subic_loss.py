"""Structured binary codes: blocks in which exactly one entry is on."""

from __future__ import annotations

import math
from typing import final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..interfaces import describe
from ._batch import checked, checked_classes
from ._checks import check_not_negative, check_whole


@final
class BlockHead(nn.Module):
    """Features to ``blocks * width`` activations: a linear layer, then ReLU.

    The activations are what queries keep. :class:`SuBiCLoss` takes a softmax of each block of
    them, and :func:`block_codes` makes the code of a database: which entry of each block is the
    largest.

    Source: Jain, Zepeda, Pérez and Gribonval, "SuBiC: A supervised, structured binary code for
    image search", ICCV 2017; weights are drawn from N(0, 0.1²), as in the authors' code.

    Args:
        features: elements of a row.
        blocks: M in the source, at least 1.
        width: entries of a block, K in the source, a power of 2 from 2 on.

    Raises:
        TypeError, ValueError: an argument is out of range.

    >>> head = BlockHead(10, blocks=3, width=4)
    >>> head(torch.zeros(2, 10)).shape, head.bits
    (torch.Size([2, 12]), 6)
    """

    def __init__(self, features: int, *, blocks: int, width: int) -> None:
        super().__init__()
        check_whole(1, features=features)
        self.blocks, self.width, self.bits = blocks, width, block_bits(blocks, width)
        self.linear = nn.Linear(features, blocks * width)
        nn.init.normal_(self.linear.weight, std=0.1)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(n, features)`` to activations ``(n, blocks * width)``, 0 or more."""
        return F.relu(self.linear(x))


@final
class SuBiCLoss(nn.Module):
    """Cross-entropy of soft codes, certain row by row and varied over the batch.

    A softmax of each block makes soft codes ``b``, which a linear layer classifies::

        CE / ln(classes) + e / (M log2 K) (sum_m mean_i H(b_i^m))
                         - be / (M log2 K) (sum_m H(mean_i b_i^m))

    ``H`` is the entropy in bits. The middle term is 0 when each block has chosen and 1 when all its
    entries are equal; the last is 1 when the batch uses all entries of all blocks equally.

    Source: Jain et al., ICCV 2017, with the weights of the authors' code.

    Args:
        classes: at least 2.
        blocks: M, at least 1.
        width: K, a power of 2 from 2 on.
        entropy: e, weight of the mean entropy, 0 or more.
        batch_entropy: be, weight of the batch's, 0 or more.

    Raises:
        TypeError, ValueError: an argument, a shape or a kind of tensor does not fit.

    >>> loss = SuBiCLoss(2, blocks=1, width=2)
    >>> chosen = torch.tensor([[0.0, 999], [999, 0]])
    >>> loss.entropies(chosen)
    (tensor(0.), tensor(1.))
    """

    def __init__(
        self,
        classes: int,
        *,
        blocks: int,
        width: int,
        entropy: float = 1.0,
        batch_entropy: float = 1.0,
    ) -> None:
        super().__init__()
        check_whole(2, classes=classes)
        check_not_negative(entropy=entropy, batch_entropy=batch_entropy)
        self.classes, self.blocks, self.width = classes, blocks, width
        self.bits = block_bits(blocks, width)
        self.outputs = blocks * width
        self.entropy, self.batch_entropy = entropy, batch_entropy
        self.classifier = nn.Linear(self.outputs, classes)

    def forward(self, activations: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch: activations ``(n, blocks * width)``, labels ``int64[n]``."""
        activations = checked(activations, labels, self.outputs)
        labels = checked_classes(labels, self.classes)
        soft = self._soft(activations).flatten(1).to(self.classifier.weight.dtype)
        wrong = F.cross_entropy(self.classifier(soft), labels) / math.log(self.classes)
        each, together = self.entropies(activations)
        return wrong + self.entropy * each - self.batch_entropy * together

    def entropies(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        """Mean entropy of a row's blocks, and that of the batch's means, each 0 to 1."""
        logs = activations.unflatten(1, (self.blocks, self.width)).log_softmax(2)
        mean = logs.exp().mean(0)
        # The logarithm of no share at all would make its gradient NaN.
        mean_logs = mean.clamp_min(torch.finfo(mean.dtype).tiny).log()
        size = self.blocks * math.log(self.width)
        each = (logs.exp() * -logs).sum((1, 2)).mean() / size
        return each, (mean * -mean_logs).sum() / size

    def hits(self, activations: Tensor, labels: Tensor) -> Tensor:
        """Whether the classifier is right about the hard codes, ``bool[n]``."""
        soft = self._soft(checked(activations, labels, self.outputs))
        hard = F.one_hot(soft.argmax(2), self.width).flatten(1)
        return self.classifier(hard.to(self.classifier.weight.dtype)).argmax(1) == labels

    def _soft(self, activations: Tensor) -> Tensor:
        return activations.unflatten(1, (self.blocks, self.width)).softmax(2)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"classes={self.classes}, blocks={self.blocks}, width={self.width}, "
            f"entropy={self.entropy:g}, batch_entropy={self.batch_entropy:g}"
        )


def block_bits(blocks: int, width: int) -> int:
    """Bits of a code of ``blocks`` choices among ``width``.

    Raises:
        TypeError, ValueError: there is no block, or ``width`` is no power of 2.

    >>> block_bits(8, 256)
    64
    """
    check_whole(1, blocks=blocks)
    check_whole(2, width=width)
    if width & (width - 1):
        raise ValueError(f"width must be a power of 2, so that its bits are whole, got {width}")
    return blocks * (int(width).bit_length() - 1)


def block_codes(activations: npt.ArrayLike, *, blocks: int, width: int) -> npt.NDArray[np.uint8]:
    """Which entry of each block is the largest, as packed codes.

    Args:
        activations: ``(n, blocks * width)``; among equal entries the first counts.
        blocks: M, at least 1.
        width: K, a power of 2.

    Returns:
        ``uint8[n, ceil(blocks * log2(width) / 8)]`` in ``np.packbits`` order: the numbers of the
        entries one after the other, ``log2(width)`` bits each, the highest bit first. With 256
        entries, a byte for each block.

    Raises:
        ValueError: the shape does not fit, or NaN.

    >>> block_codes([[0.0, 9, 0, 0, 0, 0, 0, 9]], blocks=2, width=4)  # entries 1 and 3: 01 11
    array([[112]], dtype=uint8)
    """
    values = np.asarray(activations)
    if values.ndim != 2 or values.shape[1] != blocks * width:
        raise ValueError(
            f"activations of {blocks} blocks of {width} must have shape (n, {blocks * width}), "
            f"got {describe(values)}"
        )
    if np.isnan(values).any():
        raise ValueError("activations must not hold NaN: there is no largest entry")
    each = block_bits(blocks, width) // blocks
    entries = values.reshape(len(values), blocks, width).argmax(2)
    bits = entries[:, :, None] >> np.arange(each - 1, -1, -1) & 1
    return np.packbits(bits.reshape(len(values), -1).astype(np.uint8), axis=1)


def block_entries(
    codes: npt.NDArray[np.uint8], *, blocks: int, width: int
) -> npt.NDArray[np.uint8]:
    """What :func:`block_codes` packed: the number of each block's entry.

    Args:
        codes: ``uint8[n, ceil(blocks * log2(width) / 8)]``.
        blocks: M, at least 1.
        width: K, a power of 2 up to 256.

    Returns:
        ``uint8[n, blocks]``, as :class:`~bitgrove.search.BlockCodes` takes them.

    Raises:
        TypeError: codes of another type.
        ValueError: their width does not fit, or numbers from 256 on do not fit into a byte.

    >>> block_entries(np.array([[0b01110000]], np.uint8), blocks=2, width=4)
    array([[1, 3]], dtype=uint8)
    """
    bits = block_bits(blocks, width)
    if width > 256:
        raise ValueError(f"width must be at most 256, so that an entry is a byte, got {width}")
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8:
        raise TypeError(f"codes must be a uint8 array, got {describe(codes)}")
    if codes.ndim != 2 or codes.shape[1] != (bits + 7) // 8:
        raise ValueError(
            f"codes of {blocks} blocks of {width} must have shape (n, {(bits + 7) // 8}), got "
            f"{describe(codes)}"
        )
    each = bits // blocks
    rows = np.unpackbits(codes, axis=1, count=bits).reshape(len(codes), blocks, each)
    return np.packbits(rows, axis=2)[:, :, 0] >> np.uint8(8 - each)
