"""Fern convolutions in ONNX: equal to the packed session bit for bit."""

import numpy as np
import pytest
import torch
from torch import nn

from bitgrove import export
from bitgrove.nn import FernConv2d, FernLinear

from .conftest import images
from .onnx_files import DIALECTS, compared, graph_of, pack, written


def ferns(axes, channels, kernel, *, seed=0, groups=1, count=3, depth=4, outs=5, drop=(), **window):
    """A fern convolution of random tests, half of them flipped, and random sides in the padding."""
    rng = np.random.default_rng(seed)
    tests = count * depth
    readable = channels // groups * int(np.prod(kernel))
    place = rng.integers(0, readable, (groups, tests)) + readable * np.arange(groups)[:, None]
    tensors = {
        "place": place.ravel().astype(np.int32),
        "threshold": (rng.integers(-2, 3, groups * tests) / 2).astype(np.float32),
        "flip": np.packbits(rng.random(groups * tests) < 0.5),
        "outside": np.packbits(rng.random(groups * tests) < 0.5),
        "table": rng.integers(-127, 128, (groups, count, 1 << depth, outs)).astype(np.int8),
        "scale": rng.standard_normal(groups * outs).astype(np.float32),
        "bias": rng.standard_normal(groups * outs).astype(np.float32),
    }
    tensors = {role: array for role, array in tensors.items() if role not in drop}
    attributes = {"kernel": list(kernel)} | {
        key: window.get(key, [default] * axes)
        for key, default in (("stride", 1), ("padding", 0), ("dilation", 1))
    }
    return (f"fern_conv{axes}d", None, attributes, tensors)


def ties(*shape):
    """Numbers that are thresholds as often as not."""
    rng = np.random.default_rng(sum(shape))
    return (rng.integers(-4, 5, shape) / 4).astype(np.float32)


def check(artifact, x, folder, dialect="plain"):
    got, expected = compared(artifact, x, folder, dialect)
    assert len(np.unique(expected)) > 10
    np.testing.assert_array_equal(got, expected)


