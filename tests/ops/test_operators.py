"""The operators against torch's convolution of explicit signs, in float64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bitgrove import ops

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
SIZES = {1: (9,), 2: (7, 5), 3: (4, 5, 3)}
KERNELS = {1: (3,), 2: (3, 2), 3: (2, 3, 1)}


def signs(x):
    return torch.from_numpy(np.where(x.numpy() >= 0, 1.0, -1.0))


def convolution(x, w, window, pad_value):
    """Oracle: an explicit border of ``pad_value``, then torch's convolution in float64."""
    axes = x.ndim - 2
    padding = np.broadcast_to(window.get("padding", 0), axes)
    edges = [(0, 0), (0, 0), *((p, p) for p in padding)]
    padded = torch.from_numpy(np.pad(x.double().numpy(), edges, constant_values=pad_value))
    options = {key: window[key] for key in ("stride", "dilation", "groups") if key in window}
    return CONVOLUTIONS[axes](padded, w.double(), **options)


def drawn(seed, axes, channels, out, groups):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, channels, *SIZES[axes], generator=generator)
    x.flatten()[:2] = torch.tensor([0.0, -0.0])
    return x, torch.randn(out, channels // groups, *KERNELS[axes], generator=generator)


CASES = [
    (1, 70, 3, {"padding": 2, "stride": 2}),
    (1, 8, 4, {"groups": 2, "dilation": 3}),
    (2, 3, 5, {"padding": (1, 0)}),
    (2, 64, 4, {"padding": 1}),
    (2, 130, 6, {"padding": (2, 1), "groups": 2, "stride": (1, 2)}),
    (2, 20, 2, {"padding": 3, "dilation": (2, 3)}),
    (3, 9, 6, {"padding": (1, 2, 1), "groups": 3}),
]


@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize(("axes", "channels", "out", "window"), CASES, ids=str)
def test_the_sums_are_those_of_explicit_signs(simd_level, axes, channels, out, window, pad_value):
    x, w = drawn(channels, axes, channels, out, window.get("groups", 1))
    expected = convolution(signs(x), signs(w), window, pad_value)
    assert len(expected.unique()) > 4  # not vacuous
    y = ops.binary_conv(x, ops.pack_weight(w), pad_value=pad_value, **window)
    assert y.dtype == torch.float32
    assert torch.equal(y.double(), expected)


def test_scale_comes_before_bias():
    x, w = drawn(0, 2, 12, 5, 1)
    scale, bias = torch.rand(5) - 0.5, torch.randn(5)
    y = ops.binary_conv(x, ops.pack_weight(w), scale=scale, bias=bias, padding=1)
    expected = convolution(signs(x), signs(w), {"padding": 1}, -1)
    expected = expected * scale.double()[:, None, None] + bias.double()[:, None, None]
    torch.testing.assert_close(y.double(), expected, rtol=1e-6, atol=1e-5)
    alone = ops.binary_conv(x, ops.pack_weight(w), bias=bias, padding=1)
    assert torch.equal(
        alone, ops.binary_conv(x, ops.pack_weight(w), padding=1) + bias[:, None, None]
    )


def test_thresholds_are_compared_and_flips_turn_their_channels():
    x, w = drawn(1, 2, 12, 6, 2)
    threshold = torch.randn(12)
    threshold[3] = x[0, 3, 0, 0]  # met exactly: +1
    flipped = torch.tensor([1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1])
    flip = torch.from_numpy(np.packbits(flipped.numpy()))
    s = signs(x - threshold[:, None, None])
    assert s[0, 3, 0, 0] == 1
    window = {"padding": 1, "groups": 2}
    y = ops.binary_conv(x, ops.pack_weight(w), threshold=threshold, flip=flip, **window)
    turned = s * (1 - 2 * flipped)[:, None, None]
    assert torch.equal(y.double(), convolution(turned, signs(w), window, -1))
    y = ops.binary_conv(x, ops.pack_weight(w), threshold=threshold, **window)
    assert torch.equal(y.double(), convolution(s, signs(w), window, -1))


def test_the_sign_of_nan_is_minus_one_as_in_training(simd_level):
    x = torch.ones(1, 70, 3)
    x[0, ::3] = float("nan")
    y = ops.binary_conv(x, ops.pack_weight(torch.ones(1, 70, 1)))
    assert torch.equal(y, torch.full((1, 1, 3), 70.0 - 2 * 24))


@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize(("axes", "channels", "out", "window"), CASES, ids=str)
def test_real_numbers_meet_binary_weights(axes, channels, out, window, pad_value):
    x, w = drawn(channels, axes, channels, out, window.get("groups", 1))
    scale, bias = torch.rand(out) + 0.5, torch.randn(out)
    expected = convolution(x, signs(w), window, pad_value)
    packed = ops.pack_weight(w)
    columns = (-1, *[1] * axes)
    for options, wanted in (
        ({}, expected),
        ({"bias": bias}, expected + bias.double().reshape(columns)),
        ({"scale": scale}, expected * scale.double().reshape(columns)),
        (
            {"scale": scale, "bias": bias},
            expected * scale.double().reshape(columns) + bias.double().reshape(columns),
        ),
    ):
        y = ops.binary_weight_conv(x, packed, pad_value=pad_value, **window, **options)
        torch.testing.assert_close(y.double(), wanted, rtol=1e-5, atol=1e-4)  # ~1000 summands


@pytest.mark.parametrize("lead", [(), (4,), (2, 3), (0,), (2, 0, 3)])
def test_the_linear_operators_work_along_the_last_axis(lead):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(*lead, 70, generator=generator)
    w = torch.randn(5, 70, generator=generator)
    scale, bias = torch.rand(5), torch.randn(5)
    packed = ops.pack_weight(w)
    y = ops.binary_linear(x, packed)
    assert y.shape == (*lead, 5)
    assert torch.equal(y.double(), signs(x) @ signs(w).T)
    y = ops.binary_linear(x, packed, scale=scale, bias=bias)
    torch.testing.assert_close(y.double(), signs(x) @ signs(w).T * scale + bias, atol=1e-5, rtol=0)
    y = ops.binary_weight_linear(x, packed, scale=scale)
    torch.testing.assert_close(y.double(), x.double() @ signs(w).T * scale, atol=1e-4, rtol=0)


def test_linear_thresholds_and_flips():
    x, w = torch.randn(6, 9), torch.randn(4, 9)
    threshold, flipped = torch.randn(9), torch.arange(9) % 2
    flip = torch.from_numpy(np.packbits(flipped.numpy()))
    y = ops.binary_linear(x, ops.pack_weight(w), threshold=threshold, flip=flip)
    assert torch.equal(y.double(), signs(x - threshold) * (1 - 2 * flipped) @ signs(w).T)


def test_any_memory_format_is_read_and_a_contiguous_result_made():
    x, w = drawn(2, 2, 24, 8, 1)
    packed = ops.pack_weight(w)
    expected = ops.binary_conv(x, packed, padding=1)
    for same in (
        x.to(memory_format=torch.channels_last),
        x.transpose(2, 3).contiguous().transpose(2, 3),
        torch.stack([x, x], -1)[..., 1],
    ):
        assert not same.is_contiguous()
        y = ops.binary_conv(same, packed, padding=1)
        assert torch.equal(y, expected)
        assert y.is_contiguous()
    repeated = x[:1].expand(3, -1, -1, -1)
    assert torch.equal(ops.binary_conv(repeated, packed, padding=1), expected[[0, 0, 0]])
    strided = packed.to(memory_format=torch.channels_last)
    assert not strided.is_contiguous()
    assert torch.equal(ops.binary_conv(x, strided, padding=1), expected)


def test_defaults_of_torch_change_nothing():
    x, w = drawn(3, 2, 12, 5, 1)
    expected = ops.binary_conv(x, ops.pack_weight(w))
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            y = ops.binary_conv(x, ops.pack_weight(w))
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(y, expected)


def test_no_images_give_no_results_of_the_right_shape():
    packed = ops.pack_weight(torch.randn(5, 12, 3, 3))
    for operator in (ops.binary_conv, ops.binary_weight_conv):
        assert operator(torch.empty(0, 12, 7, 6), packed, stride=2).shape == (0, 5, 3, 2)


def test_threads_do_not_change_the_result():
    x, w = torch.randn(5, 40, 6, 6), torch.randn(9, 40, 3, 3)
    before = torch.get_num_threads()
    results = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        results.append(ops.binary_conv(x, ops.pack_weight(w)))
    torch.set_num_threads(before)
    assert torch.equal(*results)


@pytest.mark.parametrize("channels", [1, 7, 8, 9, 64])
def test_weights_are_packed_as_numpy_packs_and_come_back(channels):
    w = torch.randn(3, channels, 2, 1)
    w[0, 0, 0, 0] = -0.0
    packed = ops.pack_weight(w)
    assert packed.shape == (3, 2, 1, -(-channels // 8))
    bits = np.unpackbits(packed.numpy(), axis=-1)
    np.testing.assert_array_equal(bits[..., :channels], w.movedim(1, -1).numpy() >= 0)
    assert not bits[..., channels:].any()
    assert torch.equal(ops.unpack_weight(packed, channels).double(), signs(w))
