"""Batches from images in memory: shuffled, shifted, flipped and standardised by tensor operations.

Worker processes would cost more than they bring: for small images the work of a batch is one
gather, one multiplication and one addition.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ..data import ImageData
from ..runtime import Preprocessing


class Batches:
    """Iterates over one epoch of ``(float32[b, c, h, w], int64[b])``.

    Without shuffling the images come in order and unchanged. With it, the order, shifts and flips
    depend on ``seed`` and :attr:`epoch` alone. An epoch is cut into the fewest batches of at most
    ``batch_size`` images, all of one size up to one image, so that none is left with a single
    image that batch normalisation could not use.

    Args:
        data: at least one image.
        preprocessing: its mean and std standardise the pixels; its size must be that of the data.
        batch_size: images, at least 1.
        shuffle: whether this is for training.
        seed: 0 or more.
        shift: largest shift in pixels down and up, right and left, as ``(y, x)``.
        flip: mirror images at random, left to right, with probability one half.
        device: where the batches are wanted. All images are put there if it is the CPU or has room
            four times over, else batch by batch.

    Raises:
        ValueError: there is no image, or the preprocessing makes images of another shape.

    >>> from bitgrove import data
    >>> digits = data.load("digits")
    >>> batches = Batches(digits, digits.preprocessing(), batch_size=1000)
    >>> [tuple(x.shape) for x, y in batches]
    [(898, 1, 8, 8), (899, 1, 8, 8)]
    """

    epoch: int = 0
    """Number of the epoch that the next iteration runs through; set it before each."""

    def __init__(
        self,
        data: ImageData,
        preprocessing: Preprocessing,
        *,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        shift: tuple[int, int] = (0, 0),
        flip: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        expected = (preprocessing.height, preprocessing.width, preprocessing.channels)
        if not len(data):
            raise ValueError("data must hold at least one image")
        if data.images.shape[1:] != expected:
            raise ValueError(
                f"the preprocessing makes images of shape {expected}, the data have "
                f"{data.images.shape[1:]}"
            )
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if not shuffle and (flip or shift != (0, 0)):
            raise ValueError("shift and flip are for training; pass shuffle=True with them")
        self._device = torch.device(device)
        home = self._device if _has_room(self._device, data.images.nbytes) else "cpu"
        self._images = _tensor(data.images).to(home)
        self._labels = _tensor(data.labels).to(home)
        scale, offset = preprocessing.affine()
        self._scale = torch.from_numpy(scale).to(self._device)
        self._offset = torch.from_numpy(offset).to(self._device)
        self._bounds = (
            np.linspace(0, len(data), -(-len(data) // batch_size) + 1).round().astype(int)
        )
        self._shuffle, self._seed, self._shift, self._flip = shuffle, seed, shift, flip

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return len(self._bounds) - 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch."""
        plan = self._plan(self.epoch) if self._shuffle else None
        for start, end in zip(self._bounds[:-1], self._bounds[1:], strict=True):
            if plan is None:
                pixels, labels = self._images[start:end], self._labels[start:end]
            else:
                rows, ys, xs = (part[start:end] for part in plan)
                pixels, labels = self._gather(rows, ys, xs), self._labels[rows]
            yield self._standardise(pixels), labels.to(self._device)

    def _plan(self, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Order of the images, and for each the source row and column of every target pixel."""
        n, height, width, _ = self._images.shape
        random = np.random.default_rng((self._seed, epoch))
        order = random.permutation(n)
        down = random.integers(-self._shift[0], self._shift[0] + 1, (n, 1))
        right = random.integers(-self._shift[1], self._shift[1] + 1, (n, 1))
        mirrored = random.random((n, 1)) < (0.5 if self._flip else 0.0)
        columns = np.where(mirrored, np.arange(width)[::-1], np.arange(width))
        ys = np.clip(np.arange(height) - down, 0, height - 1)
        xs = np.clip(columns - right, 0, width - 1)
        home = self._images.device
        return tuple(torch.from_numpy(part).to(home) for part in (order, ys, xs))  # pyright: ignore[reportReturnType]

    def _gather(self, rows: Tensor, ys: Tensor, xs: Tensor) -> Tensor:
        if self._shift == (0, 0) and not self._flip:
            return self._images[rows]
        _, height, width, channels = self._images.shape
        flat = (rows[:, None] * height + ys)[:, :, None] * width + xs[:, None, :]
        picked = self._images.view(-1, channels).index_select(0, flat.view(-1))
        return picked.view(len(rows), height, width, channels)

    def _standardise(self, pixels: Tensor) -> Tensor:
        """The same two roundings as ``Preprocessing.normalise``, so the same bits.

        The result is laid out channels last, as the pixels are; torch's CPU layers are faster so.
        """
        values = pixels.to(self._device).float().mul_(self._scale).add_(self._offset)
        return values.permute(0, 3, 1, 2)


def _tensor(array: np.ndarray) -> Tensor:
    """A view where torch allows it: read-only and reversed arrays are copied."""
    usable = array.flags.writeable and array.flags.c_contiguous
    return torch.from_numpy(array if usable else array.copy())


def _has_room(device: torch.device, needed: int) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return 4 * needed <= free
