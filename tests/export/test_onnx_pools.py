"""Pools, cells and upsampling in ONNX against the packed session."""

import numpy as np
import pytest

from .conftest import images
from .onnx_files import (
    assert_near,
    compared,
    graph_of,
)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("max_pool2d", {}),
        ("avg_pool2d", {"count_padding": True}),
        ("avg_pool2d", {"count_padding": False}),
    ],
)
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("size", [(4, 4), (5, 7), (6, 5), (9, 8)])
@pytest.mark.parametrize(
    "window",
    [
        ([3, 2], [2, 2], [1, 1]),
        ([2, 4], [3, 3], [1, 2]),
        ([1, 1], [5, 4], [0, 0]),
        ([4, 3], [3, 4], [2, 0]),
    ],
)
def test_pools_at_every_border_are_equal(name, own, ceil, size, window, tmp_path):
    kernel, stride, padding = window
    attributes = {"kernel": kernel, "stride": stride, "padding": padding, "ceil": ceil, **own}
    artifact = graph_of((2, *size), (name, None, attributes, {}))
    x = images(2, 2, *size)
    assert_near(*compared(artifact, x, tmp_path), 1e-6)


@pytest.mark.parametrize("size", [[1, 1], [3, 2], [9, 8], [2, 3], [4, 7], [13, 5], [1, 3]])
def test_cells_that_overlap_are_averaged(size, tmp_path):
    artifact = graph_of((2, 9, 8), ("adaptive_avg_pool", None, {"size": size}, {}))
    x = images(2, 2, 9, 8)
    assert_near(*compared(artifact, x, tmp_path), 1e-6)


def test_one_pixel_is_the_mean_of_all_cells(tmp_path):
    artifact = graph_of((2, 1, 3), ("adaptive_avg_pool", None, {"size": [4, 3]}, {}))
    x = images(2, 2, 1, 3)
    got, expected = compared(artifact, x, tmp_path)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("step", [[0.5, 0.5], [0.3, 0.7], [1.0, 1.7], [1 / 3, 0.1]])
def test_upsampling_keeps_its_own_step(mode, step, tmp_path):
    attributes = {"size": [13, 9], "step": step, "mode": mode}
    artifact = graph_of((2, 5, 6), ("upsample", None, attributes, {}))
    x = images(2, 2, 5, 6)
    got, expected = compared(artifact, x, tmp_path)
    if mode == "nearest":
        np.testing.assert_array_equal(got, expected)
    assert_near(got, expected, 1e-6)
