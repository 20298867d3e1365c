"""The network of the recipe, and what it sees."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...data import ImageData

SIDE = 28
"""Pixels of a shrunk image."""
DIMENSIONS = 64
"""Of an embedding, as in the paper."""


def ink(data: ImageData) -> Tensor:
    """How dark each pixel of the shrunk images is, ``float32[n, 1, 28, 28]`` in 0 to 1."""
    dark = 1 - torch.from_numpy(data.images).permute(0, 3, 1, 2).float() / 255
    return F.adaptive_avg_pool2d(dark, SIDE)


def embedder() -> nn.Module:
    """Four convolutions of stride 2, then a linear layer: 28x28 pixels to 64 numbers."""
    layers: list[nn.Module] = []
    before = 1
    for width in (32, 64, 64, 64):
        layers += [
            nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        before = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * before, DIMENSIONS))
