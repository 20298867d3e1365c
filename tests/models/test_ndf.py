"""The network with a forest: counts by hand, and training in turns."""

import pytest
import torch
from torch import nn

import bitgrove as bg


def test_counts_are_those_by_hand():
    model = bg.models.create("ndf", width=4, trees=3, depth=4, num_classes=7)
    counted = bg.summary(model, (1, 28, 28))
    kernels = 9 * (1 * 4 + 4 * 8 + 8 * 16)
    norms = 2 * (4 + 8 + 16)
    functions = 256 * 32 + 32  # 2 ** 5 neurons
    leaves = 3 * 16 * 7
    assert counted.real_parameters == kernels + norms + functions + leaves
    macs = 9 * (14 * 14 * 4 + 7 * 7 * 4 * 8 + 7 * 7 * 8 * 16) + 256 * 32
    assert counted.real_macs == macs
    gradient = bg.models.create("ndf", width=4, trees=3, depth=4, num_classes=7, leaves="gradient")
    assert bg.summary(gradient, (1, 28, 28)).real_parameters == counted.real_parameters
    linear = bg.summary(bg.models.create("ndf", width=4, head="linear"), (1, 28, 28))
    assert linear.real_parameters == kernels + norms + 256 * 10 + 10


def test_hardened_networks_keep_their_count():
    model = bg.models.create("ndf", width=2, trees=2, depth=3)
    trees = bg.nn.harden(model)
    read = model.head.neuron.unique().numel()
    dropped = (16 - read) * (128 + 1)
    before, after = (bg.summary(m, (1, 12, 12)).real_parameters for m in (model, trees))
    assert before - after == dropped


def test_embedding_has_the_length_it_says():
    model = bg.models.create("ndf", in_channels=3, width=2, num_classes=5).eval()
    x = torch.randn(4, 3, 9, 14)
    assert model.embed(x).shape == (4, model.embedding_dim)
    assert model(x).shape == (4, 5)
    torch.testing.assert_close(model(x), model.head(model.embed(x)))
    assert torch.allclose(model(x).exp().sum(1), torch.ones(4))


def test_both_heads_begin_with_the_same_convolutions():
    models = []
    for head in ("forest", "linear"):
        torch.manual_seed(3)
        models.append(bg.models.create("ndf", width=2, head=head))
    first, second = (m.layers.state_dict() for m in models)
    assert all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "trees"}, "head must be 'forest' or 'linear', got 'trees'"),
        ({"real": "relu"}, "real must be True or False, got 'relu'"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"trees": 0}, "trees must be at least 1, got 0"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        bg.models.create("ndf", **options)


def test_a_regression_of_pictures_is_made():
    model = bg.models.create("ndf", width=2, num_classes=136, task="regression", leaves="mean")
    assert isinstance(model, nn.Module)
    model.head.update_leaves(torch.randn(9, model.embedding_dim), torch.full((9, 136), 3.0))
    torch.testing.assert_close(model(torch.randn(2, 1, 8, 8)), torch.full((2, 136), 3.0))


def test_a_path_in_place_of_the_model_is_refused(tmp_path):
    with pytest.raises(TypeError, match="the path comes first"):
        bg.models.save(bg.models.create("ndf", width=2), tmp_path / "m.safetensors", name="ndf")
