"""Deep hashing and its supervised form against explicit loops in float64."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from bitgrove.hashing import DeepHashing, SupervisedDeepHashing
from bitgrove.hashing._dh_objective import Factors, Pairs, objective


def objective_by_loops(rows, layers, labels, factors):
    variance, orthogonality, decay, separation, centred = factors
    outputs = []
    for row in rows:
        h = row
        for W, c in layers:
            h = np.array(
                [np.tanh(sum(W[o, i] * h[i] for i in range(len(h))) + c[o]) for o in range(len(c))]
            )
        outputs.append(h)
    n = len(rows)
    value = 0.0
    spread = np.zeros((len(h), len(h)))
    mean = sum(outputs) / n if centred else np.zeros(len(h))
    for h in outputs:
        b = np.array([1.0 if x >= 0 else -1.0 for x in h])
        value += ((b - h) ** 2).sum() / 2 / n
        spread += np.outer(h - mean, h - mean) / n
    value -= variance / 2 * np.trace(spread)
    if labels is not None:
        scatter = {True: np.zeros_like(spread), False: np.zeros_like(spread)}
        pairs = {True: 0, False: 0}
        for i in range(n):
            for j in range(n):
                if i != j:
                    alike = bool(labels[i] == labels[j])
                    apart = outputs[i] - outputs[j]
                    scatter[alike] += np.outer(apart, apart)
                    pairs[alike] += 1
        means = {alike: scatter[alike] / pairs[alike] for alike in pairs}
        value -= variance / 2 * separation * np.trace(means[False] - means[True])
    for W, c in layers:
        for i in range(len(W)):
            for j in range(len(W)):
                value += orthogonality / 2 * (W[i] @ W[j] - (i == j)) ** 2
        value += decay / 2 * ((W**2).sum() + (c**2).sum())
    return value


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("labels", [None, [0, 1, 2, 0, 1, 0, 0]])
def test_the_objective_equals_explicit_loops_and_its_gradient_finite_differences(labels, centred):
    random = np.random.default_rng(0)
    rows = random.normal(size=(7, 4))
    layers = [(random.normal(size=(3, 4)), random.normal(size=3))]
    layers.append((random.normal(size=(2, 3)), random.normal(size=2)))
    factors = Factors(variance=3.0, orthogonality=0.7, decay=0.2, separation=1.5, centred=centred)
    pairs = None if labels is None else Pairs(torch.tensor(labels), 3)

    def value(*flat):
        return objective(
            torch.from_numpy(rows), list(zip(flat[::2], flat[1::2], strict=True)), factors, pairs
        )

    flat = [torch.from_numpy(part).requires_grad_() for layer in layers for part in layer]
    expected = objective_by_loops(rows, layers, labels, factors)
    assert value(*flat).item() == pytest.approx(expected, rel=1e-12)
    assert torch.autograd.gradcheck(value, flat)


def test_a_class_of_one_row_has_no_pair_of_its_own():
    pairs = Pairs(torch.tensor([0, 1]), 2)
    codes = torch.tensor([[1.0, -1.0], [-1.0, -1.0]], dtype=torch.float64)
    assert pairs.separation(codes).item() == 4


@pytest.fixture(scope="module")
def clusters():
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 40)
    centres = random.normal(0, 3, (5, 12))
    return random.normal(size=(200, 12)) * np.linspace(4, 0.5, 12) + centres[labels], labels


@pytest.mark.parametrize("bits", [5, 12])
@pytest.mark.parametrize("method", [DeepHashing, SupervisedDeepHashing])
def test_the_objective_never_increases_and_is_that_of_the_layers_kept(method, bits, clusters):
    rows, labels = clusters
    factors = Factors(variance=2.0, orthogonality=0.3, decay=0.01, separation=1.0, centred=True)
    hasher = method(
        bits=bits, hidden=[8, 6], iterations=30, variance=2.0, orthogonality=0.3, decay=0.01
    )
    hasher.fit(rows, labels)
    assert (np.diff(hasher.objective_) < 0).all()
    assert len(hasher.objective_) > 10
    supervised = method is SupervisedDeepHashing
    found = objective_by_loops(
        (rows - rows.mean(0)) * hasher.scale_,
        [(w.T, c) for w, c in hasher.layers_],
        labels if supervised else None,
        factors,
    )
    assert found == pytest.approx(hasher.objective_[-1], rel=1e-9)


def test_no_bit_is_nearly_the_same_for_all_rows_when_variance_is_about_the_mean():
    rows = load_digits().data

    def share(centred):
        codes = DeepHashing(bits=8, centred=centred).fit(rows).encode(rows)
        return np.unpackbits(codes, axis=1).mean(0)

    about_the_mean, about_zero = share(True), share(False)
    assert ((about_the_mean > 0.2) & (about_the_mean < 0.8)).all()
    assert ((about_zero < 0.01) | (about_zero > 0.99)).any()


def test_where_rows_lie_and_their_scale_do_not_matter(clusters):
    rows, _ = clusters
    here = DeepHashing(bits=6, hidden=[8], iterations=5).fit(rows)
    there = DeepHashing(bits=6, hidden=[8], iterations=5).fit(1000 * rows + 5e4)
    np.testing.assert_array_equal(here.encode(rows), there.encode(1000 * rows + 5e4))


def test_labels_bring_rows_of_one_class_together(clusters):
    rows, labels = clusters

    def contrast(hasher):
        values = hasher.fit(rows[::2], labels[::2]).decision_function(rows[1::2])
        codes = np.where(values >= 0, 1, -1)
        differ = (hasher.bits - codes @ codes.T) / 2
        alike = labels[1::2, None] == labels[1::2]
        return differ[~alike].mean() - differ[alike].mean()

    plain = contrast(DeepHashing(bits=12, hidden=[12], iterations=60))
    taught = contrast(SupervisedDeepHashing(bits=12, hidden=[12], iterations=60))
    assert taught > plain + 1


def test_labels_do_nothing_without_separation(clusters):
    rows, labels = clusters
    options = {"bits": 6, "hidden": [8], "iterations": 10, "variance": 2.0, "orthogonality": 3.0}
    plain = DeepHashing(**options).fit(rows)
    without = SupervisedDeepHashing(**options, separation=0.0)
    without.fit(rows, labels)
    np.testing.assert_allclose(plain.decision_function(rows), without.decision_function(rows))
