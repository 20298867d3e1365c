"""Hardened forests packed: the same leaves, the same sums."""

import numpy as np
import pytest
import torch

import bitgrove as bg
from bitgrove import export
from bitgrove import nn as bnn

SPLITS = [
    {"split": "neuron"},
    {"split": "neuron", "neurons": 3},
    {"split": "linear", "features": 4},
]


def pack(forest, **options):
    """Packed behind a picture of one pixel."""
    model = torch.nn.Sequential(torch.nn.Flatten(), forest)
    return export.pack(bnn.harden(model, **options), torch.zeros(1, 6, 1, 1))


def make(task="classification", **options):
    torch.manual_seed(0)
    forest = bnn.NeuralDecisionForest(6, 4, **{"trees": 3, "depth": 4} | options, task=task)
    x = torch.randn(300, 6)
    targets = torch.arange(300) % 4 if task == "classification" else torch.randn(300, 4)
    forest.update_leaves(x, targets)
    return forest.eval(), x


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("options", [*SPLITS, {"trees": 1, "depth": 1}])
def test_packed_trees_equal_the_hard_mode(task, options):
    forest, x = make(task, **options)
    got = bg.runtime.Session(pack(forest)).run(x[:, :, None, None].numpy())
    forest.hard = True
    expected = forest(x).detach()
    expected = expected.exp() if task == "classification" else expected
    near = forest.decisions(x).abs().amin((1, 2)) < 1e-6  # rounding may turn these
    assert near.sum() <= 1
    assert len(np.unique(got, axis=0)) > 1
    np.testing.assert_allclose(got[~near], expected[~near].numpy(), rtol=1e-6, atol=1e-6)


def test_trees_take_what_a_network_sees():
    torch.manual_seed(0)
    model = bg.models.create("ndf", width=2, trees=2, depth=3, num_classes=3).eval()
    x = torch.randn(50, 1, 12, 10)
    model.head.update_leaves(model.embed(x).detach(), torch.arange(50) % 3)
    trees = bnn.harden(model)
    artifact = export.pack(trees, x[:1], labels=["a", "b", "c"])
    session = bg.runtime.Session(artifact)
    np.testing.assert_allclose(session.run(x.numpy()), trees(x).detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(session.embed(x.numpy()), model.embed(x).detach(), atol=1e-5)
    forest = next(node for node in artifact.graph.nodes if node.op == "forest")
    assert (forest.tensors["threshold"] == 0).all()
    assert export.verify(trees, artifact, x.numpy()).equal()


def test_logits_become_the_confidence_of_a_session():
    forest, x = make()
    got = bg.runtime.Session(pack(forest, logits=True)).run(x[:, :, None, None].numpy())
    shares = np.exp(got) / np.exp(got).sum(1, keepdims=True)
    forest.hard = True
    expected = forest(x).exp().detach().numpy()
    assert (shares.argmax(1) == expected.argmax(1)).mean() > 0.9


def test_a_soft_forest_is_refused_with_the_way_out():
    forest, x = make()
    with pytest.raises(ValueError, match=r"pack bitgrove\.nn\.harden\(model\)"):
        export.pack(torch.nn.Sequential(torch.nn.Flatten(), forest), x[:1, :, None, None])


@pytest.mark.parametrize("logits", [False, True])
def test_a_packed_classifier_predicts_the_probabilities_of_its_hard_trees(logits):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Flatten(), bnn.NeuralDecisionForest(12, 4, trees=3, depth=3)
    ).eval()
    x = torch.randn(60, 3, 2, 2)
    model[1].update_leaves(x.flatten(1), torch.randint(4, (60,)))
    hard = bnn.harden(model, logits=logits)
    artifact = export.pack(hard, x[:1], labels=list("abcd"))
    with torch.no_grad():
        answers = hard(x).softmax(1) if logits else hard(x)
    expected = answers.max(1)
    for found, top, best in zip(
        bg.runtime.Session(artifact).classify(x.numpy()),
        expected.values,
        expected.indices,
        strict=True,
    ):
        assert found.label == "abcd"[int(best)]
        assert found.confidence == pytest.approx(float(top), abs=1e-5)


def test_a_packed_regression_has_no_classes():
    forest = bnn.NeuralDecisionForest(12, 2, task="regression", trees=1, depth=2)
    model = torch.nn.Sequential(torch.nn.Flatten(), forest)
    artifact = export.pack(bnn.harden(model), torch.zeros(1, 3, 2, 2))
    assert artifact.link == "identity"
    with pytest.raises(ValueError, match="no classes"):
        bg.runtime.Session(artifact).classify(np.zeros((1, 3, 2, 2), np.float32))
