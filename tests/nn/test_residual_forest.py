"""Residual forests against loops, autograd and finite differences of their definition."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bitgrove.nn import MultiScaleForest, ResidualForestHead, residual_forest_loss
from bitgrove.nn import _residual_forest_routing as routing


def forest(depth=3, trees=5, channels=6, classes=4, *, seed=0, **options):
    """A head with leaves and thresholds drawn at random, in float64."""
    head = ResidualForestHead(channels, classes, trees=trees, depth=depth, seed=seed, **options)
    random = torch.Generator().manual_seed(seed)
    head.double()
    head.leaf.data.normal_(generator=random)
    head.threshold.normal_(std=0.3, generator=random)
    return head


def descend(head, row, tree, forced=None):
    """The leaf of a row by following children; ``forced`` is (node, goes right)."""
    feature, threshold = head.feature[tree].numpy(), head.threshold[tree].numpy()
    node, passed = 0, []
    while node < 2**head.depth - 1:
        passed.append(node)
        right = row[feature[node]] > threshold[node]
        if forced is not None and node == forced[0]:
            right = forced[1]
        node = 2 * node + 1 + int(right)
    return node - (2**head.depth - 1), passed


def logits_of(head, row, forced=(None, None, None)):
    """The sum of leaves by loops; ``forced`` is (tree, node, goes right)."""
    table, total = head.leaf.detach().numpy(), 0
    for tree in range(head.trees):
        own = forced[1:] if tree == forced[0] else None
        total = total + table[tree, descend(head, row, tree, own)[0]]
    return total


@pytest.mark.parametrize("chunk", [1, 100, 1 << 20])
@pytest.mark.parametrize("depth", [1, 3, 5])
def test_logits_are_sums_of_the_leaves_that_a_walk_reaches(monkeypatch, depth, chunk):
    monkeypatch.setattr(routing, "CHUNK", chunk)
    head = forest(depth)
    rows = torch.randn(40, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = torch.from_numpy(np.stack([logits_of(head, row) for row in rows.numpy()]))
    assert len(head.route(rows).unique()) == 2**depth  # every leaf is reached
    torch.testing.assert_close(head(rows), expected)
    maps = rows.reshape(2, 4, 5, 6).movedim(-1, 1)
    torch.testing.assert_close(head(maps).movedim(1, -1).reshape(40, 4), expected)


def test_on_the_threshold_and_not_a_number_go_left():
    head = ResidualForestHead(1, 2, trees=1, depth=1)
    index = head.route(torch.tensor([[0.0], [-0.0], [math.nan], [1e-30], [-1.0]]))
    assert index.ravel().tolist() == [0, 0, 0, 1, 0]


def test_the_gradient_of_the_leaves_is_that_of_an_embedding_bag():
    head = forest(trees=7)
    rows, labels = torch.randn(50, 6, dtype=torch.float64), torch.randint(4, (50,))
    index = head.route(rows) + torch.arange(7) * 8
    table = head.leaf.detach().clone().requires_grad_()
    bag = F.embedding_bag(index, table.flatten(0, 1), mode="sum")
    F.cross_entropy(bag, labels).backward()
    own = F.cross_entropy(head(rows), labels)
    own.backward()
    torch.testing.assert_close(head.leaf.grad, table.grad)
    head.leaf.grad = None
    residual_forest_loss(head, rows, labels).backward()
    torch.testing.assert_close(head.leaf.grad, table.grad)
    assert table.grad.abs().sum() > 1


@pytest.mark.parametrize("classes", [2, 11])
def test_leaves_of_zero_give_the_logarithm_of_the_number_of_classes(classes):
    head = ResidualForestHead(4, classes, trees=9, depth=4)
    loss = residual_forest_loss(head, torch.randn(30, 4), torch.randint(classes, (30,)))
    assert loss.item() == pytest.approx(math.log(classes), abs=1e-6)


def cross_entropy(logits, label):
    return np.log(np.exp(logits).sum()) - logits[label]


def blends(head, row, label):
    """Eq. 10 at every node of the row's paths: channel, threshold, loss on the left and right."""
    feature, threshold = head.feature.numpy(), head.threshold.numpy()
    for tree in range(head.trees):
        for node in descend(head, row, tree)[1]:
            sides = [
                cross_entropy(logits_of(head, row, (tree, node, way)), label) for way in (0, 1)
            ]
            yield feature[tree, node], threshold[tree, node], *sides


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("sharpness", [1.0, 3.0])
def test_the_divergent_gradient_is_the_slope_of_the_blend_of_both_losses(sharpness):
    head = forest(depth=3, trees=4, channels=5, classes=3, sharpness=sharpness)
    rows = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    labels = [0, 1, 2, 0, 1, 2]
    x = rows.clone().requires_grad_()
    (residual_forest_loss(head, x, torch.tensor(labels)) * 6).backward()
    step = 1e-5
    for own, row, label in zip(x.grad, rows.numpy(), labels, strict=True):
        found = list(blends(head, row, label))
        for channel in range(5):
            low, high = (
                sum(
                    sigmoid(-sharpness * (moved - s)) * left
                    + sigmoid(sharpness * (moved - s)) * right
                    for node, s, left, right in found
                    if node == channel
                )
                for moved in (row[channel] - step, row[channel] + step)
            )
            slope = (high - low) / (2 * step)
            assert float(own[channel]) == pytest.approx(slope, abs=1e-8, rel=1e-5)
    assert (x.grad.abs() > 1e-3).sum() > 20


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("better", [False, True])
def test_a_lower_divergent_loss_pulls_towards_the_threshold(side, better):
    head = ResidualForestHead(1, 2, trees=1, depth=1, sharpness=1.0)
    there = 1 if side < 0 else 0  # the leaf that the row does not reach
    head.leaf.data[0, there, 0] = 2.0 if better else -2.0
    x = torch.tensor([[0.5 * side]], requires_grad=True)
    residual_forest_loss(head, x, torch.tensor([0])).backward()
    after = x.detach() - 0.1 * x.grad  # a step of descent
    assert (abs(float(after)) < 0.5) == better


