"""All other operators of the packed graph in ONNX against the packed session."""

import numpy as np
import pytest
import torch

from bitgrove.export._onnx_graph import CONVERTERS
from bitgrove.runtime import Artifact, Graph, Node
from bitgrove.runtime._graph import OPS

from . import test_pack_axes as axes_cases
from . import test_pack_functions as function_cases
from . import test_pack_layers as layer_cases
from .conftest import images, randomise
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


def test_every_operator_of_the_format_has_an_onnx_form():
    assert CONVERTERS.keys() == OPS.keys()


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("name", axes_cases.REAL)
def test_real_layers_are_equal_to_rounding(axes, name, tmp_path):
    torch.manual_seed(4)
    layer, x = axes_cases.REAL[name](axes), images(2, 6, *axes_cases.SIZES[axes])
    with torch.no_grad():
        layer(torch.from_numpy(x))  # sizes what is lazy
    got, expected = compared(pack(randomise(layer, 4), x), x, tmp_path)
    if name in axes_cases.EXACT:
        np.testing.assert_array_equal(got, expected)
    assert_near(got, expected)


@pytest.mark.parametrize("name", layer_cases.REAL_LAYERS)
def test_layers_of_torch_are_equal_to_rounding(name, tmp_path):
    x = images(2, 6, 9, 8)
    artifact = pack(randomise(layer_cases.REAL_LAYERS[name], 4), x)
    assert_near(*compared(artifact, x, tmp_path))


@pytest.mark.parametrize("name", function_cases.FUNCTIONS)
def test_functions_are_equal_to_rounding(name, tmp_path):
    x = images(2, 6, 9, 8)
    artifact = pack(layer_cases.Traced(function_cases.FUNCTIONS[name]), x)
    got, expected = compared(artifact, x, tmp_path)
    if name in function_cases.EXACT:
        np.testing.assert_array_equal(got, expected)
    assert_near(got, expected)


@pytest.mark.parametrize("name", function_cases.ACTIVATIONS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_activations_are_equal_to_rounding(name, dialect, tmp_path):
    torch.manual_seed(0)
    x = images(2, 6, 9, 8)
    artifact = pack(function_cases.drawn(function_cases.ACTIVATIONS[name]), x)
    assert_near(*compared(artifact, x, tmp_path, dialect))


def pool(name, **changes):
    base = {"kernel": [3, 2], "stride": [2, 2], "padding": [1, 1], "ceil": False} | changes
    return (name, None, base | ({"count_padding": True} if name == "avg_pool2d" else {}), {})


FLAT = {
    "affine": ("affine", None, {}, {"scale": vector(24, 0), "bias": vector(24, 1)}),
    "prelu": (
        "prelu",
        None,
        {},
        {"slope": vector(24, 0), "before": vector(24, 1), "after": vector(24, 2)},
    ),
    "clip": ("clip", None, {"low": -0.5, "high": 0.25, "slope": 0.1}, {}),
    "relu": ("relu", None, {}, {}),
    "scale-map": ("scale_map", None, {}, {"map": vector(24, 0).reshape(1, 1, 24)}),
    "scale-map-shared": ("scale_map", None, {}, {"map": vector(1, 0).reshape(1, 1, 1)}),
    "binarise": (
        "binarise",
        None,
        {},
        {"threshold": vector(24, 0), "flip": np.packbits(vector(24, 1) > 0)},
    ),
    "add": ("add", (1, 1), {}, {}),
    "concat": ("concat", (1, 1, 1), {}, {}),
    "multiply": ("multiply", (1, 1), {}, {}),
    "pad": ("pad", None, {"before": [1, 0], "after": [0, 2], "value": 0.5}, {}),
    "max": pool("max_pool2d"),
    "average": pool("avg_pool2d"),
    "global": ("adaptive_avg_pool", None, {"size": [1, 1]}, {}),
    "upsample": ("upsample", None, {"size": [2, 3], "step": [0.5, 0.5], "mode": "nearest"}, {}),
    "flatten": FLATTEN,
    "input-scale": (
        "input_scale",
        None,
        {"kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 4},
        {},
    ),
}


@pytest.mark.parametrize("name", FLAT)
def test_operators_run_on_flattened_values_too(name, tmp_path):
    artifact = graph_of((4, 3, 2), FLATTEN, FLAT[name])
    x = images(3, 4, 3, 2)
    assert_near(*compared(artifact, x, tmp_path))


@pytest.mark.parametrize(
    ("one", "other"),
    [((6, 4, 5), 6), ((6, 4, 5), 3), ((6, 4, 5), 1), ((24, 1, 1), 24), ((24, 1, 1), 8)],
)
@pytest.mark.parametrize("flat", [False, True])
def test_a_product_shares_channels_and_pixels(one, other, flat, tmp_path):
    """The second factor: some channels of the first, averaged to a pixel or not."""
    weight = vector(other * one[0], 5).reshape(other, 1, 1, one[0])
    narrow = ("conv2d", (0,), CONV | {"padding": [0, 0]}, {"weight": weight})
    means = ("adaptive_avg_pool", None, {"size": [1, 1]}, {})
    nodes = [narrow, means, FLATTEN] if flat else [narrow]
    first = ("flatten", (0,), {}, {}) if flat and one[1:] == (1, 1) else ("relu", (0,), {}, {})
    product = ("multiply", (len(nodes) + 1, len(nodes)), {}, {})
    artifact = graph_of(one, *nodes, first, product)
    x = images(2, *one)
    assert_near(*compared(artifact, x, tmp_path))


def test_flat_and_other_values_of_one_pixel_are_joined(tmp_path):
    nodes = [FLATTEN, ("relu", (0,), {}, {}), ("concat", (1, 2), {}, {}), ("add", (3, 3), {}, {})]
    artifact = graph_of((6, 1, 1), *nodes)
    x = images(2, 6, 1, 1)
    got, expected = compared(artifact, x, tmp_path)
    np.testing.assert_array_equal(got, expected)


def test_names_of_nodes_may_be_anything(tmp_path):
    names = ["", "image", "logits", "embedding", "a/b", "a", "\ud800", "last"]
    nodes = tuple(Node("relu", name, (i,)) for i, name in enumerate(names))
    artifact = Artifact(Graph((2, 3), nodes, len(names), 2))
    x = images(1, 2, 3)
    got = run(written(artifact, tmp_path), x)
    np.testing.assert_array_equal(got["logits"], np.maximum(x, 0))
    np.testing.assert_array_equal(got["embedding"], np.maximum(x, 0).reshape(1, -1))
