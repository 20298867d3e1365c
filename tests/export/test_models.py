"""Every network packs, and the packed one equals its torch model."""

import numpy as np
import pytest
import torch

import bitgrove as bg
from bitgrove import export, runtime

from .networks import SMALL, make

VARIANTS = [
    ("binarynet", {"variant": "bnn"}),
    ("binarynet", {"pad_value": 1.0}),
    ("birealnet18", {"stem": "small", "pad_value": -1.0}),
    ("nin", {"weights_only": True}),
    ("reactnet_a", {"weight_estimator": None}),  # the first of ReActNet's two steps
    ("xnor_alexnet", {"input_scale": True}),
    ("xnor_resnet18", {"input_scale": True, "input_estimator": "stochastic"}),
    ("xnornet_cifar10", {"weights_only": True}),
]


def packed(model, x, path):
    """The model after a trip through a file."""
    export.pack(model, x).save(path)
    return runtime.load(path).artifact


def distance(found, expected):
    """The largest difference of an image over its largest number."""
    found, expected = found.reshape(len(found), -1), expected.reshape(len(expected), -1)
    return (np.abs(found - expected).max(1) / np.abs(expected).max(1)).max()


def test_every_network_is_tried():
    assert SMALL.keys() == set(bg.models.list())


OF_BITS = [name for name in SMALL if name != "fernnet"]  # which test_pack_fern_layers.py packs


@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in OF_BITS), *VARIANTS])
def test_a_binary_network_packs_and_equals_its_torch_model(name, options, tmp_path):
    model, x = make(name, **options)
    found = export.verify(model, packed(model, x, tmp_path / "m.grove"), x.numpy())
    assert found.integers > 1000 or options.get("weight_estimator", "") is None
    assert found.signs > 1000 or "bwn" in name or options.get("weights_only")
    assert found.equal(), found
    assert found.ties == 0, found


@pytest.mark.parametrize("name", SMALL)
def test_a_real_twin_rounds_no_worse_than_torch(name, tmp_path):
    model, x = make(name, real=True)
    got = runtime.Session(packed(model, x, tmp_path / "m.grove")).run(x.numpy())
    with torch.no_grad():
        rounded = model(x).numpy()
        exact = model.double()(x.double()).numpy()
    assert distance(got, exact) <= 3 * distance(rounded, exact) + 1e-6


def test_a_packed_network_embeds_as_the_model_does():
    for name in ("binarynet", "birealnet18", "xnornet_cifar10"):
        model, x = make(name)
        embeddings = runtime.Session(export.pack(model, x)).embed(x.numpy())
        with torch.no_grad():
            expected = model.embed(x).numpy()
        np.testing.assert_allclose(embeddings, expected, rtol=1e-4, atol=1e-4)


def test_a_map_is_returned_in_the_shape_of_torch():
    model, x = make("birealnet50_depth")
    session = runtime.Session(export.pack(model, x))
    with torch.no_grad():
        expected = model(x).numpy()
    assert session.output_shape == expected.shape[1:]
    got = session.run(x.numpy())
    assert got.shape == expected.shape
    assert session.embed(x.numpy()).shape == (len(x), expected[0].size)
    assert session.run(x.numpy()[:0]).shape == (0, *expected.shape[1:])
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
