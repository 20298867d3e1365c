"""Series, pictures and volumes: every layer of one, two and three sides against torch."""

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch import nn

from bitgrove import export, runtime
from bitgrove.nn import BinaryConv1d, BinaryConv2d, BinaryConv3d, BinaryLinear

from .conftest import images, randomise
from .test_pack_layers import outputs

BINARY = {1: BinaryConv1d, 2: BinaryConv2d, 3: BinaryConv3d}
SIZES = {1: (23,), 2: (7, 6), 3: (4, 5, 6)}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize("channels", [(1, 8), (3, 5), (64, 16), (70, 33)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pad_value", [-1, 0, 1])
def test_binary_convolution_is_exact(simd_level, axes, channels, stride, pad_value):
    torch.manual_seed(channels[0])
    layer = BINARY[axes](*channels, 3, stride=stride, padding=1, pad_value=pad_value)
    expected, got = outputs(layer, images(2, channels[0], *SIZES[axes]))
    assert len(np.unique(expected)) > 3
    np.testing.assert_array_equal(got, expected)


@st.composite
def binary_convolutions(draw):
    """A convolution of any kind, and a batch that it fits."""
    torch.manual_seed(draw(st.integers(0, 2**31)))
    axes = draw(st.sampled_from([1, 2, 3]))

    def each(low, high):
        return draw(st.tuples(*[st.integers(low, high)] * axes))

    groups = draw(st.sampled_from([1, 1, 2, 5]))
    before = groups * draw(st.one_of(st.integers(1, 12), st.integers(62, 66)))
    layer = BINARY[axes](
        before,
        groups * draw(st.integers(1, 9)),
        each(1, 3),
        stride=each(1, 3),
        padding=each(0, 3),
        pad_value=draw(st.sampled_from([-1, 0, 1])),
        dilation=each(1, 2),
        groups=groups,
    )
    size = [5 + draw(st.integers(0, 3)) for _ in range(axes)]
    return layer, images(2, before, *size, seed=draw(st.integers(0, 2**31)))


@hypothesis.given(binary_convolutions())
@hypothesis.settings(
    max_examples=60,
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.function_scoped_fixture,
    ],
)
def test_any_binary_convolution_is_exact(simd_level, drawn):
    layer, x = drawn
    expected, got = outputs(layer, x)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("scale", ["channel", "learned", "map", "plane", "spatial"])
@pytest.mark.parametrize(("input_scale", "groups"), [(False, 1), (True, 1), (True, 2)])
def test_scales_are_equal_to_rounding(axes, scale, input_scale, groups):
    torch.manual_seed(1)
    size = [(side - 1) // 2 + 1 for side in SIZES[axes]]
    layer = BINARY[axes](
        6,
        8,
        3,
        padding=1,
        stride=2,
        groups=groups,
        scale=scale,
        input_scale=input_scale,
        output_size=tuple(size) if scale in ("map", "plane", "spatial") else None,
    )
    for name, parameter in layer.named_parameters():
        if name.startswith("scale"):
            nn.init.uniform_(parameter, 0.2, 2)
    x = images(3, 6, *SIZES[axes])
    expected, got = outputs(layer, x)
    np.testing.assert_allclose(got, expected, rtol=2e-6, atol=1e-6)
    nodes = {node.op: node for node in export.pack(layer, torch.from_numpy(x)).graph.nodes}
    if scale in ("plane", "spatial"):  # a product costs its factors, not itself
        assert nodes["scale_map"].tensors["map"].shape == (*size, 1)
    if scale == "map":
        assert nodes["scale_map"].tensors["map"].shape == (*size, 8)


def torch_layer(name: str, axes: int) -> type:
    return getattr(nn, f"{name}{axes}d")


REAL = {
    "conv": lambda n: torch_layer("Conv", n)(6, 10, 3, padding=1, stride=2),
    "conv-grouped": lambda n: torch_layer("Conv", n)(6, 9, 2, groups=3, dilation=2),
    "conv-same": lambda n: torch_layer("Conv", n)(6, 4, 3, padding="same", dilation=2),
    "depthwise": lambda n: torch_layer("Conv", n)(6, 6, 3, padding=1, groups=6),
    "depthwise-wide": lambda n: torch_layer("Conv", n)(6, 18, 2, groups=6, bias=False),
    "max": lambda n: torch_layer("MaxPool", n)(3, 2, 1),
    "max-ceil": lambda n: torch_layer("MaxPool", n)(2, 2, ceil_mode=True),
    "max-ceil-dropped": lambda n: torch_layer("MaxPool", n)(2, 3, 1, ceil_mode=True),
    "average": lambda n: torch_layer("AvgPool", n)(3, 2, 1),
    "average-inside": lambda n: torch_layer("AvgPool", n)(3, 2, 1, count_include_pad=False),
    "average-ceil": lambda n: torch_layer("AvgPool", n)(3, 2, 1, ceil_mode=True),
    "global": lambda n: torch_layer("AdaptiveAvgPool", n)(1),
    "grid": lambda n: torch_layer("AdaptiveAvgPool", n)(3),
    "grid-uneven": lambda n: torch_layer("AdaptiveAvgPool", n)(4),
    "grid-larger": lambda n: torch_layer("AdaptiveAvgPool", n)(9),
    "norm": lambda n: torch_layer("BatchNorm", n)(6),
    "norm-plain": lambda n: torch_layer("BatchNorm", n)(6, affine=False),
    "norm-after-conv": lambda n: nn.Sequential(
        torch_layer("Conv", n)(6, 8, 3), torch_layer("BatchNorm", n)(8)
    ),
    "zeros-around": lambda n: torch_layer("ZeroPad", n)(tuple(range(2 * n))),
    "constant-around": lambda n: torch_layer("ConstantPad", n)(tuple(range(2 * n)), -1.5),
    "nearest": lambda n: nn.Upsample(scale_factor=2),
    "nearest-fraction": lambda n: nn.Upsample(scale_factor=1.7),
    "nearest-size": lambda n: nn.Upsample(size=(11, 3, 7)[:n]),
    "linear-up": lambda n: nn.Upsample(scale_factor=2, mode=LINEAR[n]),
    "linear-fraction": lambda n: nn.Upsample(scale_factor=1.6, mode=LINEAR[n]),
    "linear-recomputed": lambda n: nn.Upsample(
        scale_factor=1.6,
        mode=LINEAR[n],
        recompute_scale_factor=True,
    ),
    "linear-down": lambda n: nn.Upsample(size=(3, 4, 2)[:n], mode=LINEAR[n]),
    "head": lambda n: nn.Sequential(
        torch_layer("Conv", n)(6, 7, 3, stride=2), nn.Flatten(), nn.LazyLinear(5)
    ),
}
EXACT = {"max", "max-ceil", "max-ceil-dropped", "zeros-around", "constant-around", "nearest"}
EXACT |= {"nearest-fraction", "nearest-size"}


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("name", REAL)
def test_real_layers_are_equal_to_rounding(axes, name):
    torch.manual_seed(4)
    layer, x = REAL[name](axes), images(2, 6, *SIZES[axes])
    with torch.no_grad():
        layer(torch.from_numpy(x))  # sizes what is lazy
    expected, got = outputs(randomise(layer, 4), x)
    assert expected.shape == got.shape
    if name in EXACT:
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_whole_network_is_exact_and_survives_its_file(axes, tmp_path):
    torch.manual_seed(6)
    conv, norm = BINARY[axes], torch_layer("BatchNorm", axes)
    model = randomise(
        nn.Sequential(
            torch_layer("Conv", axes)(2, 9, 3, padding=1),
            norm(9),
            conv(9, 12, 3, padding=1, groups=3, pad_value=0),
            torch_layer("MaxPool", axes)(2),
            norm(12),
            nn.Flatten(),
            BinaryLinear(12 * int(np.prod([side // 2 for side in SIZES[axes]])), 10),
            nn.BatchNorm1d(10),
            nn.Linear(10, 4),
        ),
        6,
    )
    x = images(5, 2, *SIZES[axes])
    export.pack(model, torch.from_numpy(x)).save(tmp_path / "m.grove")
    artifact = runtime.load(tmp_path / "m.grove").artifact
    assert len(artifact.graph.input) == axes + 1
    found = export.verify(model, artifact, x)
    assert found.integers > 500
    assert found.signs > 500
    assert found.equal(1e-5), found


@pytest.mark.parametrize("shape", [(1, 6), (1, 1, 2, 2, 2, 2)])
def test_an_example_of_no_known_kind_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(n, c, l\) or \(n, c, h, w\) or"):
        export.pack(nn.Identity(), torch.zeros(shape))
