"""The border of +1 or -1 that is added to its slabs alone."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from bitgrove.nn import BinaryConv2d
from bitgrove.nn._border import add_border, slabs_of

GRID = itertools.product((1, 2, 5, 8), (1, 2, 3, 5), (1, 2, 3), (0, 1, 2, 4), (1, 2))


def windows(size, kernel, stride, padding, dilation):
    """Which outputs of one axis see the outside, window by window."""
    count = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    return [
        any(not 0 <= o * stride - padding + t * dilation < size for t in range(kernel))
        for o in range(count)
    ]


def test_slabs_of_one_axis_hold_every_window_that_sees_the_outside_and_no_other():
    checked = 0
    for size, kernel, stride, padding, dilation in GRID:
        outside = windows(size, kernel, stride, padding, dilation)
        if not outside:
            continue
        marks = np.zeros(len(outside), int)
        for slab in slabs_of([size], [len(outside)], [kernel], [stride], [padding], [dilation]):
            marks[slab] += 1
        assert marks.max() <= 1
        needed = np.array(outside)
        assert (marks[needed] == 1).all()
        # A gap between the elements of a window may step over the edge; nothing is lost by that.
        if dilation == 1:
            assert (marks == needed).all()
        checked += 1
    assert checked > 100


def test_slabs_of_two_axes_are_a_frame_without_overlap():
    args = ([6, 9], [6, 5], [3, 3], [1, 2], [1, 1], [1, 1])
    marks = np.zeros((6, 5), int)
    for slab in slabs_of(*args):
        marks[slab] += 1
    rows, columns = windows(6, 3, 1, 1, 1), windows(9, 3, 2, 1, 1)
    expected = np.logical_or(np.array(rows)[:, None], np.array(columns)[None])
    assert (marks == expected).all()


def test_gradients_are_those_of_a_sum():
    torch.manual_seed(0)
    slabs = slabs_of([4, 4], [4, 4], [3, 3], [1, 1], [1, 1], [1, 1])
    border = torch.zeros(1, 2, 4, 4)
    for slab in slabs:
        border[:, :, *slab] = torch.randn_like(border[:, :, *slab])
    found = []
    for added in (lambda y, b: add_border(y, b, slabs), lambda y, b: y + b):
        x = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
        b = border.clone().requires_grad_()
        y = added(x * 2, b)
        (y**2).sum().backward()
        mask = border != 0  # outside of the slabs nobody asks
        found.append((y.detach(), x.grad, b.grad * mask))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pad_value", [-1.0, 1.0])
def test_it_is_differentiable_twice(pad_value):
    torch.manual_seed(0)
    layer = BinaryConv2d(2, 3, 3, padding=1, pad_value=pad_value, input_estimator="swish",
                         weight_estimator="swish").double()  # fmt: skip
    x = torch.randn(2, 2, 5, 5, dtype=torch.double, requires_grad=True)
    seconds = []
    for padded in (False, True):
        y = layer(x)
        if padded:  # the same by a padded copy of the signs
            outside = nn.functional.pad(layer._signed_input(x), (1, 1, 1, 1), value=pad_value)
            y = nn.functional.conv2d(outside, layer._signed_weight())
        g = torch.autograd.grad((y**2).sum(), [x, layer.weight], create_graph=True)
        seconds.append(torch.autograd.grad(sum((v**2).sum() for v in g), [x, layer.weight]))
    for one, other in zip(*seconds, strict=True):
        torch.testing.assert_close(one, other)
