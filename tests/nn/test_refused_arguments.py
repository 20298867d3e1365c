"""Habits from torch that the layers and blocks do not share are refused by name."""

import copy
import pickle
from inspect import signature

import pytest
import torch

from bitgrove import nn as bnn
from bitgrove.nn._binarize_graph import LayerTracer


class Decomposing(LayerTracer):
    def is_leaf_module(self, m, module_qualified_name):
        whole = not isinstance(m, bnn.BiRealBlock)
        return whole and super().is_leaf_module(m, module_qualified_name)


@pytest.mark.parametrize("kind", [bnn.BinaryConv1d, bnn.BinaryConv2d, bnn.BinaryConv3d])
def test_a_convolution_says_its_own_name_and_what_it_takes(kind):
    name = kind.__name__
    with pytest.raises(TypeError, match=f"^{name} takes .* such as stride=2.*; got 4 by position"):
        kind(4, 3, 3, 1)
    with pytest.raises(TypeError, match=f"^{name} has no bias; leave it out"):
        kind(4, 3, 3, bias=False)
    with pytest.raises(TypeError, match=f"^{name} has no 'device'; it takes in_channels, .*groups"):
        kind(4, 3, kernel_size=3, device="cpu")
    assert list(signature(kind).parameters)[:4] == [
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
    ]
    layer = pickle.loads(pickle.dumps(copy.deepcopy(kind(4, out_channels=3, kernel_size=3))))
    assert layer.weight.shape[:2] == (3, 4)


@pytest.mark.parametrize("real", [False, True])
def test_a_block_refuses_sides_that_its_stride_does_not_divide(real):
    block = bnn.BiRealBlock(4, 8, stride=2, real=real)
    with pytest.raises(ValueError, match=r"multiples of the stride \(=2\), got \(9, 8\)"):
        block(torch.zeros(1, 4, 9, 8))
    assert bnn.BiRealBlock(4, 8, real=real)(torch.zeros(1, 4, 5, 7)).shape == (1, 8, 5, 7)


def test_a_block_is_traced_through_all_the_same():
    block = bnn.BiRealBlock(4, 8, stride=2)
    traced = torch.fx.GraphModule(block, Decomposing().trace(block))
    x = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(traced(x), bnn.BiRealBlock.forward(block, x))
