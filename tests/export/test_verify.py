import copy
from dataclasses import replace

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch import nn

import bitgrove as bg
from bitgrove import export, runtime
from bitgrove.nn import (
    BinaryConv2d,
    BinaryLinear,
    FernConv2d,
    FernLinear,
    NeuralDecisionForest,
    ResidualForestHead,
    harden,
)

from .conftest import images, randomise


@pytest.fixture
def packed():
    torch.manual_seed(0)
    model = randomise(bg.models.create("birealnet_small", num_classes=5, width=16), 0)
    return model, export.pack(model, torch.zeros(1, 1, 8, 8))


def test_a_bireal_network_equals_its_torch_model(simd_level, packed):
    model, artifact = packed
    found = export.verify(model, artifact, images(50, 1, 8, 8))
    assert found.integers > 50_000
    assert found.signs > 50_000
    assert found.equal(1e-5), found


def test_a_flipped_weight_bit_is_found(packed):
    model, artifact = packed
    node = next(node for node in artifact.graph.nodes if node.op == "binary_conv2d")
    node.tensors["weight"][0, 1, 1, 0] ^= 1 << 7
    found = export.verify(model, artifact, images(5, 1, 8, 8))
    assert found.integers_different > 0
    assert not found.equal()


def test_a_changed_real_weight_is_found(packed):
    model, artifact = packed
    artifact.graph.nodes[0].tensors["weight"] += 0.01
    found = export.verify(model, artifact, images(20, 1, 8, 8))
    assert found.integers_different == 0  # layer by layer the bits are still right
    assert not found.equal()


def test_a_changed_head_is_found(packed):
    model, artifact = packed
    artifact.graph.nodes[-1].tensors["bias"] += 0.05
    found = export.verify(model, artifact, images(5, 1, 8, 8))
    assert found.signs_different == 0
    assert not found.equal()


def test_ties_are_excused_by_the_number_of_signs_and_nothing_else_is():
    found = export.Verification(
        images=256,
        integers=10,
        integers_different=0,
        signs=35_000_000,
        ties=4,
        signs_turned=4,
        signs_different=0,
        relative_error=1e-7,
    )
    assert found.equal()
    for change in (
        {"signs_turned": 50},
        {"integers_different": 1},
        {"signs_different": 1},
        {"relative_error": 1e-3},
    ):
        assert not replace(found, **change).equal()


class Residual(nn.Module):
    """A random block: norms, a binary convolution, an activation, a second reader."""

    def __init__(self, draw, channels):
        super().__init__()
        self.out = draw(st.integers(1, 70))
        groups = draw(st.sampled_from([g for g in (1, 2, 3) if not channels % g | self.out % g]))
        self.before = nn.BatchNorm2d(channels) if draw(st.booleans()) else nn.Identity()
        self.conv = BinaryConv2d(
            channels,
            self.out,
            draw(st.sampled_from([1, 3, (1, 3)])),
            stride=draw(st.sampled_from([1, 2])),
            padding=draw(st.integers(0, 2)),
            pad_value=draw(st.sampled_from([-1, 0, 1])),
            dilation=draw(st.sampled_from([1, 2])),
            groups=groups,
            scale=draw(st.sampled_from([None, "channel", "learned"])),
            input_scale=draw(st.booleans()),
        )
        self.after = nn.BatchNorm2d(self.out) if draw(st.booleans()) else nn.Identity()
        self.activation = draw(
            st.sampled_from([nn.Identity(), nn.PReLU(self.out), nn.ReLU(), nn.Hardtanh()])
        )
        self.shortcut = draw(st.booleans())

    def forward(self, x):
        y = self.activation(self.after(self.conv(self.before(x))))
        return y + y if self.shortcut else y


@st.composite
def networks(draw):
    torch.manual_seed(draw(st.integers(0, 2**31)))
    channels = draw(st.integers(1, 8))
    stem = nn.Conv2d(draw(st.sampled_from([1, 3])), channels, 3, padding=1)
    layers: list[nn.Module] = [stem]
    for _ in range(draw(st.integers(1, 3))):
        block = Residual(draw, channels)
        layers.append(block)
        channels = block.out
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(channels)]
    head = draw(st.sampled_from([nn.Linear, BinaryLinear]))
    layers.append(head(channels, 4))
    return randomise(nn.Sequential(*layers), draw(st.integers(0, 2**31))), stem.in_channels


@hypothesis.given(networks())
@hypothesis.settings(max_examples=40, suppress_health_check=[hypothesis.HealthCheck.too_slow])
def test_random_networks_equal_their_torch_models(network):
    model, channels = network
    x = images(3, channels, 33, 32)
    artifact = export.pack(model, torch.from_numpy(x))
    found = export.verify(model, artifact, x)
    assert found.integers > 0
    assert found.equal(), found


def test_a_saved_model_runs_as_the_packed_one(tmp_path, packed):
    _, artifact = packed
    path = tmp_path / "m.grove"
    artifact.save(path)
    x = images(9, 1, 8, 8)
    before, after = runtime.Session(artifact), runtime.load(path, threads=2)
    np.testing.assert_array_equal(before.run(x), after.run(x))
    np.testing.assert_array_equal(before.embed(x), after.embed(x))


