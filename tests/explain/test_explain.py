"""Saliency against finite differences, paths against the tree, pictures that can be drawn."""

import numpy as np
import pytest
import torch
from torch import nn

import bitgrove as bg
from bitgrove import explain
from bitgrove import nn as bnn
from bitgrove.nn._forest_routing import log_arrivals


def make(task="classification", depth=3, channels=2, double=False):
    torch.manual_seed(0)
    forest = bnn.NeuralDecisionForest(20, 3, trees=2, depth=depth, task=task)
    model = nn.Sequential(
        nn.Conv2d(channels, 5, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), forest
    )
    x = torch.randn(40, channels, 6, 7)
    targets = torch.arange(40) % 3 if task == "classification" else torch.randn(40, 3)
    forest.update_leaves(model[:4](x).detach(), targets)
    if double:
        model, x = model.double(), x.double()
    return model, forest, x


def decision(model, forest, x, tree, node):
    with torch.no_grad():
        return float(forest.decisions(model[:4](x[None]))[0, tree, node])


def test_saliency_is_the_largest_finite_difference_over_channels():
    model, forest, x = make(double=True)
    image, step = x[0], 1e-5
    got = explain.saliency(model, image, [0, 4], tree=1, normalise=False)
    for found, node in zip(got, (0, 4), strict=True):
        expected = np.zeros((2, 6, 7))
        for index in np.ndindex(2, 6, 7):
            up, down = image.clone(), image.clone()
            up[index] += step
            down[index] -= step
            ahead, behind = (decision(model, forest, z, 1, node) for z in (up, down))
            expected[index] = abs(ahead - behind) / (2 * step)
        assert expected.max() > 0.01
        np.testing.assert_allclose(found, expected.max(0), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_saliency_is_that_of_captum(task):
    attr = pytest.importorskip("captum.attr")
    model, forest, x = make(task, double=True)
    reference = attr.Saliency(lambda images: forest.decisions(model[:4](images))[:, 1])
    found = explain.saliency(model, x[0], range(7), tree=1, normalise=False)
    for node, got in enumerate(found):
        image = x[:1].clone().requires_grad_()
        maps = reference.attribute(image, target=node)
        np.testing.assert_allclose(got, maps[0].amax(0).numpy(), rtol=1e-6)
    assert found.max() > 0.01


def test_maps_are_normalised_node_by_node():
    model, _, x = make()
    maps = explain.saliency(model, x[0], [0, 1, 2])
    assert maps.dtype == np.float32
    assert (maps.min((1, 2)) == 0).all()
    assert (maps.max((1, 2)) == 1).all()
    raw = explain.saliency(model, x[0], [0, 1, 2], normalise=False)
    low, high = raw.min((1, 2), keepdims=True), raw.max((1, 2), keepdims=True)
    np.testing.assert_allclose(maps, (raw - low) / (high - low), atol=1e-6)


def test_a_map_that_is_the_same_everywhere_is_empty():
    model, forest, x = make()
    with torch.no_grad():
        forest.functions.weight.zero_()
    assert (explain.saliency(model, x[0], [0]) == 0).all()


def test_a_classifiers_path_is_greedy():
    model, forest, x = make()
    taken = set()
    for image in x:
        path = explain.decision_path(model, image, tree=1)
        f = forest.decisions(model[:4](image[None]))[0, 1].tolist()
        node, mu = 0, 1.0
        for step in path.steps:
            assert step.node == node
            assert step.arrival == pytest.approx(mu, rel=1e-4)
            assert step.right == (f[node] > 0)
            s = 1 / (1 + np.exp(-abs(f[node])))
            assert step.probability == pytest.approx(s, rel=1e-4)
            assert step.decision == pytest.approx(f[node], rel=1e-4)
            mu *= s
            node = 2 * node + 1 + step.right
        assert path.leaf == node - 7
        assert path.arrival == pytest.approx(mu, rel=1e-4)
        np.testing.assert_array_equal(path.held, forest.leaf[1, path.leaf].numpy())
        np.testing.assert_allclose(path.answer, model(image[None])[0].exp().detach(), rtol=1e-5)
        taken.add(path.leaf)
    assert len(taken) > 2


def test_a_regressions_path_leads_to_the_likeliest_leaf():
    model, forest, x = make("regression", depth=4)
    differs = 0
    for image in x:
        path = explain.decision_path(model, image)
        mu = log_arrivals(forest.decisions(model[:4](image[None])))[-1][0, 0].exp()
        assert path.leaf == int(mu.argmax())
        assert path.arrival == pytest.approx(mu.max().item(), rel=1e-5)
        last = path.steps[-1]
        assert 2 * last.node + 1 + last.right - 15 == path.leaf
        assert path.arrival == pytest.approx(last.arrival * last.probability, rel=1e-4)
        differs += any(step.right != (step.decision > 0) for step in path.steps)
    assert differs  # the likeliest leaf is not always where the greedy way ends


def test_the_maps_of_a_path_are_those_of_its_nodes():
    model, _, x = make()
    path = explain.decision_path(model, x[0].numpy(), tree=1)
    nodes = [step.node for step in path.steps]
    np.testing.assert_array_equal(path.maps, explain.saliency(model, x[0], nodes, tree=1))


def test_looking_changes_nothing():
    model, forest, x = make()
    model.train()
    forest.hard = True
    explain.decision_path(model, x[0])
    assert model.training
    assert forest.training
    assert forest.hard
    assert not forest._forward_pre_hooks
    assert all(p.grad is None for p in model.parameters())


def test_arrivals_are_means_over_images():
    model, forest, x = make()
    levels = explain.arrival_probabilities(model, x, tree=1, batch_size=7)
    mu = log_arrivals(forest.decisions(model[:4](x)))
    assert [len(level) for level in levels] == [1, 2, 4, 8]
    for level, expected in zip(levels, mu, strict=True):
        np.testing.assert_allclose(level, expected[:, 1].exp().mean(0).detach(), rtol=1e-5)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (torch.zeros(2, 2, 6, 7), ValueError, r"one of shape \(c, h, w\), got \(2, 2, 6, 7\)"),
        (torch.zeros(6, 7), ValueError, r"one of shape \(c, h, w\)"),
        (torch.zeros(2, 0, 7), ValueError, r"one of shape \(c, h, w\)"),
        (torch.full((2, 6, 7), float("nan")), ValueError, "NaN"),
        (torch.zeros(3, 6, 7), ValueError, r"does not run on an image of shape \(3, 6, 7\)"),
        (np.zeros((2, 6, 7), np.uint8), TypeError, "Preprocessing.normalise"),
        ([[0.0]], TypeError, "must be an array or a tensor, got list"),
    ],
)
def test_images_that_do_not_fit_are_refused(image, error, message):
    model, *_ = make()
    with pytest.raises(error, match=message):
        explain.decision_path(model, image)
    with pytest.raises(error, match=message):
        explain.saliency(model, image, [0])


