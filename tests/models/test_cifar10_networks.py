"""The networks for CIFAR-10: their parameters by hand, their twins, their packed form."""

import copy

import numpy as np
import pytest
import torch
from torch import fx, nn

import bitgrove as bg
from bitgrove import nn as bnn
from bitgrove.optim import split_parameters

SMALL = {
    "bop": ("binarynet", {"variant": "bop", "width": 4, "image_size": 12}, 12),
    "bnn": ("binarynet", {"variant": "bnn", "width": 4, "image_size": (8, 16)}, (8, 16)),
    "xnor": ("xnornet_cifar10", {"width": 4, "image_size": 8}, 8),
    "xnor with K": ("xnornet_cifar10", {"width": 4, "image_size": 8, "input_scale": True}, 8),
    "bwn": ("xnornet_cifar10", {"width": 4, "image_size": 8, "weights_only": True}, 8),
    "bireal": ("birealnet18", {"width": 4, "stem": "small", "num_classes": 10}, 8),
}


def make(key, seed=0, **options):
    name, own, size = SMALL[key]
    torch.manual_seed(seed)
    height, width = size if isinstance(size, tuple) else (size, size)
    return bg.models.create(name, **own, **options), torch.randn(6, 3, height, width)


def warmed(model, x):
    """Batch norms whose running statistics are neither 0 nor 1, in eval mode."""
    model.train()
    for _ in range(3):
        model(x)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.bias.data.normal_()
    return model.eval()


def test_bops_binarynet_has_the_published_size_and_work():
    """Larq's summary: 10.352 M 1-bit and 7,700 real, 1.26 against 39.52 MiB, 514 M MACs, 99.39 %.

    By hand: 9 (3 + 128) 128 + 9 (128 + 256) 256 + 9 (256 + 512) 512 weights of convolutions, which
    run on 30², 30², 15², 15², 7² and 7² pixels, and 4608, 1024 and 1024 times 1024, 1024 and 10 of
    linear layers. Two numbers for each of 128 + 128 + 256 + 256 + 512 + 512 + 1024 + 1024 + 10
    channels of the batch norms.
    """
    with torch.device("meta"):
        got = bg.summary(bg.models.create("binarynet"), (3, 32, 32))
    assert got.binary_parameters == 10_352_000
    assert got.real_parameters == 7_700
    assert got.binary_macs + got.real_macs == 514_072_064
    assert got.real_macs == 27 * 128 * 30 * 30
    assert round(got.float32_bytes / 2**20, 2) == 39.52


def test_bnns_binarynet_has_the_published_size():
    """14.02 M weights: the flattened picture is 512·4·4 and not 512·3·3."""
    with torch.device("meta"):
        got = bg.summary(bg.models.create("binarynet", variant="bnn"), (3, 32, 32))
    assert got.binary_parameters == 10_352_000 + (16 - 9) * 512 * 1024 == 14_022_016
    assert got.real_parameters == 7_700


def test_bops_batch_norms_learn_a_bias_and_no_scale():
    model, _ = make("bop")
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert len(norms) == 9
    for norm in norms:
        assert [name for name, _ in norm.named_parameters()] == ["bias"]
        assert (norm.eps, norm.momentum) == (1e-3, 0.01)
        assert torch.equal(norm.weight, torch.ones(norm.num_features))
    assert not any("norm.weight" in key for key in model.state_dict())
    names = {name for name, _ in make("bnn")[0].named_parameters()}
    assert {"head.norm.weight", "head.norm.bias"} <= names


def test_every_weight_of_binarynet_is_binary():
    for key in ("bop", "bnn"):
        model, _ = make(key)
        binary, real = split_parameters(model)
        assert len(binary) == 9
        assert all(p.ndim == 1 for p in real)
        assert model.convolutions[0].conv.input_estimator is None  # and the picture is real