def test_a_single_layer_and_a_layer_named_like_a_function_are_verified():
    x = images(3, 4, 6, 6)
    alone = BinaryConv2d(4, 5, 3, padding=1)
    assert export.verify(alone, export.pack(alone, torch.from_numpy(x)), x).equal()

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.add = BinaryConv2d(4, 4, 3, padding=1)

        def forward(self, x):
            return self.add(x + x) + x

    model = Named()
    found = export.verify(model, export.pack(model, torch.from_numpy(x)), x)
    assert found.integers > 0
    assert found.equal()


def test_a_tie_is_counted_and_what_follows_is_compared_all_the_same():
    """The stem of the packed model is moved by less than rounding would."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3),
        BinaryConv2d(16, 8, 3, input_scale=True),
        BinaryConv2d(8, 4, 1),
        nn.Flatten(),
        nn.Linear(4 * 16, 3),
    )
    x = images(3, 3, 8, 8)
    with torch.no_grad():  # one pre-activation of the second picture is exactly 0
        model[0].bias[5] -= model[0](torch.from_numpy(x))[1, 5, 2, 2]
        model[0].bias[5] -= model[0](torch.from_numpy(x))[1, 5, 2, 2]
    artifact = export.pack(model, torch.from_numpy(x))
    artifact.graph.nodes[0].tensors["bias"][5] -= 1e-6
    found = export.verify(model, artifact, x)
    assert (found.ties, found.signs_turned, found.signs_different) == (1, 1, 0)
    assert found.equal(), found
    session = runtime.Session(artifact)
    with torch.no_grad():
        logits = model(torch.from_numpy(x)).numpy()
    assert np.abs(session.run(x) - logits).max() > 1e-3  # the tie mattered
    artifact.graph.nodes[-1].tensors["bias"][0] += 0.05  # and it hides no later difference
    assert not export.verify(model, artifact, x[1:2]).equal()


def test_a_wrong_threshold_is_no_tie():
    torch.manual_seed(1)
    model = randomise(
        nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), BinaryConv2d(16, 8, 3)), 1
    )
    x = images(3, 3, 8, 8)
    artifact = export.pack(model, torch.from_numpy(x))
    artifact.graph.nodes[1].tensors["threshold"] += 0.1
    found = export.verify(model, artifact, x)
    assert found.signs_different > 0
    assert not found.equal()


def test_binary_weights_on_real_inputs_are_compared_as_integers():
    torch.manual_seed(2)
    model = nn.Sequential(BinaryConv2d(3, 8, 3, input_estimator=None), nn.ReLU())
    x = images(2, 3, 8, 8)
    artifact = export.pack(model, torch.from_numpy(x))
    found = export.verify(model, artifact, x)
    assert found.integers == 2 * 8 * 6 * 6
    assert found.equal(), found
    artifact.graph.nodes[0].tensors["weight"][0, 0, 0, 0] ^= 1 << 7
    assert export.verify(model, artifact, x).integers_different > 0


def test_a_layer_that_is_called_twice_is_refused():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = BinaryConv2d(3, 3, 3, padding=1)

        def forward(self, x):
            return self.conv(self.conv(x))

    x = images(2, 3, 8, 8)
    with pytest.raises(ValueError, match=r"'conv' is called twice.*copy.deepcopy"):
        export.verify(Twice(), export.pack(Twice(), torch.from_numpy(x)), x)


def test_a_torch_tensor_is_refused_with_the_way_out(packed):
    x = torch.zeros(2, 1, 8, 8)
    with pytest.raises(TypeError, match=r"float32 array, got Tensor; give x.numpy\(\)"):
        export.verify(*packed, x)
    with pytest.raises(TypeError, match=r"float32 array, got Tensor; give x.numpy\(\)"):
        runtime.Session(packed[1]).run(x)


def test_a_layer_of_its_own_for_each_call_is_verified():
    one = BinaryConv2d(3, 3, 3, padding=1)
    model = nn.Sequential(one, copy.deepcopy(one))
    x = images(2, 3, 8, 8)
    assert export.verify(model, export.pack(model, torch.from_numpy(x)), x).equal()


def test_no_images_prove_nothing(packed):
    model, artifact = packed
    with pytest.raises(ValueError, match="at least one image"):
        export.verify(model, artifact, images(0, 1, 8, 8))


def fern_network():
    """Ferns behind a real layer, whose rounding turns tests, and behind ferns."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        FernConv2d(8, 12, 3, padding=1, stride=2, ferns=6, depth=4, groups=2),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        FernConv2d(12, 9, 3, padding=1, ferns=5, depth=3),
        nn.Flatten(),
        FernLinear(9 * 16, 4, ferns=8, depth=4),
    )
    x = images(40, 3, 8, 8)
    with torch.no_grad():
        model.train()(torch.from_numpy(x))
    model = randomise(model, 1).eval()
    return model, export.pack(model, torch.from_numpy(x)), x


def ferns_of(artifact):
    return [node for node in artifact.graph.nodes if node.op == "fern_conv2d"]


