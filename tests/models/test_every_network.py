"""What holds for every network by name."""

import copy

import pytest
import torch
from torch import fx, nn

import bitgrove as bg
from bitgrove import nn as bnn

from .small import CLASSES, SMALL, make

OF_BITS = [key for key in SMALL if "fernnet" not in key]
"""The float rival of a fern network has other parameters."""
TWINS = [True, "relu", "leaky_clip", "clip"]


def test_every_network_has_a_small_version_here():
    assert {name for name, _, _ in SMALL.values()} == set(bg.models.list())


@pytest.mark.parametrize("key", SMALL)
def test_embedding_has_the_length_it_says(key):
    model, x = make(key)
    model.eval()
    assert model.embed(x).shape == (6, model.embedding_dim)
    if key == "birealnet50_depth":
        assert model(x).shape == (6, 1, 16, 16)
    else:
        assert model(x).shape == (6, CLASSES)
        torch.testing.assert_close(model(x), model.head(model.embed(x)))


@pytest.mark.parametrize("key", SMALL)
@pytest.mark.parametrize("real", [False, True])
def test_every_parameter_moves_in_one_backward_pass(key, real):
    model, x = make(key, real=real)
    for parameter in model.parameters():
        parameter.requires_grad_()
    y = model.train()(x)
    (y * torch.randn_like(y)).sum().backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still


@pytest.mark.parametrize("key", OF_BITS)
def test_the_state_of_the_twin_fits_the_network(key):
    model, x = make(key)
    twin, _ = make(key, seed=1, real=True)
    assert not any(isinstance(m, bnn.BinaryLayer) for m in twin.modules())
    binary = [m for m in model.modules() if isinstance(m, bnn.BinaryLayer)]
    assert len(binary) >= 4
    before = copy.deepcopy(model).eval()(x)
    missing, unexpected = model.load_state_dict(twin.state_dict(), strict=False)
    assert not unexpected
    assert all(key.endswith(".shift") for key in missing)  # of RSign, which a twin has not
    assert bool(missing) == (key == "reactnet_a")
    assert not torch.equal(model.eval()(x), before)


@pytest.mark.parametrize("key", [k for k in SMALL if k != "birealnet_small"])
def test_the_twins_differ_in_their_activation_alone(key):
    nets = {real: make(key, real=real)[0].eval() for real in TWINS}
    x = 3 * make(key)[1]
    states = [net.state_dict() for net in nets.values()]
    assert all(torch.equal(states[0][key], state[key]) for state in states for key in states[0])
    outputs = {real: net(x) for real, net in nets.items()}
    assert torch.equal(outputs[True], outputs["relu"])
    assert not torch.equal(outputs["relu"], outputs["leaky_clip"])
    assert not torch.equal(outputs["leaky_clip"], outputs["clip"])


@pytest.mark.parametrize("key", SMALL)
@pytest.mark.parametrize("real", [False, True])
def test_network_is_a_graph_of_layers_sums_and_one_concatenation(key, real):
    class Tracer(fx.Tracer):
        def is_leaf_module(self, m, module_qualified_name):
            own = bnn.BinaryLayer | bnn.FernLayer | bnn.LeakyClip | bnn.RSign | bnn.RPReLU
            return isinstance(m, own) or super().is_leaf_module(m, module_qualified_name)

    model, x = make(key, real=real)
    graph = Tracer().trace(model.eval())
    assert all(node.users or node.op == "output" for node in graph.nodes)  # nothing for nothing
    assert {node.op for node in graph.nodes} <= {
        "placeholder",
        "output",
        "call_module",
        "call_function",
    }
    functions = {node.target.__name__ for node in graph.nodes if node.op == "call_function"}
    assert functions <= {"add", "cat"}
    assert ("cat" in functions) == (key == "reactnet_a")
    assert torch.equal(fx.GraphModule(model, graph)(x), model(x))


@pytest.mark.parametrize("key", SMALL)
def test_batch_norms_and_signs_keep_their_input(key):
    """Nothing works in place: a shortcut reads what a layer has read before it."""
    assert not any(getattr(m, "inplace", False) for m in make(key)[0].modules())


@pytest.mark.parametrize("key", SMALL)
def test_binary_weights_begin_with_both_signs(key):
    """Drawn from ``rand() * 0.001``, as in code that is much copied, all would be +1."""
    model, _ = make(key)
    for module in model.modules():
        if isinstance(module, bnn.BinaryLayer) and module.weight.numel() > 100:
            assert 0.3 < (module.weight > 0).float().mean() < 0.7


@pytest.mark.parametrize("key", [k for k in OF_BITS if k != "birealnet_small"])
def test_twins_begin_with_weights_of_the_same_spread(key):
    model, twin = make(key)[0], make(key, seed=1, real=True)[0]
    compared = 0
    for name, module in model.named_modules():
        if isinstance(module, bnn.BinaryLayer) and module.weight.numel() > 400:
            own, other = module.weight.detach(), twin.get_submodule(name).weight.detach()
            assert 0.8 < own.std() / other.std() < 1.25
            assert other.mean().abs() < 0.2 * other.std()
            compared += 1
    assert compared


@pytest.mark.parametrize("key", SMALL)
def test_same_seed_gives_the_same_weights(key):
    first, second = (make(key, seed=3)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("key", [k for k in SMALL if k != "birealnet_small"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"real": "tanh"}, "real must be False, True or one of 'relu', 'leaky_clip', 'clip', got"),
        ({"width": 0}, "width must be at least"),
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
    ],
)
def test_options_that_all_have_are_checked(key, options, message):
    name, own, _ = SMALL[key]
    with pytest.raises(ValueError, match=message):
        bg.models.create(name, **(own | options))


def test_every_network_is_a_module_at_its_published_size():
    with torch.device("meta"):  # no numbers are needed
        for name in bg.models.list():
            assert isinstance(bg.models.create(name), nn.Module)
