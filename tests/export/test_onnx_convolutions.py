"""Convolutions of every kind in ONNX against the packed session."""

import itertools
from types import SimpleNamespace

import hypothesis
import numpy as np
import pytest
import torch
from torch import nn

from bitgrove.nn import BinaryConv2d
from bitgrove.runtime import Graph

from . import test_pack_axes as axes_cases
from .conftest import images
from .onnx_files import (
    CONV,
    DIALECTS,
    FLATTEN,
    assert_near,
    compared,
    graph_of,
    pack,
    run,
    vector,
    written,
)


def whole(n, *shape, seed=0):
    """Images of small integers, which no sum rounds."""
    return np.random.default_rng(seed).integers(-4, 5, (n, *shape)).astype(np.float32)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("channels", "stride", "padding", "pad_value"),
    list(itertools.product([(3, 5), (66, 4)], [1, 2], [0, 2], [-1, 0, 1])),
)
def test_binary_convolution_is_exact(channels, stride, padding, pad_value, dialect, tmp_path):
    torch.manual_seed(channels[0])
    layer = BinaryConv2d(*channels, 3, stride=stride, padding=padding, pad_value=pad_value)
    x = images(2, channels[0], 7, 6)
    got, expected = compared(pack(layer, x), x, tmp_path, dialect)
    assert len(np.unique(expected)) > 3
    np.testing.assert_array_equal(got, expected)


@hypothesis.given(axes_cases.binary_convolutions())
@hypothesis.settings(
    max_examples=40,
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.function_scoped_fixture,
    ],
    deadline=None,
)
def test_any_binary_convolution_is_exact(tmp_path, drawn):
    layer, x = drawn
    got, expected = compared(pack(layer, x), x, tmp_path)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(
    ("input_estimator", "weight_estimator"), [(None, "clipped"), ("clipped", None)]
)
def test_half_binary_convolutions_are_exact_on_integers(
    pad_value, groups, input_estimator, weight_estimator, dialect, tmp_path
):
    torch.manual_seed(2)
    layer = BinaryConv2d(
        6,
        12,
        3,
        padding=1,
        groups=groups,
        pad_value=pad_value,
        input_estimator=input_estimator,
        weight_estimator=weight_estimator,
        scale="learned",
    )
    nn.init.constant_(layer.scale_channel, 0.5)
    with torch.no_grad():
        layer.weight.copy_(torch.randint(-3, 4, layer.weight.shape))
    x = whole(2, 6, 6, 6)
    got, expected = compared(pack(layer, x), x, tmp_path, dialect)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("scale", ["channel", "map", "spatial"])
@pytest.mark.parametrize(("input_scale", "groups"), [(False, 1), (True, 1), (True, 2)])
def test_scales_are_equal_to_rounding(axes, scale, input_scale, groups, tmp_path):
    torch.manual_seed(1)
    size = tuple((side - 1) // 2 + 1 for side in axes_cases.SIZES[axes])
    layer = axes_cases.BINARY[axes](
        6,
        8,
        3,
        padding=1,
        stride=2,
        groups=groups,
        scale=scale,
        input_scale=input_scale,
        output_size=None if scale == "channel" else size,
    )
    for name, parameter in layer.named_parameters():
        if name.startswith("scale"):
            nn.init.uniform_(parameter, 0.2, 2)
    x = images(3, 6, *axes_cases.SIZES[axes])
    assert_near(*compared(pack(layer, x), x, tmp_path))


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_of_one_pixel_is_a_matrix_product_where_it_can_be(padding, groups, tmp_path):
    weight = vector(6 * 4 * 6 // groups, 3).reshape(6, 1, 1, -1)[..., : 24 // groups]
    attributes = CONV | {"padding": [padding, padding], "groups": groups}
    node = ("conv2d", None, attributes, {"weight": weight, "bias": vector(6, 4)})
    artifact = graph_of((4, 3, 2), FLATTEN, node)
    x = images(3, 4, 3, 2)
    assert_near(*compared(artifact, x, tmp_path))


@pytest.mark.parametrize("zero", [0, 100, 255])
def test_a_convolution_in_bytes_is_exact(zero, tmp_path, monkeypatch):
    rng = np.random.default_rng(zero)
    weight = rng.integers(-127, 128, (4, 3, 3, 6), dtype=np.int8)
    attributes = {key: CONV[key] for key in ("stride", "dilation", "groups")}
    attributes |= {"padding": [1, 1], "step": 0.02, "zero": zero}
    tensors = {"weight": weight, "scale": np.array([0.25, -1, 2, 0.5], np.float32)}  # exact
    shapes = [(6, 9, 8), (4, 9, 8)]
    monkeypatch.setattr(Graph, "build", lambda *_: SimpleNamespace(shape=shapes.__getitem__))
    x = 3 * images(2, 6, 9, 8)
    x[:, :, 0] = rng.integers(-300, 300, 8) * np.float32(0.02) + np.float32(0.01)  # halves, too
    artifact = graph_of((6, 9, 8), ("byte_conv2d", None, attributes, tensors))
    got = run(written(artifact, tmp_path), x)["logits"]
    whole = np.clip(np.round(x / np.float32(0.02)), -zero, 255 - zero)
    kernel = torch.from_numpy(np.moveaxis(weight, -1, 1).astype(np.float64))
    sums = nn.functional.conv2d(torch.from_numpy(whole.astype(np.float64)), kernel, padding=1)
    exact = sums.numpy() * tensors["scale"][:, None, None]
    assert len(np.unique(whole)) > 60
    np.testing.assert_array_equal(got, exact)


def test_a_kernel_that_would_fill_the_memory_is_refused(tmp_path):
    window = {"stride": [1, 1], "dilation": [1, 1], "kernel": [5000, 5000], "groups": 1}
    artifact = graph_of((1, 8, 8), ("input_scale", None, window | {"padding": [2500, 2500]}, {}))
    with pytest.raises(ValueError, match=r"node 'n0' \(input_scale\): kernel .* is larger"):
        written(artifact, tmp_path)
