"""Every packed layer against torch, at every SIMD level of this CPU."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from bitgrove import export, runtime
from bitgrove.nn import BinaryConv2d, BinaryLinear

from .conftest import images, randomise


def outputs(model, x, threads=1):
    """Torch's and the packed output of a model on ``x``."""
    model.eval()
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).numpy().reshape(len(x), -1)
    artifact = export.pack(model, torch.from_numpy(x))
    return expected, runtime.Session(artifact, threads).run(x).reshape(len(x), -1)


GRID = list(
    itertools.product(
        [(1, 8), (3, 5), (64, 16), (70, 33)],  # channels in, out: below, at and past a word
        [1, 2],  # stride
        [0, 1, 2],  # padding
        [-1, 0, 1],  # pad_value
    )
)


@pytest.mark.parametrize(("channels", "stride", "padding", "pad_value"), GRID)
def test_binary_convolution_is_exact(simd_level, channels, stride, padding, pad_value):
    torch.manual_seed(channels[0])
    layer = BinaryConv2d(
        channels[0], channels[1], 3, stride=stride, padding=padding, pad_value=pad_value
    )
    expected, got = outputs(layer, images(2, channels[0], 7, 6))
    assert len(np.unique(expected)) > 3
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("kernel", [1, (1, 3), (5, 2)])
@pytest.mark.parametrize("dilation", [1, 2, (1, 3)])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("pad_value", [-1, 0, 1])
def test_binary_convolution_with_dilation_and_groups_is_exact(kernel, dilation, groups, pad_value):
    torch.manual_seed(groups)
    layer = BinaryConv2d(
        12, 18, kernel, padding=(2, 1), dilation=dilation, groups=groups, pad_value=pad_value
    )
    expected, got = outputs(layer, images(2, 12, 9, 11))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("scale", ["channel", "learned", "spatial"])
@pytest.mark.parametrize("input_scale", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_scales_are_equal_to_rounding(scale, input_scale, groups):
    torch.manual_seed(1)
    layer = BinaryConv2d(
        6,
        8,
        3,
        padding=1,
        stride=2,
        groups=groups,
        scale=scale,
        input_scale=input_scale,
        output_size=(4, 3) if scale == "spatial" else None,
    )
    for name, parameter in layer.named_parameters():
        if name.startswith("scale"):
            nn.init.uniform_(parameter, 0.2, 2)
    expected, got = outputs(layer, images(3, 6, 8, 6))
    np.testing.assert_allclose(got, expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize(
    ("input_estimator", "weight_estimator"),
    [(None, "clipped"), ("clipped", None), (None, None), ("approx", "magnitude_aware")],
)
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_half_binary_convolutions_are_equal_to_rounding(
    pad_value, input_estimator, weight_estimator, groups
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
    nn.init.uniform_(layer.scale_channel, 0.5, 2)
    expected, got = outputs(layer, images(2, 6, 6, 6))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("features", [1, 63, 64, 65, 200])
def test_binary_linear_is_exact(simd_level, features):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), BinaryLinear(features * 2, 9))
    expected, got = outputs(model, images(4, 2, features, 1))
    np.testing.assert_array_equal(got, expected)


REAL_LAYERS = {
    "conv": nn.Conv2d(6, 10, 3, padding=1),
    "conv-strided": nn.Conv2d(6, 10, (3, 2), stride=2, padding=(0, 1), bias=False),
    "conv-dilated": nn.Conv2d(6, 40, 3, dilation=2),
    "conv-grouped": nn.Conv2d(6, 10, 3, padding=1, groups=2),
    "depthwise": nn.Conv2d(6, 6, 3, groups=6),
    "pointwise": nn.Conv2d(6, 33, 1),
    "linear": nn.Sequential(nn.Flatten(), nn.Linear(6 * 9 * 8, 20)),
    "max": nn.MaxPool2d(3, 2, 1),
    "average": nn.AvgPool2d(3, 2, 1),
    "average-inside": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "global": nn.AdaptiveAvgPool2d(1),
    "grid": nn.AdaptiveAvgPool2d((3, 2)),
    "grid-overlapping": nn.AdaptiveAvgPool2d((2, None)),
    "relu": nn.ReLU(),
    "hardtanh": nn.Hardtanh(),
    "prelu": nn.PReLU(6),
    "prelu-shared": nn.PReLU(),
    "norm": nn.BatchNorm2d(6),
    "norm-after-conv": nn.Sequential(nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8)),
    "norm-after-linear": nn.Sequential(
        nn.Flatten(), nn.Linear(6 * 9 * 8, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3)
    ),
}


