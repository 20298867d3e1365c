"""The first layers of a residual network."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from ._parts import real_convolution, sequence

Stem = Literal["large", "small"]


def make_stem(
    kind: Stem, in_channels: int, width: int, activation: nn.Module | None = None
) -> nn.Sequential:
    """``real convolution -> batch norm (-> activation) (-> max pooling)``.

    Args:
        kind: ``"large"``: 7x7 with stride 2, and 3x3 pooling with stride 2; ``"small"``: 3x3 with
            stride 1, without pooling.
        in_channels: channels of the pictures.
        width: channels of the output.
        activation: none in Bi-Real networks.

    Raises:
        ValueError: ``kind`` is neither.
    """
    if kind not in get_args(Stem):
        names = ", ".join(map(repr, get_args(Stem)))
        raise ValueError(f"stem must be one of {names}, got {kind!r}")
    kernel, stride, padding = (7, 2, 3) if kind == "large" else (3, 1, 1)
    return sequence(
        conv=real_convolution(in_channels, width, kernel, stride=stride, padding=padding),
        norm=nn.BatchNorm2d(width),
        activation=activation,
        pool=nn.MaxPool2d(3, 2, 1) if kind == "large" else None,
    )
