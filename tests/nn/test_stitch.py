"""Interlaced parts: the definition, and the way back."""

import pytest
import torch
import torch.nn.functional as F

from bitgrove.nn import Stitch2d


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_parts_are_interlaced(factor):
    parts = torch.randn(2, 5 * factor**2, 4, 6)
    full = Stitch2d(factor)(parts)
    for i in range(factor):
        for j in range(factor):
            own = parts.reshape(2, 5, factor**2, 4, 6)[:, :, factor * i + j]
            torch.testing.assert_close(full[:, :, i::factor, j::factor], own, rtol=0, atol=0)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_unshuffling_takes_the_picture_apart(factor):
    stitch = Stitch2d(factor)
    parts = torch.randn(3, 2 * factor**2, 5, 3)
    assert torch.equal(F.pixel_unshuffle(stitch(parts), factor), parts)
    picture = torch.randn(3, 2, 8, 4)
    assert torch.equal(stitch(F.pixel_unshuffle(picture, factor)), picture)


def test_what_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="factor must be at least 1"):
        Stitch2d(0)
    with pytest.raises(ValueError, match=r"parts must have shape \(n, c \* 4, h, w\)"):
        Stitch2d(2)(torch.zeros(1, 6, 2, 2))
