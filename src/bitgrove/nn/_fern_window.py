"""Where the tests of a fern layer read, and the numbers that they find there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """The geometry of a convolution over pictures, as in :class:`torch.nn.Conv2d`."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    @property
    def taps(self) -> int:
        """Positions of the kernel."""
        return self.kernel[0] * self.kernel[1]

    def out(self, height: int, width: int) -> Pair:
        """Height and width of the result.

        Raises:
            ValueError: the window does not fit into the padded input.
        """
        sides = []
        for axis, side in enumerate((height, width)):
            reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
            padded = side + 2 * self.padding[axis]
            if padded < reach:
                raise ValueError(
                    f"the kernel reaches over {reach} pixels and does not fit into {padded}, the "
                    f"input's {side} with its padding; give larger pictures or more padding"
                )
            sides.append((padded - reach) // self.stride[axis] + 1)
        return sides[0], sides[1]

    def padded(self, x: Tensor) -> Tensor:
        """``x`` with zeros around, which take part in the tests."""
        down, across = self.padding
        return F.pad(x, (across, across, down, down)) if down or across else x

    def views(self, padded: Tensor, places: Tensor, out: Pair) -> Iterator[Tensor]:
        """What each test reads at all positions, as strided views ``(n, *out)`` of ``padded``.

        Args:
            padded: ``(n, channels, h, w)``, by :meth:`padded`.
            places: ``int64[tests]``: ``channel * taps + tap``.
            out: height and width of the result.
        """
        for place in places.tolist():
            channel, tap = divmod(place, self.taps)
            row, column = divmod(tap, self.kernel[1])
            down, across = row * self.dilation[0], column * self.dilation[1]
            yield padded[
                :,
                channel,
                down : down + (out[0] - 1) * self.stride[0] + 1 : self.stride[0],
                across : across + (out[1] - 1) * self.stride[1] + 1 : self.stride[1],
            ]

    def gather(self, padded: Tensor, places: Tensor, out: Pair) -> Tensor:
        """The tested numbers alone, ``(tests, n, positions)``: nothing is unfolded."""
        found = padded.new_empty((len(places), len(padded), *out))
        for row, view in zip(found, self.views(padded, places, out), strict=True):
            row.copy_(view)
        return found.flatten(2)

    def scatter(self, gradient: Tensor, places: Tensor, padded: Tensor, out: Pair) -> None:
        """Add the gradients of what :meth:`gather` found to those of where it came from."""
        rows = gradient.unflatten(2, out)
        for row, view in zip(rows, self.views(padded, places, out), strict=True):
            view.add_(row)

    def unpadded(self, padded: Tensor) -> Tensor:
        """The inverse of :meth:`padded`."""
        down, across = self.padding
        height, width = padded.shape[2:]
        return padded[:, :, down : height - down, across : width - across]


def draw_places(groups: int, ferns: int, depth: int, inputs: int, candidates: int) -> Tensor:
    """Draw what tests may read, without repetition inside a fern, of ``torch``'s generator.

    Args:
        groups: of the convolution; each has ferns of its own.
        ferns: of each group.
        depth: tests of each fern.
        inputs: numbers under a window of one group.
        candidates: of each test.

    Returns:
        ``int64[groups * ferns, depth, candidates]``, counted over all groups' inputs.
    """
    order = torch.rand(groups * ferns, inputs).argsort(1)[:, : depth * candidates]
    group = torch.arange(groups).repeat_interleave(ferns)[:, None]
    return (order + group * inputs).reshape(groups * ferns, depth, candidates)
