"""Packed ferns against their layers: equal bit for bit, whatever their thresholds take in."""

import numpy as np
import pytest
import torch
from torch import nn

import bitgrove as bg
from bitgrove import export, runtime
from bitgrove.nn import BinaryConv2d, FernConv2d, FernLinear

from .conftest import images, randomise


def outputs(model, x, threads=1, path=None):
    """Torch's and the packed output of a model on ``x``, and the operators of the file."""
    model.eval()
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).numpy()
    artifact = export.pack(model, torch.from_numpy(x))
    if path is not None:
        artifact.save(path)
        artifact = runtime.load(path).artifact
    got = runtime.Session(artifact, threads).run(x)
    return expected, got, [node.op for node in artifact.graph.nodes]


def fern(*shape, seed=0, **options):
    torch.manual_seed(seed)
    layer = FernConv2d(*shape, **options)
    layer.thresholds.data.normal_()
    return layer


@pytest.mark.parametrize("tests", ["random", "learned"])
@pytest.mark.parametrize("gradient", ["tanh", "ste", "hinge", "efd", "soft"])
def test_a_trained_layer_is_exact_however_its_gradient_came(gradient, tests):
    layer = FernConv2d(3, 5, 3, ferns=4, depth=4, gradient=gradient, tests=tests, padding=1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.3)
    x = torch.from_numpy(images(4, 3, 8, 8))
    before = layer.thresholds.detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        layer.train()(x).square().mean().backward()
        optimizer.step()
    assert not torch.equal(layer.thresholds, before)
    expected, got, _ = outputs(layer, x.numpy())
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("depth", [1, 3, 4, 5, 6, 7, 8])
def test_fern_convolution_is_exact(simd_level, depth, tmp_path):
    layer = fern(5, 33, 3, ferns=6, depth=depth, stride=2, padding=1)
    expected, got, ops = outputs(layer, images(2, 5, 9, 11), path=tmp_path / "m.grove")
    assert ops == ["fern_conv2d"]
    assert len(np.unique(expected)) > 100
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    "geometry",
    [
        {"stride": (1, 3), "padding": (2, 4)},
        {"dilation": (2, 3), "padding": 3},
        {"groups": 3, "padding": 1, "stride": 2},
        {"groups": 6},
        {"stride": 2, "padding": 5},  # windows in the padding alone
    ],
    ids=str,
)
@pytest.mark.parametrize("width", [13, 140])
def test_geometry_is_that_of_torch(simd_level, geometry, width):
    layer = fern(6, 18, 3, ferns=5, depth=4, **geometry)
    expected, got, _ = outputs(layer, images(2, 6, 8, width))
    np.testing.assert_array_equal(got, expected)


def test_sums_of_many_ferns_pass_sixteen_bits(simd_level):
    layer = fern(4, 3, 3, ferns=400, depth=4)
    with torch.no_grad():
        layer.table.fill_(1.0)
    model = nn.Sequential(layer, fern(3, 5, 1, ferns=2, depth=2))
    model[1].thresholds.data.fill_(400.0)
    expected, got, _ = outputs(model, images(1, 4, 6, 6))
    np.testing.assert_array_equal(got, expected)
    expected, got, _ = outputs(layer, images(1, 4, 6, 6))
    assert expected.max() == np.float32(127 * 400) * np.float32(np.float32(1) / np.float32(127))
    np.testing.assert_array_equal(got, expected)


def with_ties(model, layer, norm):
    """Put thresholds on values that the norm really gives, so that rounding would show."""
    x = torch.from_numpy(images(2, 4, 12, 14))
    with torch.no_grad():
        values = norm(layer(x))
    reader = model[-1]
    for k, place in enumerate(reader.chosen().flatten().tolist()):
        channel = values[:, place // 9].flatten()
        reader.thresholds.data.view(-1)[k] = channel[k * 7 % len(channel)]
    return x.numpy()


@pytest.mark.parametrize(
    ("between", "stride"),
    [
        ("norm", 1),
        ("norm", 2),
        ("norm", 3),
        ("norm-relu", 2),
        ("relu", 1),
        ("prelu", 1),
        ("none", 2),
    ],
)
def test_what_lies_between_ferns_becomes_their_thresholds_exactly(simd_level, between, stride):
    first = fern(4, 20, 3, padding=1, ferns=6, depth=4)
    parts = {
        "norm": [nn.BatchNorm2d(20)],
        "norm-relu": [nn.BatchNorm2d(20), nn.ReLU()],
        "relu": [nn.ReLU()],
        "prelu": [nn.BatchNorm2d(20), nn.PReLU(20)],
        "none": [],
    }[between]
    second = fern(20, 40, 3, seed=1, stride=stride, padding=1, ferns=10, depth=4)
    model = randomise(nn.Sequential(first, *parts, second), 3)
    x = with_ties(model, first, nn.Sequential(*parts).eval())
    expected, got, ops = outputs(model, x)
    assert ops == ["fern_conv2d", "fern_conv2d"]
    np.testing.assert_array_equal(got, expected)


def test_norm_before_ferns_of_real_numbers_becomes_their_thresholds(simd_level):
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 70, 3, padding=1)
    second = fern(70, 9, 3, ferns=9, padding=1, depth=4, stride=2)
    with torch.no_grad():  # whole numbers, which no way of adding rounds
        conv.weight.copy_(torch.randint(-3, 4, conv.weight.shape))
        conv.bias.zero_()
    model = randomise(nn.Sequential(conv, nn.BatchNorm2d(70), nn.ReLU(), second), 5)
    x = np.random.default_rng(0).integers(-4, 5, (2, 3, 10, 70)).astype(np.float32)
    expected, got, ops = outputs(model, x)
    assert ops == ["conv2d", "fern_conv2d"]
    np.testing.assert_array_equal(got, expected)