def test_through_any_loss_the_gradient_is_the_exact_one_for_small_leaves():
    """The change of the loss to first order: what is left is of second order in the leaves."""
    head = forest(depth=3, trees=6, sharpness=1.0)
    rows, labels = torch.randn(30, 6, dtype=torch.float64), torch.randint(4, (30,))
    gaps = []
    for scale in (1e-2, 1e-3):
        leaf = head.leaf.data.clone()
        head.leaf.data *= scale
        exact, linear = rows.clone().requires_grad_(), rows.clone().requires_grad_()
        residual_forest_loss(head, exact, labels).backward()
        F.cross_entropy(head(linear), labels).backward()
        gaps.append(float((exact.grad - linear.grad).abs().max() / exact.grad.abs().max()))
        head.leaf.data = leaf
    assert 0 < gaps[0] < 0.05
    assert gaps[1] == pytest.approx(gaps[0] / 10, rel=0.3)


def test_the_gradient_does_not_depend_on_the_chunks(monkeypatch):
    head = forest(depth=4, trees=6, sharpness=1.0)
    rows, labels = torch.randn(40, 6, dtype=torch.float64), torch.randint(4, (40,))
    found = []
    for size in (1, 70, 1 << 20):
        monkeypatch.setattr(routing, "CHUNK", size)
        for loss in (residual_forest_loss, lambda h, x, y: F.cross_entropy(h(x), y)):
            x = rows.clone().requires_grad_()
            loss(head, x, labels).backward()
            found.append(x.grad)
    for later in (2, 4):
        torch.testing.assert_close(found[later], found[0])
        torch.testing.assert_close(found[later + 1], found[1])


