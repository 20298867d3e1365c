"""Signs in both dialects: every float on its side of the threshold."""

import numpy as np
import pytest
import torch
from torch import nn

from . import test_pack_functions as function_cases
from .conftest import images, randomise
from .onnx_files import (
    DIALECTS,
    assert_near,
    compared,
    graph_of,
    pack,
)


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


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_sign_of_zero_is_plus_one(dialect, tmp_path):
    artifact = graph_of((1, 3), ("sign", None, {"groups": 1}, {}))
    x = np.array([[[0.0, -0.0, -1e-45]]], np.float32)
    got, _ = compared(artifact, x, tmp_path, dialect)
    np.testing.assert_array_equal(got, [[[1, 1, -1]]])
