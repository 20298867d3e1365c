"""Full pictures from interlaced parts."""

from __future__ import annotations

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn


@final
class Stitch2d(nn.Module):
    """Interlaces ``factor²`` small pictures into one: a generator makes easier parts.

    Part ``factor * i + j`` gives the pixels ``[i::factor, j::factor]``, as torch's ``PixelShuffle``
    does, so ``pixel_unshuffle`` takes a picture apart again.

    Source: Wang et al., "Semi-supervised mp-MRI data synthesis with StitchLayer and auxiliary
    distance maximization", Medical Image Analysis 2020, which describes it in words.

    Args:
        factor: parts along each side, at least 1.

    Raises:
        ValueError: a factor below 1.

    >>> import torch
    >>> Stitch2d(2)(torch.arange(4.0).reshape(1, 4, 1, 1))
    tensor([[[[0., 1.],
              [2., 3.]]]])
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        if factor < 1:
            raise ValueError(f"factor must be at least 1, got {factor}")
        self.factor = factor

    def forward(self, parts: Tensor) -> Tensor:
        """Map ``[n, c * factor², h, w]`` to ``[n, c, h * factor, w * factor]``.

        Raises:
            ValueError: channels that ``factor²`` does not divide.
        """
        if parts.ndim != 4 or parts.shape[1] % self.factor**2:
            raise ValueError(
                f"parts must have shape (n, c * {self.factor**2}, h, w), got {tuple(parts.shape)}"
            )
        return F.pixel_shuffle(parts, self.factor)

    def extra_repr(self) -> str:
        """The factor."""
        return str(self.factor)