def test_pixels_that_nobody_labelled_change_nothing():
    head = forest(sharpness=1.0)
    x = torch.randn(2, 6, 3, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(4, (2, 3, 4))
    labels[0, :2] = 255
    loss = residual_forest_loss(head, x, labels, ignore_index=255)
    loss.backward()
    kept = labels != 255
    expected = F.cross_entropy(head(x).movedim(1, -1)[kept], labels[kept])
    assert loss.item() == pytest.approx(expected.item())
    grad = x.grad.movedim(1, -1)
    assert (grad[~kept] == 0).all()
    assert (grad[kept].abs().sum(-1) > 0).all()
    nothing = residual_forest_loss(head, x, torch.full_like(labels, 255), ignore_index=255)
    assert nothing.item() == 0


def test_other_logits_are_added_and_get_their_gradient():
    head = forest(sharpness=1.0)
    x, labels = torch.randn(2, 6, 3, 4, dtype=torch.float64), torch.randint(4, (2, 3, 4))
    added = torch.randn(2, 4, 3, 4, dtype=torch.float64, requires_grad=True)
    loss = residual_forest_loss(head, x, labels, others=added)
    (own,) = torch.autograd.grad(loss, added)
    expected = F.cross_entropy(head(x) + added, labels)
    assert loss.item() == pytest.approx(expected.item())
    torch.testing.assert_close(own, torch.autograd.grad(expected, added)[0])


def test_without_sharpness_the_features_stay_as_they_are():
    x = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    head = forest()
    head(x).sum().backward()
    assert x.grad is None
    residual_forest_loss(head, x, torch.zeros(4, dtype=torch.int64)).backward()
    assert x.grad is None


@pytest.mark.parametrize(("channels", "depth"), [(4, 4), (30, 6), (7, 5)])
def test_no_path_tests_a_channel_twice(channels, depth):
    chosen = routing.draw_channels(channels, 40, depth, np.random.default_rng(0))
    for tree in chosen:
        for leaf in range(2**depth):
            node, seen = leaf + 2**depth - 1, []
            while node:
                node = (node - 1) // 2
                seen.append(tree[node])
            assert len(set(seen)) == depth
    counts = np.bincount(chosen[:, :1].ravel(), minlength=channels)
    assert len(counts) == channels
    assert chosen.max() == channels - 1


def test_with_fewer_channels_than_levels_channels_repeat():
    chosen = routing.draw_channels(2, 30, 4, np.random.default_rng(0))
    assert set(chosen.ravel()) == {0, 1}


def test_every_channel_is_drawn_equally_often_at_every_level():
    chosen = routing.draw_channels(6, 20_000, 3, np.random.default_rng(0))
    for node in range(7):
        share = np.bincount(chosen[:, node], minlength=6) / 20_000
        np.testing.assert_allclose(share, 1 / 6, atol=0.012)


def test_quantiles_divide_the_rows_and_lie_between_them():
    random = np.random.default_rng(0)
    rows = random.integers(0, 5, (200, 3)).astype(np.float32)
    feature = random.integers(0, 3, (400, 1))
    found = routing.quantile_thresholds(rows, feature, np.random.default_rng(1), None)
    assert set(found.ravel()) == {0.5, 1.5, 2.5, 3.5}
    weights = random.integers(0, 4, 200)
    repeated = np.repeat(rows, weights, axis=0)
    np.testing.assert_array_equal(
        routing.quantile_thresholds(rows, feature, np.random.default_rng(1), weights),
        routing.quantile_thresholds(repeated, feature, np.random.default_rng(1), None),
    )
    same = routing.quantile_thresholds(np.ones((5, 3), np.float32), feature, random, None)
    assert (same == 1).all()
    close = np.array([[1.0], [np.nextafter(np.float32(1), np.float32(2))]], np.float32)
    halves = routing.quantile_thresholds(close, np.zeros((50, 1), int), random, None)
    assert ((close[0] <= halves) & (halves < close[1])).all()


def test_thresholds_of_the_data_let_rows_after_a_relu_reach_more_leaves():
    x = torch.relu(torch.randn(500, 8, generator=torch.Generator().manual_seed(0)) - 0.5)
    head = ResidualForestHead(8, 2, trees=10, depth=4)
    before = [len(column.unique()) for column in head.route(x).T]
    head.fit_thresholds(x)
    assert not (head.threshold == 0).all()
    assert head.threshold.max() > 0
    assert max(before) <= 16
    assert not torch.equal(head.threshold, ResidualForestHead(8, 2, trees=10).threshold)


def test_scales_are_interpolated_and_summed():
    made = MultiScaleForest((3, 5), 4, trees=(6, 7), depth=2, seed=1)
    assert [head.trees for head in made.heads] == [6, 7]
    for head in made.heads:
        head.leaf.data.normal_()
    maps = [torch.randn(2, 3, 8, 6), torch.randn(2, 5, 4, 3)]
    fine, coarse = (head(x) for head, x in zip(made.heads, maps, strict=True))
    wide = torch.nn.Upsample((8, 6), mode="bilinear")(coarse)
    torch.testing.assert_close(made(maps), fine + wide)
    made.fit_thresholds(maps)
    assert all((head.threshold != 0).any() for head in made.heads)


def test_leaves_learn_what_a_linear_head_cannot():
    """Exclusive or of two channels, by descent on the convex loss."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(600, 2, generator=random)
    y = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()
    head = ResidualForestHead(2, 2, trees=4, depth=2)
    optimizer = torch.optim.SGD(head.parameters(), lr=1.0)
    losses = []
    for _ in range(40):
        loss = F.cross_entropy(head(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(after < before for before, after in itertools.pairwise(losses))
    assert (head(x).argmax(1) == y).all()


def test_the_end_to_end_gradient_teaches_a_layer_before_the_forest():
    """A rotation hides the exclusive or from tests of single channels; the layer undoes it."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(800, 2, generator=random)
    y = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()
    turned = x @ torch.tensor([[0.7071, -0.7071], [0.7071, 0.7071]])
    shares = []
    for sharpness in (None, 2.0):
        layer = torch.nn.Linear(2, 2, bias=False)
        layer.weight.data = torch.eye(2)
        head = ResidualForestHead(2, 2, trees=4, depth=2, sharpness=sharpness)
        optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02)
        for _ in range(150):
            optimizer.zero_grad()
            residual_forest_loss(head, layer(turned), y).backward()
            optimizer.step()
        shares.append(float((head(layer(turned)).argmax(1) == y).float().mean()))
    assert shares[0] < 0.7
    assert shares[1] > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trees": 0}, "trees must be at least 1, got 0"),
        ({"depth": 0}, "depth must be 1 to 12, got 0"),
        ({"depth": 13}, "depth must be 1 to 12, got 13"),
        ({"sharpness": 0.0}, "sharpness must be above 0, or None, got 0.0"),
        ({"classes": 0}, "classes must be at least 1, got 0"),
    ],
)
def test_arguments_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ResidualForestHead(**({"in_channels": 3, "classes": 2} | options))


