"""The networks for CIFAR-10: their definitions and their packed form."""

import numpy as np
import pytest
import torch
from torch import nn

import bitgrove as bg
from bitgrove import nn as bnn
from bitgrove.optim import split_parameters

from .small import SMALL, make, warmed


def test_bops_batch_norms_learn_a_bias_and_no_scale():
    model, _ = make("binarynet, bop")
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert len(norms) == 9
    for norm in norms:
        assert [name for name, _ in norm.named_parameters()] == ["bias"]
        assert (norm.eps, norm.momentum) == (1e-3, 0.01)
        assert torch.equal(norm.weight, torch.ones(norm.num_features))
    assert not any("norm.weight" in key for key in model.state_dict())
    names = {name for name, _ in make("binarynet, bnn")[0].named_parameters()}
    assert {"head.norm.weight", "head.norm.bias"} <= names


def test_every_weight_of_binarynet_is_binary():
    for key in ("binarynet, bop", "binarynet, bnn"):
        model, _ = make(key)
        binary, real = split_parameters(model)
        assert len(binary) == 9
        assert all(p.ndim == 1 for p in real)
        assert model.convolutions[0].conv.input_estimator is None  # and the picture is real


def test_binarynet_is_the_network_of_its_definition():
    """Bop's form, written out: convolution, max pooling, (x - mean) / sqrt(var + eps) + beta."""
    model, x = make("binarynet, bop")
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
    model, x = make("xnornet_cifar10, K")
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
    model, x = make("xnornet_cifar10, BWN")
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
    for key in ("xnornet_cifar10", "xnornet_cifar10, BWN"):
        model, _ = make(key)
        binary, real = split_parameters(model)
        assert len(binary) == 7
        assert any(p is model.stem.conv.weight for p in real)
        assert any(p is model.head.weight for p in real)


@pytest.mark.parametrize("key", [key for key in SMALL if "binarynet" in key or "cifar10" in key])
def test_packed_network_equals_torch(key):
    model, x = make(key)
    warmed(model, x)
    artifact = bg.export.pack(model, x[:1])
    proof = bg.export.verify(model, artifact, np.ascontiguousarray(x.numpy()))
    assert proof.equal(), proof
    assert proof.integers > 0 or "BWN" in key


def test_small_stem_keeps_the_picture_and_large_stem_quarters_it():
    small, x = make("birealnet18")
    assert small.stem(x).shape == (6, 4, 8, 8)
    large = bg.models.create("birealnet18", width=4, num_classes=10)
    assert large.stem(torch.zeros(1, 3, 64, 64)).shape == (1, 4, 16, 16)
    assert large.embed(torch.zeros(2, 3, 64, 64)).shape == (2, 32)


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
