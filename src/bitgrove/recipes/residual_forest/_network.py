"""The frozen backbone of the recipe, the heads that read it, and their fusion."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = (64, 96, 128)
"""Of the maps, 4, 8 and 16 pixels of the image apart."""


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(after)
    )


class Backbone(nn.Module):
    """Eight convolutions; returns the maps of three scales, before their ReLU."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = CHANNELS
        self.stem = nn.Sequential(
            _convolution(3, 32, 2), nn.ReLU(), _convolution(32, fine, 2), nn.ReLU()
        )
        self.fine = _convolution(fine, fine)
        self.middle = nn.Sequential(
            _convolution(fine, middle, 2), nn.ReLU(), _convolution(middle, middle)
        )
        self.coarse = nn.Sequential(
            _convolution(middle, coarse, 2), nn.ReLU(), _convolution(coarse, coarse), nn.ReLU(),
            _convolution(coarse, coarse),
        )  # fmt: skip
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map ``[n, 3, h, w]`` to maps of a quarter, an eighth and a sixteenth of its sides."""
        fine = self.fine(self.stem(x))
        middle = self.middle(self.relu(fine))
        return fine, middle, self.coarse(self.relu(middle))


class LinearHead(nn.Module):
    """A 1x1 convolution for each scale, summed at the finest: FCN-8s."""

    def __init__(self, classes: int, *, relu: bool) -> None:
        super().__init__()
        self.relu = relu
        self.heads = nn.ModuleList(nn.Conv2d(channels, classes, 1) for channels in CHANNELS)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits ``[n, classes, h / 4, w / 4]``."""
        return fuse([head(_active(x, self.relu)) for head, x in zip(self.heads, maps, strict=True)])


class ConvolutionHead(nn.Module):
    """Two 3x3 convolutions on the summed projections of all scales, then a 1x1."""

    def __init__(self, classes: int, *, width: int = 64) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in CHANNELS)
        self.body = nn.Sequential(
            nn.BatchNorm2d(width), nn.ReLU(),
            _convolution(width, width), nn.ReLU(), _convolution(width, width), nn.ReLU(),
            nn.Conv2d(width, classes, 1),
        )  # fmt: skip

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits ``[n, classes, h / 4, w / 4]``."""
        found = [head(F.relu(x)) for head, x in zip(self.project, maps, strict=True)]
        return self.body(fuse(found))


def fuse(maps: Sequence[Tensor]) -> Tensor:
    """The sum of maps, the coarser ones interpolated to the size of the first."""
    total = maps[0]
    for x in maps[1:]:
        total = total + F.interpolate(x, size=maps[0].shape[2:], mode="bilinear")
    return total


def _active(x: Tensor, relu: bool) -> Tensor:
    return F.relu(x) if relu else x
