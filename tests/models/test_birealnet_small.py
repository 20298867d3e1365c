import copy
import io

import pytest
import torch
import torch.nn.functional as F
from torch import fx

from bitgrove import models
from bitgrove import nn as bnn
from bitgrove.optim import split_parameters


def make(seed=0, **options):
    torch.manual_seed(seed)
    return models.create("birealnet_small", num_classes=5, width=8, **options)


class LayersAreLeaves(fx.Tracer):
    def is_leaf_module(self, m, module_qualified_name):
        return isinstance(m, bnn.BinaryLayer) or super().is_leaf_module(m, module_qualified_name)


@pytest.mark.parametrize("options", [{}, {"real": True}, {"grid": 2, "stem_stride": 2}], ids=str)
def test_model_is_a_graph_of_layers_and_additions(options):
    model = make(**options).eval()
    graph = LayersAreLeaves().trace(model)
    calls = {node.op for node in graph.nodes} - {"placeholder", "output", "call_module"}
    functions = {node.target for node in graph.nodes if node.op == "call_function"}
    assert calls == {"call_function"}
    assert {function.__name__ for function in functions} == {"add"}
    x = torch.randn(2, 1, 16, 16)
    assert torch.equal(fx.GraphModule(model, graph)(x), model(x))


@pytest.mark.parametrize(
    ("options", "size", "embedding"),
    [
        ({}, 8, 16),
        ({"in_channels": 3, "stem_stride": 2}, 28, 16),
        ({"blocks": (1, 2, 1), "grid": 2}, 32, 128),
        ({"blocks": (3,)}, 9, 8),
    ],
)
def test_shapes_follow_the_options(options, size, embedding):
    model = make(**options).eval()
    x = torch.randn(2, options.get("in_channels", 1), size, size)
    assert model.embed(x).shape == (2, embedding)
    assert model.embedding_dim == embedding
    assert model(x).shape == (2, 5)
    assert model.stem(x).shape[2] == size // options.get("stem_stride", 1)
    torch.testing.assert_close(model(x), model.head(model.embed(x)))
    convolutions = [m for m in model.modules() if isinstance(m, bnn.BinaryConv2d)]
    assert len(convolutions) == sum(options.get("blocks", (2, 2)))


def test_only_the_block_convolutions_are_binary():
    model = make()
    binary, real = split_parameters(model)
    assert {p.shape[2:] for p in binary} == {(3, 3)}
    assert len(binary) == 4
    assert model.stem[0].weight is real[0]
    assert any(p is model.head.weight for p in real)


def test_the_twin_has_the_same_state_and_no_sign():
    model, twin = make(), make(seed=1, real=True)
    assert not any(isinstance(m, bnn.BinaryLayer) for m in twin.modules())
    model.load_state_dict(twin.state_dict())
    assert torch.equal(model.stages[0][0].conv.weight, twin.stages[0][0].conv.weight)


def test_model_survives_state_dict_and_deepcopy():
    model = make().eval()
    x = torch.randn(2, 1, 8, 8)
    for parameter in model.parameters():
        parameter.data.add_(0.1)
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    other = make(seed=1).eval()
    assert not torch.equal(other(x), model(x))
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(other(x), model(x))
    assert torch.equal(copy.deepcopy(model)(x), model(x))


def test_same_seed_gives_the_same_weights():
    states = [make(seed=3).state_dict() for _ in range(2)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_model_learns_and_moves_every_parameter():
    """Overfit a few pictures: every gradient flows, through signs and shortcuts alike."""
    model = make()
    start = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    x, y = torch.randn(20, 1, 8, 8), torch.arange(20) % 5
    losses = []
    for _ in range(40):
        loss = F.cross_entropy(model(x), y)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bnn.clip_latents_(model)
    assert losses[-1] < 0.2 * losses[0]
    assert all(not torch.equal(a, b) for a, b in zip(start, model.parameters(), strict=True))


def test_half_precision_runs():
    model = make().eval().to(torch.bfloat16)
    y = model(torch.randn(2, 1, 8, 8, dtype=torch.bfloat16))
    assert y.dtype == torch.bfloat16
    assert y.isfinite().all()


def test_unknown_model_lists_those_available():
    with pytest.raises(ValueError, match=r"'birealnet' is unknown; available: .*birealnet_small"):
        models.create("birealnet")


def test_unknown_option_lists_those_of_the_model():
    with pytest.raises(TypeError, match=r"no option depth; it has: in_channels, num_classes"):
        models.create("birealnet_small", depth=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"num_classes": 0}, "num_classes must be at least 1"),
        ({"grid": 0}, "grid must be at least 1"),
        ({"blocks": ()}, r"blocks must be .* per stage, got \(\)"),
        ({"blocks": (2, 0)}, r"blocks must be .* got \(2, 0\)"),
        ({"stem_stride": 3}, "stem_stride must be 1 or 2, got 3"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        models.create("birealnet_small", **options)
