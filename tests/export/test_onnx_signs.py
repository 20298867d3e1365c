"""Signs in both dialects: every float on its side of the threshold."""

import numpy as np
import pytest
import torch
from torch import nn

from bitgrove.nn import BinaryConv2d, BinaryLinear

from . import test_pack_functions as function_cases
from .conftest import images, randomise
from .onnx_files import CONV, DIALECTS, assert_near, compared, graph_of, pack, vector


@pytest.mark.parametrize("name", function_cases.CHAINS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_thresholds_and_flips_are_exact(name, dialect, tmp_path):
    torch.manual_seed(1)
    chain = nn.Sequential(*function_cases.CHAINS[name])
    x = images(4, 6, 9, 8)
    artifact = pack(function_cases.drawn(randomise(chain, 1), least=0), x)
    got, expected = compared(artifact, x, tmp_path, dialect)
    if name == "real-weights":
        assert_near(got, expected)
    else:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("op", ["sign", "binarise"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_sign_turns_between_two_neighbouring_floats(op, dialect, tmp_path):
    largest, tiny = np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal
    threshold = np.array([0, 0, 0.1, 0.1, -largest, -largest, tiny, tiny, 1e30, -3], np.float32)
    flip = np.arange(10) % 2 == 1
    tensors = {"threshold": threshold, "flip": np.packbits(flip)}
    attributes = {"groups": 2} if op == "sign" else {}
    artifact = graph_of((10, 5), (op, None, attributes, tensors))
    with np.errstate(over="ignore"):
        around = [np.nextafter(threshold, np.float32(end)) for end in (-np.inf, np.inf)]
    x = np.stack([around[0], threshold, around[1], np.zeros(10), np.full(10, -0.0)], axis=1)
    x = np.nan_to_num(x.astype(np.float32))[None]
    got, expected = compared(artifact, x, tmp_path, dialect)
    above = x >= threshold[:, None]
    by_hand = np.where(above != flip[:, None], 1, -1)
    np.testing.assert_array_equal(expected, by_hand)
    np.testing.assert_array_equal(got, by_hand)
    assert not above.all()


@pytest.mark.parametrize("op", ["sign", "binarise"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_nan_that_infinity_leaves_inside_is_below_every_threshold(op, dialect, tmp_path):
    difference = {"weight": np.float32([1, -1]).reshape(1, 1, 1, 2).repeat(4, 0)}
    tensors = {"threshold": np.float32([0, -1, 0, 2]), "flip": np.packbits([0, 0, 1, 1])}
    conv = ("conv2d", None, {"padding": [0, 0], "pad_value": 0} | CONV, difference)
    attributes = {"groups": 1} if op == "sign" else {}
    artifact = graph_of((2, 1, 9), conv, (op, None, attributes, tensors))
    x = np.ones((1, 2, 1, 9), np.float32)
    x[..., ::2] = np.inf  # infinity less infinity
    with np.errstate(invalid="ignore"):
        got, expected = compared(artifact, x, tmp_path, dialect)
    signs = expected.reshape(4, 9)
    assert (signs[:2, ::2] == -1).all()
    assert (signs[2:, ::2] == 1).all()
    assert len(np.unique(signs[:, 1])) == 2
    wanted = expected.copy()
    if dialect == "qonnx":  # whose quantiser makes -1 of NaN
        wanted.reshape(4, 9)[:, ::2] = -1
    np.testing.assert_array_equal(got, wanted)


def scaled(kind):
    conv = BinaryConv2d(16, 32, 3, padding=1, pad_value=0, scale="channel")
    if kind == "conv":
        return nn.Sequential(conv, BinaryConv2d(32, 8, 3))
    head = [nn.Flatten(), BinaryLinear(16 * 36, 64, scale="channel"), BinaryLinear(64, 5)]
    return nn.Sequential(*head)


@pytest.mark.parametrize("kind", ["conv", "linear"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_sum_of_zero_stays_zero_when_it_is_scaled(kind, dialect, tmp_path):
    """A runtime that multiplied the scale into the weights would make of it a small number."""
    torch.manual_seed(0)
    x = images(2, 16, 6, 6)
    got, expected = compared(pack(scaled(kind), x), x, tmp_path, dialect)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    "op",
    [
        ("scale_map", None, {}, {"map": np.abs(vector(32, 1)).reshape(1, 1, 32)}),
        ("affine", None, {}, {"scale": np.abs(vector(32, 1)), "bias": np.zeros(32, np.float32)}),
    ],
    ids=["scale_map", "affine"],
)
def test_a_sum_of_zero_stays_zero_whatever_scales_it(op, tmp_path):
    bits = np.random.default_rng(0).integers(0, 256, (32, 3, 3, 2), dtype=np.uint8)
    binary = ("binary_conv2d", None, CONV | {"padding": [1, 1]}, {"weight": bits})
    sign = ("sign", None, {"groups": 1}, {})
    artifact = graph_of((16, 6, 6), sign, binary, op, sign)
    got, expected = compared(artifact, images(2, 16, 6, 6), tmp_path)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_sign_of_zero_is_plus_one(dialect, tmp_path):
    artifact = graph_of((1, 3), ("sign", None, {"groups": 1}, {}))
    x = np.array([[[0.0, -0.0, -1e-45]]], np.float32)
    got, _ = compared(artifact, x, tmp_path, dialect)
    np.testing.assert_array_equal(got, [[[1, 1, -1]]])
