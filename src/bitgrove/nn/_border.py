"""What a border of +1 or -1 adds to a convolution that was made with a border of 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

Slab = tuple[slice, ...]


def add_border(y: Tensor, border: Tensor, slabs: Sequence[Slab]) -> Tensor:
    """``y + border`` in the place of ``y``, where ``border`` is 0 outside of the slabs.

    Only the slabs are read and written, in the backward pass too, where a sum of the two would pass
    over all of ``y`` and its gradient.

    Args:
        y: ``(n, channels, *size)``, which nobody else needs.
        border: ``(1, channels, *size)``.
        slabs: places in both, which do not overlap.
    """
    plain = type(y) is Tensor and not torch.compiler.is_compiling()
    return cast(Tensor, _AddBorder.apply(y, border, slabs)) if plain else y.add_(border)


def slabs_of(
    size: Sequence[int],
    out: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> list[Slab]:
    """The parts of an output whose windows reach over the edge of the input.

    Args:
        size: of the input, a number for each axis, as of all that follow.
        out: size of the output.
        kernel: size of the window.
        stride: distance of windows.
        padding: elements added on both sides.
        dilation: distance of a window's elements.

    >>> slabs_of([5], [5], [3], [1], [1], [1])
    [(slice(0, 1, None),), (slice(4, 5, None),)]
    """
    slabs: list[Slab] = []
    inner: list[slice] = []
    for axis, length in enumerate(out):
        reach = dilation[axis] * (kernel[axis] - 1)
        first = min(-(-padding[axis] // stride[axis]), length)
        last = (size[axis] - 1 + padding[axis] - reach) // stride[axis] + 1
        last = max(first, min(last, length))
        rest = [slice(0, n) for n in out[axis + 1 :]]
        for edge in (slice(0, first), slice(last, length)):
            if edge.start < edge.stop:
                slabs.append((*inner, edge, *rest))
        inner.append(slice(first, last))
    return slabs


class _AddBorder(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, border: Tensor, slabs: Sequence[Slab]) -> Tensor:
        ctx.mark_dirty(y)
        ctx.slabs = slabs
        for slab in slabs:
            y[:, :, *slab] += border[:, :, *slab]
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        g = gradients[0]
        of_border = None
        if ctx.needs_input_grad[1]:
            of_border = g.new_zeros((1, *g.shape[1:]))
            for slab in ctx.slabs:
                of_border[:, :, *slab] = g[:, :, *slab].sum(0, keepdim=True)
        return g, of_border, None
