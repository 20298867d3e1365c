"""Soft forests against loops over paths, and expectation-maximisation against its promises."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bitgrove import nn as bnn
from bitgrove.nn._forest_leaves import log_gaussians
from bitgrove.nn._forest_routing import greedy_leaves, log_arrivals


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def paths(depth):
    """For every leaf from left to right, the nodes on its path and whether it turns right there."""
    for turns in itertools.product((False, True), repeat=depth):
        node, path = 0, []
        for right in turns:
            path.append((node, right))
            node = 2 * node + 1 + right
        yield path


def by_definition(f, pi):
    """The mixture of one sample by products along paths: f[tree][node], pi[tree][leaf]."""
    trees, nodes = f.shape
    depth = int(math.log2(nodes + 1))
    total = np.zeros(pi.shape[-1])
    for tree in range(trees):
        for leaf, path in enumerate(paths(depth)):
            mu = 1.0
            for node, right in path:
                s = sigmoid(f[tree, node])
                mu *= s if right else 1 - s
            total += mu * pi[tree, leaf]
    return total / trees


def make(seed=0, n=40, inputs=6, outputs=4, **options):
    torch.manual_seed(seed)
    forest = bnn.NeuralDecisionForest(inputs, outputs, **{"trees": 3, "depth": 3} | options)
    x = torch.randn(n, inputs)
    if forest.task == "regression":
        return forest, x, 3 + torch.randn(n, outputs)
    return forest, x, torch.arange(n) % outputs


@pytest.mark.parametrize("split", [{"split": "neuron"}, {"split": "linear", "features": 3}])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_answer_is_the_sum_over_paths(split, task):
    forest, x, _ = make(task=task, leaves="gradient", **split)
    torch.nn.init.normal_(forest.leaf)
    weight = forest.functions.weight * getattr(forest.functions, "mask", 1)
    z = x @ weight.T + forest.functions.bias
    pi = (forest.leaf.softmax(-1) if task == "classification" else forest.leaf).detach().numpy()
    for row in range(5):
        f = z[row].detach().numpy()[forest.neuron.numpy()]
        expected = by_definition(f, pi)
        got = forest(x)[row].detach()
        got = got.exp() if task == "classification" else got
        np.testing.assert_allclose(got.numpy(), expected, rtol=2e-5, atol=1e-6)


def test_the_likelihoods_gradient_is_the_published_one():
    forest, x, labels = make(n=1, trees=1, depth=2, leaves="gradient")
    torch.nn.init.normal_(forest.leaf)
    decisions = forest.decisions(x).detach().requires_grad_()
    pi = forest.leaf_values().detach()
    leaves = log_arrivals(decisions)[-1]
    y = int(labels[0])
    p = (leaves.exp()[0, 0] * pi[0, :, y]).sum()
    (-p.log()).backward()
    joint = (leaves.exp()[0, 0] * pi[0, :, y] / p).detach()
    below = {0: ([0, 1], [2, 3]), 1: ([0], [1]), 2: ([2], [3])}
    for node, (left, right) in below.items():
        s = torch.sigmoid(decisions[0, 0, node]).item()
        # d(-log P)/ds = left/(1 - s) - right/s, where s is the way to the right; times s (1 - s)
        expected = joint[left].sum() * s - joint[right].sum() * (1 - s)
        assert decisions.grad[0, 0, node].item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0, 1e4, 1e30])
def test_leaves_sum_to_one_at_depth_12(scale):
    f = scale * torch.randn(8, 2**12 - 1, generator=torch.Generator().manual_seed(1))
    levels = log_arrivals(f)
    assert [level.shape[1] for level in levels] == [2**d for d in range(13)]
    for level in levels:
        assert level.logsumexp(-1).abs().max() <= 1e-6


def test_likely_leaves_keep_probabilities_that_products_lose():
    f = torch.full((1, 2**12 - 1), -20.0)
    far = log_arrivals(f)[-1][0, -1]  # right at every node
    assert far.item() == pytest.approx(-240, rel=1e-6)
    assert torch.sigmoid(f[0, 0]) ** 12 == 0


def test_extremes_give_no_nan_in_answers_or_gradients():
    for task, leaves in itertools.product(("classification", "regression"), ("em", "gradient")):
        forest, x, targets = make(task=task, leaves=leaves)
        forest.update_leaves(x, targets) if leaves == "em" else None
        huge = (1e30 * x).requires_grad_()
        out = forest(huge)
        loss = F.nll_loss(out, targets) if task == "classification" else out.square().mean()
        loss.backward()
        assert torch.isfinite(out).all()
        assert torch.isfinite(huge.grad).all()
        assert all(torch.isfinite(p.grad).all() for p in forest.parameters())


def log_likelihoods(forest, x, labels):
    """Of each tree, in float64, from the definition."""
    mu = log_arrivals(forest.decisions(x).detach().double())[-1].exp()
    p = (mu[..., None] * forest.leaf_values().detach().double()).sum(2)
    return p[torch.arange(len(x)), :, labels].log().sum(0)


def test_updating_leaves_never_lowers_any_trees_likelihood():
    forest, x, labels = make(n=60)
    with torch.no_grad():
        forest.functions.weight.mul_(4)
    before = log_likelihoods(forest, x, labels)
    first = before
    for _ in range(25):
        forest.update_leaves(x, labels, iterations=1)
        after = log_likelihoods(forest, x, labels)
        assert (after >= before - 1e-4).all()
        before = after
    assert (before > first + 5).all()


def test_one_update_is_the_published_equation():
    forest, x, labels = make(n=7)
    old = torch.rand(3, 8, 4)
    forest.leaf.copy_(old / old.sum(-1, keepdim=True))
    pi = forest.leaf.double().numpy().copy()
    mu = log_arrivals(forest.decisions(x).detach())[-1].exp().double().numpy()
    forest.update_leaves(x, labels, iterations=1)
    for tree, leaf in itertools.product(range(3), range(8)):
        row = np.zeros(4)
        for t, y in enumerate(labels.tolist()):
            p = sum(mu[t, tree, j] * pi[tree, j, y] for j in range(8))
            row[y] += pi[tree, leaf, y] * mu[t, tree, leaf] / p
        np.testing.assert_allclose(forest.leaf[tree, leaf].numpy(), row / row.sum(), rtol=1e-5)


def test_a_leaf_that_nobody_reaches_keeps_its_distribution():
    forest, x, labels = make(trees=1, depth=2)
    with torch.no_grad():
        forest.functions.weight.zero_()
        forest.functions.bias.fill_(1e4)  # all go right, to the last leaf
    forest.update_leaves(x, labels)
    assert torch.equal(forest.leaf[0, :3], torch.full((3, 4), 0.25))
    torch.testing.assert_close(forest.leaf[0, 3], labels.bincount() / len(labels))


def test_one_class_alone_is_learnt_without_nan():
    forest, x, _ = make()
    forest.update_leaves(x, torch.full((40,), 2))
    assert torch.allclose(forest(x)[:, 2], torch.tensor(0.0), atol=1e-5)
    assert torch.isfinite(forest(x)).all()
    assert torch.isfinite(F.nll_loss(forest(x), torch.zeros(40, dtype=torch.int64)))


@pytest.mark.parametrize("leaves", ["em", "gradient"])
def test_leaves_begin_uniform(leaves):
    forest, x, _ = make(leaves=leaves)
    torch.testing.assert_close(forest(x), torch.full((40, 4), math.log(1 / 4)))


def test_mean_leaves_are_weighted_means():
    forest, x, y = make(task="regression", leaves="mean")
    mu = log_arrivals(forest.decisions(x).detach())[-1].exp().double()
    forest.update_leaves(x, y)
    for tree, leaf in itertools.product(range(3), range(8)):
        w = mu[:, tree, leaf]
        expected = (w[:, None] * y.double()).sum(0) / w.sum()
        torch.testing.assert_close(forest.leaf[tree, leaf].double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("leaves", ["mean", "em"])
def test_regression_leaves_that_nobody_reaches_hold_the_mean_of_all(leaves):
    forest, x, y = make(task="regression", leaves=leaves, trees=1, depth=2)
    with torch.no_grad():
        forest.functions.bias.fill_(1e4)
    forest.update_leaves(x, y)
    torch.testing.assert_close(forest.leaf[0], y.mean(0).expand(4, 4))
    assert torch.isfinite(forest(x)).all()


def test_gaussian_leaves_never_lower_the_likelihood():
    forest, x, y = make(task="regression", n=80)
    y = y + 4 * (x[:, :1] > 0)

    def likelihood():
        mu = log_arrivals(forest.decisions(x).detach().double())[-1].transpose(0, 1)
        density = torch.distributions.Normal(
            forest.leaf.double()[:, None], forest.variance.double().sqrt()[:, None]
        ).log_prob(y.double()[None, :, None]).sum(-1)  # fmt: skip
        torch.testing.assert_close(density, log_gaussians(y, forest.leaf, forest.variance))
        return (mu + density).logsumexp(-1).sum(1)

    forest.update_leaves(x, y, iterations=1)
    before = first = likelihood()
    for _ in range(20):
        forest.update_leaves(x, y, iterations=1)
        after = likelihood()
        assert (after >= before - 1e-3).all()
        before = after
    assert (before > first + 5).all()


def test_the_same_value_everywhere_gives_no_nan():
    forest, x, _ = make(task="regression")
    forest.update_leaves(x, torch.full((40, 4), 7.0))
    torch.testing.assert_close(forest(x), torch.full((40, 4), 7.0))


def test_greedy_leaves_follow_the_signs():
    f = torch.randn(50, 2**4 - 1, generator=torch.Generator().manual_seed(0))
    f[0] = 0
    for row, leaf in zip(f, greedy_leaves(f), strict=True):
        path = list(paths(4))[int(leaf)]
        assert all((row[node] > 0) == right for node, right in path)
    assert greedy_leaves(f)[0] == 0


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_steep_soft_trees_answer_as_hard_ones(task):
    forest, x, targets = make(task=task)
    forest.update_leaves(x, targets)
    forest.eval().slope.fill_(1e7)
    soft = forest(x)
    forest.hard = True
    torch.testing.assert_close(soft, forest(x), rtol=1e-4, atol=1e-4)


def test_hard_splits_are_refused_in_training():
    forest, x, _ = make()
    forest.hard = True
    with pytest.raises(ValueError, match=r"call eval\(\)"):
        forest(x)


@pytest.mark.parametrize("split", [{"split": "neuron"}, {"split": "linear", "features": 2}])
@pytest.mark.parametrize("logits", [False, True])
def test_hardened_trees_are_the_hard_mode(split, logits):
    forest, x, labels = make(n=200, **split)
    forest.update_leaves(x, labels)
    model = torch.nn.Sequential(torch.nn.Linear(6, 6), forest).eval()
    trees = bnn.harden(model, logits=logits)
    forest.hard = True
    if logits:
        ends = greedy_leaves(forest.decisions(model[0](x)))
        logs = forest.leaf.clamp_min(1e-6).log()
        expected = sum(logs[t][ends[:, t]] for t in range(3)) / 3
    else:
        expected = model(x).exp()
    torch.testing.assert_close(trees(x), expected)
    assert isinstance(trees[1], bnn.HardForest)
    assert isinstance(model[1], bnn.NeuralDecisionForest)  # the model itself stays


def test_the_report_counts_what_hardening_changes():
    forest, x, labels = make(n=300)
    forest.update_leaves(x, labels)
    report = bnn.hardening_report(forest, x, labels, batch_size=64)
    forest.eval()
    soft = forest(x).argmax(1)
    forest.hard = True
    hard = forest(x).argmax(1)
    forest.hard = False
    assert report.soft == pytest.approx((soft == labels).float().mean().item())
    assert report.hard == pytest.approx((hard == labels).float().mean().item())
    assert report.agreement == pytest.approx((soft == hard).float().mean().item())
    assert 0 < report.agreement < 1
    assert report.lost == report.soft - report.hard
    assert 0.125 < report.certainty < 0.9
    forest.slope.fill_(1e6)
    assert bnn.hardening_report(forest, x, labels).certainty > 0.99


def test_the_report_leaves_the_model_as_it_was():
    forest, x, labels = make()
    before = copy.deepcopy(forest.state_dict())
    bnn.hardening_report(forest.train(), x, labels)
    assert forest.training
    assert not forest.hard
    assert all(torch.equal(before[k], v) for k, v in forest.state_dict().items())


def test_every_tree_reads_neurons_of_its_own_choice():
    forest, *_ = make(trees=4, depth=4)
    assert forest.functions.out_features == 32
    assert all(len(set(row.tolist())) == 15 for row in forest.neuron)
    assert len({tuple(row.tolist()) for row in forest.neuron}) == 4
    few, *_ = make(trees=1, depth=4, neurons=4)
    assert sorted(few.neuron[0].bincount().tolist()) == [3, 4, 4, 4]


def test_a_tree_sees_its_features_alone():
    forest, x, labels = make(trees=3, split="linear", features=2, leaves="gradient")
    assert forest.functions.mask.sum(1).unique().tolist() == [2.0]
    torch.nn.init.normal_(forest.leaf)
    F.nll_loss(forest(x), labels).backward()
    rows = forest.functions.mask.view(3, 7, 6)
    assert all(torch.equal(tree[0].expand(7, 6), tree) for tree in rows)
    assert (forest.functions.weight.grad[forest.functions.mask == 0] == 0).all()
    assert (forest.functions.weight.grad[forest.functions.mask == 1] != 0).all()


def test_gradient_and_leaves_together_learn_a_pattern_that_no_line_separates():
    torch.manual_seed(0)
    x = torch.rand(400, 2) * 2 - 1
    labels = (x[:, 0] * x[:, 1] > 0).long()
    for leaves in ("em", "gradient"):
        torch.manual_seed(1)
        forest = bnn.NeuralDecisionForest(2, 2, trees=3, depth=4, leaves=leaves)
        optimiser = torch.optim.Adam(forest.parameters(), lr=0.05)
        for step in range(150):
            if leaves == "em" and step % 10 == 0:
                forest.update_leaves(x, labels)
            optimiser.zero_grad()
            F.nll_loss(forest(x), labels).backward()
            optimiser.step()
        assert (forest(x).argmax(1) == labels).float().mean() > 0.95


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trees": 0}, "trees must be at least 1, got 0"),
        ({"depth": 17}, "depth must be 1 to 16, got 17"),
        ({"depth": 0}, "depth must be 1 to 16, got 0"),
        ({"task": "ranking"}, "task must be one of classification, regression, got 'ranking'"),
        ({"split": "plane"}, "split must be one of neuron, linear, got 'plane'"),
        ({"leaves": "mean"}, "leaves must be one of em, gradient for classification, got 'mean'"),
        ({"outputs": 1}, "out_features must be at least 2 classes, got 1"),
        ({"split": "linear", "neurons": 3}, "neurons is of split='neuron'"),
        ({"features": 3}, "features is of split='linear'"),
        ({"split": "linear", "features": 9}, "features must be at most in_features, 6, got 9"),
    ],
)
def test_arguments_that_make_no_forest_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:0], y[:0]), "at least one sample"),
        (lambda x, y: (x, y[:3]), r"targets must have shape \(40,\), got \(3,\)"),
        (lambda x, y: (x, y + 1), "labels must lie in 0 to 3, got 1 to 4"),
        (lambda x, y: (x * math.nan, y), "NaN"),
        (lambda x, y: (x[:, :3], y), r"must have shape \(n, 6\), got \(40, 3\)"),
    ],
)
def test_samples_that_do_not_fit_are_refused(change, message):
    forest, x, labels = make()
    with pytest.raises(ValueError, match=message):
        forest.update_leaves(*change(x, labels))


def test_updates_are_refused_where_they_mean_nothing():
    forest, x, labels = make(leaves="gradient")
    with pytest.raises(ValueError, match="learn by gradient"):
        forest.update_leaves(x, labels)
    forest, x, y = make(task="regression", leaves="mean")
    with pytest.raises(ValueError, match="takes no iterations, got 5"):
        forest.update_leaves(x, y, iterations=5)
    with pytest.raises(ValueError, match="targets hold NaN"):
        forest.update_leaves(x, y * math.nan)
    forest, x, labels = make()
    with pytest.raises(TypeError, match="labels must be int64"):
        forest.update_leaves(x, labels.float())
    with pytest.raises(ValueError, match="nothing to harden"):
        bnn.harden(torch.nn.Linear(2, 2))


def test_a_report_refuses_targets_that_would_be_spread():
    forest = bnn.NeuralDecisionForest(4, 3, trees=1, depth=2, leaves="gradient")
    with pytest.raises(ValueError, match=r"shape \(5,\)"):
        bnn.hardening_report(forest, torch.zeros(5, 4), torch.zeros(5, 1, dtype=torch.int64))
    values = bnn.NeuralDecisionForest(4, 2, depth=2, task="regression", leaves="gradient")
    with pytest.raises(ValueError, match=r"shape \(5, 2\)"):
        bnn.hardening_report(values, torch.zeros(5, 4), torch.zeros(5))


@pytest.mark.parametrize(
    ("neuron", "leaves", "error"),
    [
        (torch.zeros(1, 2, dtype=torch.int64), 3, ValueError),
        (torch.zeros(0, 1, dtype=torch.int64), 2, ValueError),
        (torch.zeros(1, 1), 2, TypeError),
        (torch.tensor([[1]]), 2, ValueError),
    ],
)
def test_hard_trees_that_are_not_complete_are_refused(neuron, leaves, error):
    with pytest.raises(error, match="neuron"):
        bnn.HardForest(torch.nn.Linear(2, 1), neuron, torch.zeros(len(neuron), leaves, 1))