def test_binarynet_is_the_network_of_its_definition():
    """Bop's form, written out: convolution, max pooling, (x - mean) / sqrt(var + eps) + beta."""
    model, x = make("bop")
    warmed(model, x)
    convolutions = [layer.conv.weight for layer in model.convolutions]
    norms = [*[layer.norm for layer in model.convolutions], *[layer.norm for layer in model.hidden]]
    y = x
    for i, weight in enumerate(convolutions):
        y = y if i == 0 else bnn.sign(y)
        y = nn.functional.conv2d(y, bnn.sign(weight), padding=0 if i == 0 else 1)
        if i % 2:
            y = nn.functional.max_pool2d(y, 2)
        scale = (norms[i].running_var + 1e-3).sqrt()[:, None, None]
        y = (y - norms[i].running_mean[:, None, None]) / scale + norms[i].bias[:, None, None]
    y = y.flatten(1)
    for layer in [*model.hidden, model.head]:
        y = bnn.sign(y) @ bnn.sign(layer.linear.weight).T
        norm = layer.norm
        y = (y - norm.running_mean) / (norm.running_var + 1e-3).sqrt() + norm.bias
    assert y.std() > 0.1
    torch.testing.assert_close(model(x), y, rtol=1e-4, atol=1e-4)


def test_xnornet_is_the_network_of_its_definition():
    """Batch norm, sign, convolution times alpha and K, max pooling; real ends."""
    model, x = make("xnor with K")
    warmed(model, x)
    y = model.stem.norm(model.stem.conv(x)).relu()
    for i, layer in enumerate(model.layers):
        y = layer.norm(y)
        weight, magnitude = layer.conv.weight, y.abs().mean(1, keepdim=True)
        alpha = weight.abs().mean((1, 2, 3))[:, None, None]
        size = weight.shape[2:]
        k = nn.functional.conv2d(
            magnitude, torch.ones(1, 1, *size) / size.numel(), padding=int(i < 5)
        )
        y = nn.functional.conv2d(bnn.sign(y), bnn.sign(weight), padding=int(i < 5)) * alpha * k
        if i in (0, 2, 4):
            y = nn.functional.max_pool2d(y, 2)
    y = model.head(model.embedding[0](y).relu().flatten(1))
    assert y.std() > 0.1
    torch.testing.assert_close(model(x), y, rtol=1e-4, atol=1e-4)


def test_binary_weight_network_is_the_network_of_its_definition():
    model, x = make("bwn")
    warmed(model, x)
    y = model.stem.norm(model.stem.conv(x)).relu()
    for i, layer in enumerate(model.layers):
        weight = layer.conv.weight
        alpha = weight.abs().mean((1, 2, 3), keepdim=True)
        y = nn.functional.conv2d(y, alpha * bnn.sign(weight), padding=int(i < 5))
        if i in (0, 2, 4):
            y = nn.functional.max_pool2d(y, 2)
        y = layer.norm(y).relu()
    y = model.head(y.flatten(1))
    assert y.std() > 0.01
    torch.testing.assert_close(model(x), y, rtol=1e-4, atol=1e-4)


def test_ends_of_xnornet_are_real():
    for key in ("xnor", "bwn"):
        model, _ = make(key)
        binary, real = split_parameters(model)
        assert len(binary) == 7
        assert any(p is model.stem.conv.weight for p in real)
        assert any(p is model.head.weight for p in real)


@pytest.mark.parametrize("key", SMALL)
def test_embedding_comes_before_the_head(key):
    model, x = make(key)
    model.eval()
    assert model.embed(x).shape == (6, model.embedding_dim)
    assert model(x).shape == (6, 10)
    torch.testing.assert_close(model(x), model.head(model.embed(x)))


@pytest.mark.parametrize("key", SMALL)
@pytest.mark.parametrize("real", [False, True, "relu", "leaky_clip", "clip"])
def test_every_parameter_moves_in_one_backward_pass(key, real):
    model, x = make(key, real=real)
    model.train()
    (model(x) * torch.randn(6, 10)).sum().backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still