@pytest.mark.parametrize("name", REAL_LAYERS)
def test_real_layers_are_equal_to_rounding(simd_level, name):
    expected, got = outputs(randomise(REAL_LAYERS[name], 4), images(2, 6, 9, 8))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.BatchNorm2d(6), BinaryConv2d(6, 5, 3)),
        nn.Sequential(nn.BatchNorm2d(6), BinaryConv2d(6, 4, 3, groups=2)),
        nn.Sequential(BinaryConv2d(6, 64, 3), nn.BatchNorm2d(64), BinaryConv2d(64, 5, 3)),
        nn.Sequential(
            BinaryConv2d(6, 7, 3, scale="channel"), nn.BatchNorm2d(7), BinaryConv2d(7, 5, 3)
        ),
        nn.Sequential(
            BinaryConv2d(6, 7, 3),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(7),
            nn.Flatten(),
            BinaryLinear(7 * 3 * 3, 5),
        ),
    ],
)
def test_a_norm_before_signs_becomes_exact_thresholds(simd_level, model):
    torch.manual_seed(5)
    expected, got = outputs(randomise(model, 5), images(8, 6, 9, 8))
    np.testing.assert_array_equal(got, expected)


def test_a_norm_read_by_signs_alone_costs_no_node():
    model = randomise(
        nn.Sequential(BinaryConv2d(6, 64, 3), nn.BatchNorm2d(64), BinaryConv2d(64, 5, 3)), 0
    )
    artifact = export.pack(model, torch.zeros(1, 6, 9, 8))
    assert [node.op for node in artifact.graph.nodes] == [
        "sign",
        "binary_conv2d",
        "sign",
        "binary_conv2d",
    ]
    assert "threshold" in artifact.graph.nodes[2].tensors


def test_a_norm_is_not_folded_into_a_convolution_that_others_read():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
            self.pass_through = nn.Identity()

        def forward(self, x):
            y = self.conv(x)
            return self.norm(self.pass_through(y)) + y

    expected, got = outputs(randomise(Two(), 1), images(2, 3, 4, 4))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_do_not_depend_on_threads(threads):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), BinaryConv2d(8, 4, 3), nn.Flatten())
    x = images(7, 3, 8, 8)
    _, one = outputs(model, x)
    _, many = outputs(model, x, threads)
    np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Softmax(1)), r"layer '0' \(Softmax\).*no packed form.*AvgPool2d"),
        (nn.Sequential(nn.Conv2d(6, 6, 3, padding_mode="reflect")), "only zeros as padding"),
        (nn.Sequential(nn.Linear(8, 3)), "after flattening only"),
        (nn.Sequential(nn.BatchNorm2d(6, track_running_stats=False)), "running statistics"),
    ],
)
def test_what_cannot_be_packed_is_refused_with_the_layer(model, message):
    with pytest.raises(ValueError, match=message):
        export.pack(model, torch.zeros(1, 6, 9, 8))


def test_packing_leaves_the_model_as_it_was():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), BinaryConv2d(4, 2, 3)
    )
    model[1].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    export.pack(model, torch.zeros(1, 3, 8, 8))
    assert [m.training for m in model] == [True, False, True, True]
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


class Traced(nn.Module):
    """A module whose forward is the function given."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Traced(lambda m, x: torch.add(x, x, alpha=0.5)), "no packed form"),
        (Traced(lambda m, x: torch.flatten(x, 1, 2)), "all but the batch"),
        (Traced(lambda m, x: m.act(x) + x, act=nn.ReLU(inplace=True)), "in place"),
        (Traced(lambda m, x: nn.functional.relu(x, inplace=True) + x), "in place"),
    ],
)
def test_functions_that_would_be_packed_wrongly_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        export.pack(model, torch.zeros(1, 6, 9, 8))


def test_in_place_operators_pack_where_nobody_else_reads():
    model = nn.Sequential(nn.Conv2d(6, 4, 3), nn.ReLU(inplace=True), BinaryConv2d(4, 3, 3))
    expected, got = outputs(model, images(2, 6, 9, 8))
    np.testing.assert_array_equal(got, expected)