def test_inputs_that_do_not_fit_are_named():
    head = ResidualForestHead(3, 2, trees=2)
    with pytest.raises(ValueError, match=r"shape \(n, 3\) or \(n, 3, h, w\), got \(4, 5\)"):
        head(torch.zeros(4, 5))
    with pytest.raises(ValueError, match=r"got \(3,\)"):
        head(torch.zeros(3))
    with pytest.raises(TypeError, match="floating-point"):
        head(torch.zeros(4, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"labels must have shape \(4,\), got \(3,\)"):
        residual_forest_loss(head, torch.zeros(4, 3), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="labels must be 0 to 1 or -100, got 0 to 2"):
        residual_forest_loss(head, torch.zeros(2, 3), torch.tensor([0, 2]))
    with pytest.raises(ValueError, match=r"others must have the shape .* \(2, 2\), got \(2, 3\)"):
        residual_forest_loss(
            head, torch.zeros(2, 3), torch.tensor([0, 1]), others=torch.zeros(2, 3)
        )
    with pytest.raises(ValueError, match="at least one row, and finite"):
        head.fit_thresholds(torch.full((2, 3), math.nan))
    with pytest.raises(ValueError, match="needs 2 maps, got 1"):
        MultiScaleForest((3, 3), 2)([torch.zeros(1, 3, 2, 2)])
    with pytest.raises(ValueError, match="one for each of 2 maps"):
        MultiScaleForest((3, 3), 2, trees=(1, 2, 3))
    assert head(torch.zeros(0, 3)).shape == (0, 2)


@pytest.mark.parametrize(
    "shapes", [((2, 3, 4, 4), (1, 3, 2, 2)), ((2, 3), (2, 3)), ((2, 3, 4, 4),)]
)
def test_maps_that_do_not_fit_each_other_are_refused(shapes):
    forest = MultiScaleForest((3, 3), 2, trees=np.int64(4), depth=2)
    maps = [torch.zeros(shape) for shape in shapes]
    for call in (forest, forest.route, forest.fit_thresholds):
        with pytest.raises(ValueError, match="maps"):
            call(maps)


@pytest.mark.parametrize(
    "weights", [np.ones(4), np.zeros(5), np.full(5, -1.0), np.full(5, np.nan), np.ones((5, 1))]
)
def test_weights_that_weigh_nothing_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        ResidualForestHead(3, 2, trees=2).fit_thresholds(torch.randn(5, 3), weights=weights)
