"""From a miner to a data loader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import final

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.utils.data import Sampler

from ._miner import Miner

Embed = Callable[[], npt.NDArray[np.float32]]


@final
class TripletSampler(Sampler[int]):
    """Image numbers in threes: an anchor, its positive, its negative.

    For a ``DataLoader`` whose ``batch_size`` is a multiple of three; :func:`split_triplets` takes
    the embeddings of such a batch apart. The miner is asked when the loader takes the first number
    of an epoch. Lightning sets the epoch; another loop does so by :meth:`set_epoch`.

    Args:
        miner: makes the triplets of each epoch.
        embed: gives the embeddings of all training images, ``float32[n, dim]``, in the order of the
            miner's labels; called once in each epoch that needs them.

    Attributes:
        seconds: what choosing the triplets of the last epoch took, embeddings included.

    >>> from bitgrove.mining import RandomMiner
    >>> sampler = TripletSampler(RandomMiner([0, 0, 1]), lambda: np.zeros((3, 2), np.float32))
    >>> list(sampler)
    [0, 1, 2, 1, 0, 2]
    """

    def __init__(self, miner: Miner, embed: Embed) -> None:
        self._miner, self._embed, self._epoch = miner, embed, 0
        self.seconds = 0.0

    def set_epoch(self, epoch: int) -> None:
        """Number of the epoch that the next iteration runs through, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return 3 * self._miner.per_epoch

    def __iter__(self) -> Iterator[int]:
        """One epoch."""
        started = time.perf_counter()
        needed = self._miner.needs_embeddings(self._epoch)
        triplets = self._miner.mine(self._embed() if needed else None, self._epoch)
        self.seconds = time.perf_counter() - started
        yield from np.stack(triplets[:3], axis=1).ravel().tolist()


def split_triplets(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Anchors, positives and negatives of a batch that a :class:`TripletSampler` chose.

    Raises:
        ValueError: the number of rows is no multiple of three.

    >>> import torch
    >>> split_triplets(torch.arange(6))
    (tensor([0, 3]), tensor([1, 4]), tensor([2, 5]))
    """
    if len(rows) % 3:
        raise ValueError(
            f"a batch of triplets has 3, 6, 9 ... rows, got {len(rows)}; choose a batch_size that "
            "is a multiple of three"
        )
    return rows[0::3], rows[1::3], rows[2::3]
