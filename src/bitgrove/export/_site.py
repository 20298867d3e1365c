"""Where a torch operator stands in its model, as far as its conversion needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ._emitter import Emitter


@dataclass(frozen=True)
class Site:
    """An operator's name, and the shapes of its input and output, with a batch of one."""

    name: str
    before: torch.Size
    after: torch.Size

    @property
    def channels(self) -> int:
        """Of the input."""
        return self.before[1]


Converter = Callable[[Emitter, Site, Any, int], int]
"""Emits a module of one input, given that input's value; returns the value of the result."""

Converters = dict[type[nn.Module], Converter]


def sides(value: int | tuple[int, ...], axes: int) -> list[int]:
    """One number for all axes, or one for each.

    >>> sides(3, 2), sides((1, 2), 2), sides((4,), 1)
    ([3, 3], [1, 2], [4])
    """
    numbers = [value] * axes if isinstance(value, int) else [int(item) for item in value]
    return numbers * axes if len(numbers) == 1 else numbers