class Forked(nn.Module):
    """Ferns whose sums two ferns, a binary convolution and an addition read."""

    def __init__(self):
        super().__init__()
        self.first = fern(3, 8, 3, padding=1, ferns=4, depth=3)
        self.norm = nn.BatchNorm2d(8)
        self.left = fern(8, 8, 3, seed=1, padding=1, ferns=4, depth=3)
        self.right = fern(8, 8, 5, seed=2, padding=2, ferns=4, depth=2)
        self.signs = BinaryConv2d(8, 8, 3, padding=1)

    def forward(self, x):
        y = self.norm(self.first(x))
        return self.left(y) + self.right(y) + self.signs(y) + y


@pytest.mark.parametrize("threads", [1, 3])
def test_ferns_whose_values_others_read_keep_them(simd_level, threads):
    model = randomise(Forked(), 4)
    expected, got, _ = outputs(model, images(3, 3, 9, 10), threads)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_norm_that_real_layers_read_goes_into_the_scale(simd_level):
    model = randomise(
        nn.Sequential(fern(3, 8, 3, ferns=4, depth=4), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)), 6
    )
    expected, got, ops = outputs(model, images(2, 3, 8, 8))
    assert ops == ["fern_conv2d", "conv2d"]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_linear_ferns_are_exact(simd_level):
    torch.manual_seed(2)
    layer = FernLinear(2 * 7 * 5, 9, ferns=8, depth=4)
    layer.thresholds.data.normal_()
    model = randomise(
        nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), layer, nn.BatchNorm1d(9), FernLinear(9, 3)),
        3,
    )
    expected, got, ops = outputs(model, images(4, 2, 7, 5))
    assert ops == ["flatten", "fern_conv2d", "fern_conv2d", "affine"]  # the last: the embedding
    np.testing.assert_array_equal(got, expected)


def test_learned_tests_are_packed_as_chosen():
    torch.manual_seed(3)
    layer = FernConv2d(4, 6, 3, ferns=6, depth=4, tests="learned")
    layer.test_logits.data.normal_()
    layer.thresholds.data.normal_()
    assert (layer.test_logits.argmax(2) > 0).any()
    expected, got, _ = outputs(layer, images(2, 4, 7, 7))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_network_of_the_paper_is_exact_up_to_the_means(simd_level, threads, tmp_path):
    torch.manual_seed(4)
    model = bg.models.create("fernnet", num_classes=3)
    x = images(4, 3, 48, 48)
    model.train()
    with torch.no_grad():
        for _ in range(2):
            model(torch.from_numpy(x))
    model = randomise(model, 1)
    expected, got, ops = outputs(model, x, threads, tmp_path / "m.grove")
    assert ops == ["fern_conv2d"] * 3 + ["adaptive_avg_pool", "conv2d"]
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)
    ferns = model.layers
    model = nn.Sequential(ferns[0], ferns[1], ferns[2].conv)
    expected, got, _ = outputs(model, x, threads)
    np.testing.assert_array_equal(got, expected)


def test_float_tables_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match="float32 cannot be packed: make the layer with table_dt"):
        export.pack(FernConv2d(2, 3, 3, table_dtype="float32"), torch.zeros(1, 2, 5, 5))


def test_float16_leaves_what_comparisons_need():
    model = randomise(
        nn.Sequential(fern(4, 9, 3), nn.BatchNorm2d(9), fern(9, 5, 3, seed=1)), 3
    ).eval()
    x = images(2, 4, 9, 9)
    artifact = export.pack(model, torch.from_numpy(x), real_dtype="float16")
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(runtime.Session(artifact).run(x), expected)