GEOMETRY = {
    "series": ((4, 9), [3], {"padding": [1]}),
    "series, strided": ((4, 17), [3], {"stride": [3], "padding": [4], "dilation": [2]}),
    "picture": ((4, 6, 7), [3, 3], {"padding": [1, 1]}),
    "picture, one side padded": ((4, 6, 7), [3, 1], {"padding": [2, 0], "stride": [1, 2]}),
    "picture, no padding": ((4, 6, 7), [2, 3], {"dilation": [2, 1]}),
    "picture, its pixels": ((4, 6, 7), [1, 1], {}),
    "picture, every other pixel": ((4, 6, 7), [1, 1], {"stride": [2, 2]}),
    "volume": ((4, 3, 4, 5), [2, 3, 1], {"padding": [1, 1, 2], "stride": [1, 2, 2]}),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("name", GEOMETRY)
def test_it_is_exact_in_every_geometry(name, groups, dialect, tmp_path):
    shape, kernel, window = GEOMETRY[name]
    node = ferns(len(kernel), 4, kernel, groups=groups, **window)
    check(graph_of(shape, node), ties(3, *shape), tmp_path, dialect)


@pytest.mark.parametrize("depth", range(1, 9))
def test_it_is_exact_for_every_depth(depth, tmp_path):
    node = ferns(2, 4, [3, 3], depth=depth, padding=[1, 1])
    check(graph_of((4, 6, 7), node), ties(3, 4, 6, 7), tmp_path)


@pytest.mark.parametrize(
    "drop",
    [
        ("flip",),
        ("outside",),
        ("flip", "outside"),
        ("scale",),
        ("bias",),
        ("scale", "bias"),
        ("flip", "outside", "scale", "bias"),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("groups", [1, 4])
def test_tensors_may_be_absent(drop, groups, tmp_path):
    node = ferns(2, 4, [3, 3], drop=drop, groups=groups, padding=[1, 2])
    check(graph_of((4, 5, 5), node), ties(3, 4, 5, 5), tmp_path)


@pytest.mark.parametrize(("flip", "outside"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_test_answers_as_the_format_says(flip, outside, tmp_path):
    """By hand: two pixels in a row, and the padding on either side."""
    tensors = {
        "place": np.int32([0]),
        "threshold": np.float32([0.5]),
        "flip": np.uint8([flip << 7]),
        "outside": np.uint8([outside << 7]),
        "table": np.int8([3, 7]).reshape(1, 1, 2, 1),
    }
    window = {"kernel": [1], "stride": [1], "padding": [1], "dilation": [1]}
    artifact = graph_of((1, 3), ("fern_conv1d", None, window, tensors))
    t = np.float32(0.5)
    x = np.float32([t, np.nextafter(t, np.float32(0)), np.inf]).reshape(1, 1, 3)
    got, packed = compared(artifact, x, tmp_path)
    no, yes = (7, 3) if flip else (3, 7)
    border = 7 if outside else 3
    assert got.ravel().tolist() == packed.ravel().tolist() == [border, yes, no, yes, border]


@pytest.mark.parametrize("shape", [(24, 1, 1), (6, 2, 2)])
@pytest.mark.parametrize("groups", [1, 3])
def test_it_runs_on_flattened_values(shape, groups, tmp_path):
    nodes = [
        ("flatten", None, {}, {}),
        ferns(2, 24, [1, 1], groups=groups),
        ferns(2, 5 * groups, [1, 1], seed=1),
    ]
    check(graph_of(shape, *nodes), ties(9, *shape), tmp_path)
    for kernel in ([3, 1], [1, 1]):  # a border around the one pixel
        padded = ferns(2, 24, kernel, padding=[1, 1], groups=groups)
        check(graph_of(shape, nodes[0], padded), ties(9, *shape), tmp_path)


def test_layers_that_read_each_other_are_exact(tmp_path):
    torch.manual_seed(2)
    layers = nn.Sequential(
        FernConv2d(3, 8, 3, padding=1, ferns=4, depth=3),
        nn.BatchNorm2d(8),
        FernConv2d(8, 6, 3, stride=2, groups=2, ferns=3, depth=4, tests="learned"),
        nn.BatchNorm2d(6),
        nn.Flatten(),
        FernLinear(6 * 4 * 3, 9, ferns=8, depth=4),
    )
    for layer in layers:
        if isinstance(layer, FernConv2d | FernLinear):
            layer.thresholds.data.normal_()
    x = images(4, 3, 9, 7)
    with torch.no_grad():
        for _ in range(30):  # the norms learn what the ferns give
            layers(torch.from_numpy(x))
    artifact = pack(layers, x)
    assert [node.op for node in artifact.graph.nodes].count("fern_conv2d") == 3
    check(artifact, x, tmp_path)


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_nan_is_at_or_above_nothing(flip, dialect, tmp_path):
    """Infinity times 0 is NaN, which a session takes inside a network."""
    tensors = {
        "place": np.int32([0]),
        "threshold": np.float32([0.5]),
        "flip": np.uint8([flip << 7]),
        "table": np.int8([3, 7]).reshape(1, 1, 2, 1),
    }
    window = {"kernel": [1], "stride": [1], "padding": [0], "dilation": [1]}
    zeros = {"scale": np.zeros(1, np.float32), "bias": np.zeros(1, np.float32)}
    fern = ("fern_conv1d", None, window, tensors)
    artifact = graph_of((1, 1), ("affine", None, {}, zeros), fern)
    x = np.full((1, 1, 1), np.inf, np.float32)
    with np.errstate(invalid="ignore"):
        got, packed = compared(artifact, x, tmp_path, dialect)
    assert got.item() == packed.item() == (7 if flip else 3)


def test_sums_of_very_many_ferns_are_exact(tmp_path):
    """As large as the format lets them be."""
    node = ferns(1, 3, [1], count=1 << 16, depth=1, outs=2, drop=("scale", "bias"))
    node[3]["table"][:] = 127
    node[3]["table"][..., 1] = [126, 127]
    got, expected = compared(graph_of((3, 1), node), ties(3, 3, 1), tmp_path)
    assert got[0, 0] == 127 << 16
    np.testing.assert_array_equal(got, expected)


def test_too_many_pixels_of_a_kernel_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(export._onnx_fern_conv, "_MOST_TAPS", 3)
    artifact = graph_of((4, 6, 7), ferns(2, 4, [3, 3]))
    with pytest.raises(ValueError, match=r"'n0' \(fern_conv2d\): \d pixels of the kernel are more"):
        export.to_onnx(artifact, tmp_path / "m.onnx")
    written(graph_of((4, 6, 7), ferns(2, 4, [3, 1])), tmp_path)