def test_fern_layers_are_compared_integer_by_integer(simd_level):
    model, artifact, x = fern_network()
    found = export.verify(model, artifact, x)
    assert found.integers == 40 * (12 * 16 + 9 * 16 + 4)
    assert found.signs == 40 * (2 * 6 * 4 * 16 + 5 * 3 * 16 + 8 * 4)
    assert found.equal(), found


def test_a_changed_entry_of_a_ferns_table_is_found():
    model, artifact, x = fern_network()
    table = ferns_of(artifact)[1].tensors["table"]
    table[0, 2] = np.clip(table[0, 2].astype(int) + 1, -127, 127)
    found = export.verify(model, artifact, x)
    assert found.integers_different > 0
    assert not found.equal()


@pytest.mark.parametrize("role", ["threshold", "flip", "outside", "place"])
@pytest.mark.parametrize("layer", [0, 1])
def test_a_changed_test_of_a_fern_is_found(role, layer):
    model, artifact, x = fern_network()
    node = ferns_of(artifact)[layer]
    if role == "threshold":
        node.tensors[role] = node.tensors[role] + np.float32(0.5)
    elif role == "place":
        node.tensors[role] = np.roll(node.tensors[role].reshape(-1, 3 + (layer == 0)), 1, 0).ravel()
        if layer == 0:  # not into the other group
            node.tensors[role][:4], node.tensors[role][24:28] = (
                ferns_of(artifact)[0].tensors[role][24:28].copy(),
                ferns_of(artifact)[0].tensors[role][:4].copy(),
            )
    else:
        node.tensors[role] = node.tensors.get(role, np.zeros(6 if layer == 0 else 2, np.uint8)) ^ 64
    found = export.verify(model, artifact, x)
    assert found.signs_different + found.integers_different > 0
    assert not found.equal()


def test_a_test_at_its_threshold_is_a_tie_and_torch_goes_on_with_the_packed_answer():
    model, _, x = fern_network()
    first = model[2]
    assert isinstance(first, FernConv2d)
    values = []
    handle = first.register_forward_pre_hook(lambda _, args: values.append(args[0]))
    with torch.no_grad():
        model(torch.from_numpy(x))
    handle.remove()
    with torch.no_grad():  # thresholds on values that torch computes: rounding decides
        for k, place in enumerate(first.chosen().flatten().tolist()):
            channel = values[0][:, place // 9].flatten()
            first.thresholds.view(-1)[k] = channel[k * 31 % len(channel)]
    artifact = export.pack(model, torch.from_numpy(x))
    found = export.verify(model, artifact, x)
    assert found.signs_turned > 0
    assert found.ties > 0
    assert found.signs_different == found.integers_different == 0
    assert found.relative_error < 1e-4


class Forests(nn.Module):
    """A residual forest at every pixel, and hard trees on their means."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.residual = ResidualForestHead(6, 5, trees=7, depth=4)
        self.residual.leaf.data.normal_()
        self.residual.threshold.normal_(std=0.5)
        soft = NeuralDecisionForest(5, 4, trees=3, depth=4)
        self.hard = harden(soft)

    def forward(self, x):
        return self.hard(self.residual(self.conv(x)).mean((2, 3)))


@pytest.fixture
def forests():
    torch.manual_seed(0)
    model = Forests().eval()
    x = images(30, 3, 7, 5)
    return model, export.pack(model, torch.from_numpy(x)), x


def test_forests_are_compared_leaf_by_leaf(simd_level, forests):
    model, artifact, x = forests
    found = export.verify(model, artifact, x)
    assert found.integers == 30 * 2 * (35 + 1)
    assert found.signs == 30 * (35 * 7 * 4 + 3 * 4)
    assert found.equal(), found


@pytest.mark.parametrize("forest", [0, 1])
@pytest.mark.parametrize("role", ["threshold", "children", "leaf"])
def test_a_changed_tree_is_found(forests, forest, role):
    model, artifact, x = forests
    node = [node for node in artifact.graph.nodes if node.op == "forest"][forest]
    if role == "threshold":
        node.tensors[role] = node.tensors[role] + np.float32(0.2)
    elif role == "children":
        node.tensors[role] = node.tensors[role][:, ::-1].copy()
    else:
        node.tensors[role] = node.tensors[role] + np.float32(0.5)
    found = export.verify(model, artifact, x)
    assert (found.integers_different == 0) == (role == "leaf")
    assert not found.equal()


def test_a_node_at_its_threshold_is_a_tie_and_torch_goes_on_with_the_packed_leaf(forests):
    model, _, x = forests
    with torch.no_grad():
        values = model.conv(torch.from_numpy(x))
        nodes = model.residual.feature.flatten().tolist()
        for k, channel in enumerate(nodes):
            part = values[:, channel].flatten()
            model.residual.threshold.view(-1)[k] = part[k * 37 % len(part)]
    found = export.verify(model, export.pack(model, torch.from_numpy(x)), x)
    assert found.signs_turned > 0
    assert found.signs_different == found.integers_different == 0
    assert found.relative_error < 1e-4
