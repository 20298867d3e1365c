"""Structured codes of blocks, over features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import numpy.typing as npt
from torch import nn

from ..search import BlockCodes
from ._encoder import Features
from ._head_training import Optimizer
from ._subic_loss import BlockHead, SuBiCLoss, block_bits, block_codes, block_entries
from ._torch_encoder import TorchEncoder


@final
class SuBiC(TorchEncoder):
    """Codes that choose one of ``width`` entries in each of their blocks.

    A small network over features, trained with :class:`SuBiCLoss`. A code holds the numbers of the
    entries, ``log2(width)`` bits each, so Hamming distances of codes mean little: compare real
    queries, :meth:`decision_function`, with codes by looking up and adding, per block, the query's
    number at the code's entry; more is nearer. :meth:`index` does that.

    Source: Jain, Zepeda, Pérez and Gribonval, "SuBiC: A supervised, structured binary code for
    image search", ICCV 2017: 64 bits are 8 blocks of 256. There Adam's rate is 1e-4 and a batch has
    200 rows; training here is that of the other methods over features.

    Args:
        bits: length of a code, a multiple of ``log2(width)``: that many blocks, M in the source.
        hidden: sizes of hidden layers with ReLU; none for a linear layer.
        width: entries of a block, a power of 2, K in the source.
        entropy: of the loss.
        batch_entropy: of the loss.
        epochs: passes over the rows, at least 1.
        batch_size: rows a step, at least 2.
        lr: learning rate at the start; it falls linearly to 0.
        weight_decay: 0 or more.
        optimizer: ``"adam"`` (its decay decoupled) or ``"sgd"`` with momentum 0.9.
        random_state: of weights and batches.

    Attributes:
        blocks_: how many blocks a code has.
        classes_: the labels, sorted.
        loss_curve_: mean loss of every epoch.

    >>> X, y = np.array([[0.0, 0], [0, 1], [8, 8], [9, 8]]), [0, 0, 1, 1]
    >>> encoder = SuBiC(bits=12, width=8, hidden=(8,), batch_size=4).fit(X, y)
    >>> encoder.decision_function(X).shape, encoder.encode(X).shape, encoder.blocks_
    ((4, 32), (4, 2), 4)
    >>> queries = encoder.decision_function(X[:1]).astype(np.float32)
    >>> encoder.index(encoder.encode(X)).search(queries, k=2).ids
    array([[0, 1]])
    """

    def __init__(
        self,
        bits: int = 64,
        *,
        hidden: Sequence[int] = (256,),
        width: int = 256,
        entropy: float = 1.0,
        batch_entropy: float = 1.0,
        epochs: int = 30,
        batch_size: int = 128,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        optimizer: Optimizer = "adam",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        super().__init__(
            bits, hidden, epochs, batch_size, lr, weight_decay, optimizer, random_state
        )
        self.width = width
        self.entropy = entropy
        self.batch_entropy = batch_entropy

    def _make_loss(self, classes: int, seed: int) -> nn.Module:
        return SuBiCLoss(
            classes,
            blocks=self.blocks_,
            width=self.width,
            entropy=self.entropy,
            batch_entropy=self.batch_entropy,
        )

    def _make_head(self, features: int) -> list[nn.Module]:
        return [BlockHead(features, blocks=self.blocks_, width=self.width)]

    def _begin(self) -> None:
        each = block_bits(1, self.width)
        if self.bits % each:
            raise ValueError(
                f"bits must be a multiple of log2(width), {each} bits a block, got {self.bits}; "
                "choose another width"
            )
        self.blocks_ = self.bits // each

    def _project(self, rows: npt.NDArray[np.float64]) -> Features:
        return np.maximum(super()._project(rows), 0)

    def decision_function(self, X: npt.ArrayLike) -> Features:
        """What a real query is compared by, ``(n, blocks_ * width)``, numbers of at least 0.

        They are not signs of bits: the code has the entry of the largest number in each block.

        Raises:
            ValueError: NaN or infinite features, or another number of them than in ``fit``.
        """
        return super().decision_function(X)

    def encode(self, X: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """The codes, ``uint8[n, ceil(bits / 8)]``: see :func:`block_codes`."""
        return block_codes(self.decision_function(X), blocks=self.blocks_, width=self.width)

    def index(self, codes: npt.NDArray[np.uint8]) -> BlockCodes:
        """The index that ranks these codes for queries, ``float32`` of :meth:`decision_function`.

        Args:
            codes: of :meth:`encode`; their ids are their numbers.

        Raises:
            TypeError: codes of another type.
            ValueError: their width does not fit, or ``width`` is above 256.
        """
        found = BlockCodes(self.blocks_, self.width)
        found.add(block_entries(codes, blocks=self.blocks_, width=self.width))
        return found