def test_models_without_a_soft_forest_are_refused():
    model, _, x = make()
    with pytest.raises(ValueError, match=r"holds no NeuralDecisionForest$"):
        explain.decision_path(nn.Flatten(), x[0])
    with pytest.raises(ValueError, match="give the soft model that was hardened"):
        explain.decision_path(bnn.harden(model), x[0])
    with pytest.raises(TypeError, match="must be a torch module"):
        explain.decision_path("model.grove", x[0])
    with pytest.raises(ValueError, match="tree must be 0 to 1, got 2"):
        explain.decision_path(model, x[0], tree=2)
    with pytest.raises(ValueError, match=r"nodes must be some of 0 to 6, got \[7\]"):
        explain.saliency(model, x[0], [7])
    with pytest.raises(ValueError, match="no forest is called 'head'; there are: 4"):
        explain.saliency(model, x[0], [0], forest="head")


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("depth", [1, 4])
def test_a_path_is_drawn_with_all_that_it_says(task, depth):
    model, _, x = make(task, depth=depth)
    path = explain.decision_path(model, x[0])
    figure = explain.draw_path(path, np.zeros((6, 7, 3), np.uint8), labels=["cat", "dog", "cow"])
    texts = [t.get_text() for axes in figure.axes for t in (axes.title, axes.xaxis.label)]
    for step in path.steps:
        at = next(i for i, t in enumerate(texts) if t.startswith(f"Node {step.node}, "))
        assert ("right" in texts[at + 1]) == step.right
    figure.canvas.draw()
    with pytest.raises(ValueError, match="2 labels for 3 outputs"):
        explain.draw_path(path, np.zeros((6, 7, 3), np.uint8), labels=["cat", "dog"])
    with pytest.raises(ValueError, match=r"picture must have shape \(6, 7, 1 or 3\)"):
        explain.draw_path(path, np.zeros((7, 6, 3), np.uint8))


def test_a_tree_is_drawn():
    model, _, x = make(depth=4)
    figure = explain.draw_routing(explain.arrival_probabilities(model, x), title="all")
    figure.canvas.draw()
    assert len(figure.axes[0].lines) == 30
    with pytest.raises(ValueError, match="levels must have"):
        explain.draw_routing([np.ones(1), np.ones(3)])


def test_a_network_is_kept_as_a_file(tmp_path):
    options = {"width": 2, "trees": 2, "depth": 2, "num_classes": 3}
    model = bg.models.create("ndf", **options)
    preprocessing = bg.runtime.Preprocessing(8, 8, 1, (0.5,), (0.5,))
    file = tmp_path / "model.safetensors"
    bg.models.save(
        file, model, name="ndf", options=options, labels="abc", preprocessing=preprocessing
    )
    found = bg.models.load(file)
    assert found.labels == ("a", "b", "c")
    assert found.preprocessing == preprocessing
    assert not found.model.training
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(found.model(x), model.eval()(x))
    with pytest.raises(ValueError, match="is not that of create"):
        bg.models.save(file, model, name="ndf", options={"width": 3})
    raw = file.read_bytes()
    for damaged in (raw[:50], b"", b"\xff" * 100, raw[:8] + b"[" + raw[9:]):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
            bg.models.load(file)
    with pytest.raises(FileNotFoundError):
        bg.models.load(tmp_path / "none")


def test_arrays_are_images_and_what_is_not_is_refused():
    model, _, some = make()
    x = some[:3].numpy()
    ours = explain.arrival_probabilities(model, x.astype(np.float64))
    theirs = explain.arrival_probabilities(model, torch.from_numpy(x))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    with pytest.raises(ValueError, match="NaN"):
        explain.arrival_probabilities(model, np.full_like(x, np.nan))
    with pytest.raises(TypeError, match="floating-point"):
        explain.arrival_probabilities(model, x.astype(np.uint8))
    assert len(explain.saliency(model, x[0], np.arange(2))) == 2


def test_pictures_that_a_person_would_not_see_are_refused():
    model, _, x = make()
    path = explain.decision_path(model, x[0])
    h, w = path.maps.shape[1:]
    with pytest.raises(TypeError, match="uint8"):
        explain.draw_path(path, np.zeros((h, w, 3), np.float32))
    for channels in (2, 4):
        with pytest.raises(ValueError, match="1 or 3"):
            explain.draw_path(path, np.zeros((h, w, channels), np.uint8))