@pytest.mark.parametrize("key", SMALL)
@pytest.mark.parametrize("real", [True, "relu", "leaky_clip", "clip"])
def test_the_state_of_each_twin_fits_the_network(key, real):
    model, x = make(key)
    twin, _ = make(key, seed=1, real=real)
    assert not any(isinstance(m, bnn.BinaryLayer) for m in twin.modules())
    assert {type(m) for m in twin.modules()} & {nn.ReLU, nn.Hardtanh, bnn.LeakyClip}
    before = copy.deepcopy(model).eval()(x)
    model.load_state_dict(twin.state_dict())
    assert not torch.equal(model.eval()(x), before)
    twin.load_state_dict(model.state_dict())


def test_the_twins_differ_in_their_activation_alone():
    nets = {r: make("bireal", real=r)[0].eval() for r in ("relu", "leaky_clip", "clip")}
    x = make("bireal")[1]
    states = [net.state_dict() for net in nets.values()]
    assert all(torch.equal(states[0][key], state[key]) for state in states for key in states[0])
    outputs = [net(x) for net in nets.values()]
    assert not torch.allclose(outputs[0], outputs[1])
    assert not torch.allclose(outputs[1], outputs[2])


@pytest.mark.parametrize("key", SMALL)
def test_packed_network_equals_torch(key):
    model, x = make(key)
    warmed(model, x)
    artifact = bg.export.pack(model, x[:1])
    proof = bg.export.verify(model, artifact, np.ascontiguousarray(x.numpy()))
    assert proof.equal(), proof
    assert proof.integers > 0 or key == "bwn"


def test_small_stem_keeps_the_picture_and_large_stem_quarters_it():
    small, x = make("bireal")
    assert small.stem(x).shape == (6, 4, 8, 8)
    large = bg.models.create("birealnet18", width=4, num_classes=10)
    assert large.stem(torch.zeros(1, 3, 64, 64)).shape == (1, 4, 16, 16)
    assert large.embed(torch.zeros(2, 3, 64, 64)).shape == (2, 32)


def test_same_graph_whoever_traces():
    class Tracer(fx.Tracer):
        def is_leaf_module(self, m, module_qualified_name):
            leaf = isinstance(m, bnn.BinaryLayer | bnn.LeakyClip)
            return leaf or super().is_leaf_module(m, module_qualified_name)

    for key in SMALL:
        model, x = make(key)
        graph = Tracer().trace(model.eval())
        functions = {node.target.__name__ for node in graph.nodes if node.op == "call_function"}
        assert functions <= {"add"}
        assert torch.equal(fx.GraphModule(model, graph)(x), model(x))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("binarynet", {"image_size": 8}, r"at least 10 for variant 'bop', .* or use variant='bnn'"),
        ("binarynet", {"image_size": (32, 7), "variant": "bnn"}, r"at least 8 .* got \(32, 7\)"),
        ("binarynet", {"variant": "larq"}, "variant must be 'bop' or 'bnn', got 'larq'"),
        ("binarynet", {"real": "tanh"}, "one of 'relu', 'leaky_clip', 'clip', got 'tanh'"),
        ("binarynet", {"width": 0}, "width must be at least 1, got 0"),
        ("binarynet", {"image_size": 0}, "image_size must be an integer of at least 1 or two"),
        ("xnornet_cifar10", {"image_size": 4}, "image_size must be at least 8"),
        (
            "xnornet_cifar10",
            {"weights_only": True, "input_scale": True},
            "weights_only keeps the activations real",
        ),
        ("birealnet18", {"stem": "tiny"}, "stem must be one of 'large', 'small', got 'tiny'"),
    ],
)
def test_options_out_of_range_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        bg.models.create(name, **options)


def test_grey_pictures_of_28_pixels_fit():
    for name in ("binarynet", "xnornet_cifar10"):
        model = bg.models.create(name, in_channels=1, num_classes=3, image_size=28, width=2)
        assert model.eval()(torch.zeros(1, 1, 28, 28)).shape == (1, 3)
