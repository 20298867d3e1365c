"""Every network packs, and the packed one equals its torch model."""

import inspect

import numpy as np
import pytest

import bitgrove as bg
from bitgrove import export, runtime
from bitgrove.models._registry import _MODELS

from .networks import SMALL, make


def packed(model, x, path):
    """The model after a trip through a file."""
    export.pack(model, x).save(path)
    return runtime.load(path).artifact


def test_every_network_is_tried():
    assert SMALL.keys() == set(bg.models.list())


@pytest.mark.parametrize("name", SMALL)
def test_a_binary_network_packs_and_equals_its_torch_model(name, tmp_path):
    model, x = make(name)
    found = export.verify(model, packed(model, x, tmp_path / "m.grove"), x.numpy())
    assert found.integers > 1000
    assert found.equal(1e-5), found
    assert found.ties == 0, found


@pytest.mark.parametrize("name", SMALL)
def test_a_real_twin_packs_and_equals_its_torch_model(name, tmp_path):
    model, x = make(name, real=True)
    found = export.verify(model, packed(model, x, tmp_path / "m.grove"), x.numpy())
    assert found.integers == 0
    assert found.equal(1e-5), found
