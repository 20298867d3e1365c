"""A network that describes sketches and photographs alike."""

from __future__ import annotations

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from ._checks import check_whole
from ._sketch_loss import Described


@final
class SketchNetwork(nn.Module):
    """Pictures of lines to an embedding of length 1 and logits of attributes.

    One network for both sides (its streams share their weights): sketches, and the edges of
    photographs. Five convolutions, the first with a large kernel, as lines are thin and far apart;
    poolings of 3x3 with stride 2; a hidden layer; from it embedding and attributes.

    Source: the outline of Sketch-a-Net (Yu et al., BMVC 2015) in the base network of "Sketch Me
    That Shoe", CVPR 2016, made smaller: a kernel of 7 where theirs, for 225 pixels, has 15; batch
    norms; averages over what is left of the picture.

    Args:
        attributes: how many, at least 1.
        embedding: numbers of an embedding, at least 1.
        width: channels of the first convolution, at least 1.
        grid: cells per side that are averaged, at least 1; more keep more of where lines are.

    Pictures may have any size; below ``8 * grid`` pixels a side, cells of the grid repeat.

    >>> import torch
    >>> said = SketchNetwork(5, embedding=16, width=4)(torch.zeros(2, 1, 48, 64))
    >>> said.embedding.shape, said.attributes.shape
    (torch.Size([2, 16]), torch.Size([2, 5]))
    """

    def __init__(
        self, attributes: int, *, embedding: int = 64, width: int = 16, grid: int = 4
    ) -> None:
        super().__init__()
        check_whole(1, attributes=attributes, embedding=embedding, width=width, grid=grid)
        self.features = nn.Sequential(
            *_convolution(1, width, 7, stride=2),
            nn.MaxPool2d(3, 2, 1),
            *_convolution(width, 2 * width, 5),
            nn.MaxPool2d(3, 2, 1),
            *_convolution(2 * width, 4 * width, 3),
            *_convolution(4 * width, 4 * width, 3),
            *_convolution(4 * width, 4 * width, 3),
            nn.AdaptiveAvgPool2d(grid),
            nn.Flatten(),
            nn.Linear(4 * width * grid * grid, 2 * embedding),
            nn.ReLU(),
        )
        self.embedding = nn.Linear(2 * embedding, embedding)
        self.attributes = nn.Linear(2 * embedding, attributes)

    def forward(self, x: Tensor) -> Described:
        """Describe pictures ``(n, 1, h, w)``."""
        features = self.features(x)
        return Described(F.normalize(self.embedding(features)), self.attributes(features))


def _convolution(before: int, after: int, kernel: int, *, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    ]
