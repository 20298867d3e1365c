import numpy as np
import pytest
import torch
from torch import nn

from bitgrove import nn as bnn
from bitgrove.optim import centre_latents_


def test_the_mean_over_input_channels_is_taken_off_each_filter_position():
    conv, linear = bnn.BinaryConv2d(4, 6, 2, groups=2), bnn.BinaryLinear(5, 3)
    before = [layer.weight.detach().numpy().copy() for layer in (conv, linear)]
    centre_latents_(nn.Sequential(conv, linear))
    for layer, old in zip((conv, linear), before, strict=True):
        new = old.copy()
        for index in np.ndindex(old.shape):
            column = old[(index[0], slice(None), *index[2:])]
            new[index] -= sum(column) / len(column)
        assert not np.allclose(new, old)
        np.testing.assert_allclose(layer.weight.detach(), new, rtol=1e-5, atol=1e-6)


def test_real_weights_and_single_channels_are_left_alone():
    model = nn.Sequential(
        nn.Conv2d(2, 3, 1),
        bnn.BinaryConv2d(2, 3, 1, weight_estimator=None),
        bnn.BinaryConv2d(3, 3, 3, groups=3),
    )
    before = [p.detach().clone() for p in model.parameters()]
    centre_latents_(model)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


class Flat(nn.Module):
    binary_parameter_names = ("bits",)

    def __init__(self):
        super().__init__()
        self.bits = nn.Parameter(torch.ones(3))


def test_a_weight_without_input_channels_is_refused():
    with pytest.raises(ValueError, match=r"0.bits has shape \(3,\)"):
        centre_latents_(nn.Sequential(Flat()))
