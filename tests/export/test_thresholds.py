import numpy as np
import pytest
import torch
from torch import nn

from bitgrove.export._thresholds import fold_sign


def bits(threshold, flip, x):
    """What the packed comparison yields."""
    above = x >= threshold
    return above if flip is None else above ^ np.unpackbits(flip, count=x.shape[1]).astype(bool)


@pytest.mark.parametrize("seed", range(5))
def test_folding_agrees_with_batch_norm_around_every_threshold(seed):
    torch.manual_seed(seed)
    channels = 67
    norm = nn.BatchNorm1d(channels).eval()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.01, 4)
    threshold, flip = fold_sign(norm, channels)
    # The threshold itself, its neighbours among all floats, and numbers around.
    up = np.nextafter(threshold, np.float32(np.inf))
    down = np.nextafter(threshold, np.float32(-np.inf))
    around = np.random.default_rng(seed).normal(0, 3, (500, channels)).astype(np.float32)
    with torch.no_grad():
        expected = [
            norm(torch.from_numpy(row)[None])[0].numpy() >= 0
            for row in (threshold, up, down, *around)
        ]
    assert flip is not None
    assert len({tuple(row) for row in expected}) > 400  # not vacuous
    got = bits(threshold, flip, np.stack([threshold, up, down, *around]))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("gamma", "beta"), [(0.0, 1.0), (0.0, -1.0), (0.0, 0.0)])
def test_gamma_zero_gives_the_sign_of_beta_everywhere(gamma, beta):
    norm = nn.BatchNorm1d(1).eval()
    with torch.no_grad():
        norm.weight.fill_(gamma)
        norm.bias.fill_(beta)
        threshold, flip = fold_sign(norm, 1)
    x = np.array([[-1e30], [-1.0], [0.0], [1.0], [1e30]], np.float32)
    np.testing.assert_array_equal(bits(threshold, flip, x), np.full((5, 1), beta >= 0))


def test_a_constant_channel_ignores_even_the_largest_numbers():
    threshold, flip = fold_sign(lambda x: x * 0 + torch.tensor([1.0, -1.0]), 2)
    largest = np.finfo(np.float32).max
    x = np.array([[-largest, -largest], [largest, largest]], np.float32)
    np.testing.assert_array_equal(bits(threshold, flip, x), [[True, False]] * 2)


def test_a_chain_that_overflows_is_folded_up_to_there():
    """Infinity times zero is NaN, which has no sign; the numbers before it have."""
    gains = torch.tensor([1e10, 1e10, 2.0])
    threshold, flip = fold_sign(lambda x: x * gains * torch.tensor([0.0, 1.0, 1.0]) + 1, 3)
    x = np.array([[-1e20] * 3, [-0.5, -1e-10, -0.5], [1e20] * 3], np.float32)
    expected = np.array([[True, False, False], [True, True, True], [True] * 3])
    np.testing.assert_array_equal(bits(threshold, flip, x), expected)


def test_a_function_without_a_sign_is_refused():
    with pytest.raises(ValueError, match="is a parameter NaN"):
        fold_sign(lambda x: x * np.nan, 2)
