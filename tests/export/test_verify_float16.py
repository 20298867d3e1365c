"""A model in float16 is compared with torch's unrounded numbers: integers exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bitgrove import export

from .networks import make


@pytest.fixture(scope="module")
def packed():
    model, x = make("birealnet18")
    return model, x.numpy(), export.pack(model, x, real_dtype="float16")


@pytest.mark.parametrize("name", ["binarynet", "birealnet34", "bwn_resnet18", "reactnet_a"])
def test_a_network_in_float16_equals_its_torch_model_up_to_its_rounding(name):
    model, x = make(name)
    artifact = export.pack(model, x, real_dtype="float16")
    found = export.verify(model, artifact, x.numpy())
    assert found.real_dtype == "float16"
    assert found.integers > 1000
    assert found.equal(), found
    # The tolerances are several times what is seen.
    assert found.relative_error < 1e-2
    assert found.signs_turned <= 1 + 3e-4 * found.signs
    assert not found.equal(1e-6)  # it was rounded
    exact = export.verify(model, artifact.with_real_dtype("float32"), x.numpy())
    assert not exact.equal()  # numbers that were rounded are not excused as float32


def test_a_flipped_bit_a_wrong_scale_and_a_wrong_threshold_are_found(packed):
    model, x, artifact = packed
    assert export.verify(model, artifact, x).equal()
    changes = {"weight": lambda a: a.__ixor__(1), "scale": lambda a: a.__imul__(np.float16(1.5))}
    for role, change in changes.items():
        damaged = export.pack(model, torch.from_numpy(x), real_dtype="float16")
        node = [n for n in damaged.graph.nodes if n.op == "binary_conv2d"][3]
        change(node.tensors[role])
        assert not export.verify(model, damaged, x).equal(), role


def test_more_signs_may_turn_than_in_float32_and_not_any_number():
    found = export.Verification(
        images=10,
        integers=10,
        integers_different=0,
        signs=1_000_000,
        ties=10,
        signs_turned=900,
        signs_different=0,
        relative_error=1e-2,
        real_dtype="float16",
    )
    assert found.equal()
    for change in (
        {"signs_turned": 1100},
        {"relative_error": 3e-2},
        {"integers_different": 1},
        {"signs_different": 1},
        {"real_dtype": "float32"},
    ):
        assert not replace(found, **change).equal(), change


def test_a_changed_head_is_found(packed):
    model, x, _ = packed
    artifact = export.pack(model, torch.from_numpy(x), real_dtype="float16")
    logits = np.abs(model(torch.from_numpy(x)).detach().numpy()).max()
    artifact.graph.nodes[-1].tensors["bias"][0] += np.float16(0.05 * logits)
    found = export.verify(model, artifact, x)
    assert (found.integers_different, found.signs_different) == (0, 0)
    assert not found.equal()
