"""Supervised discrete hashing: each step against its definition, the descent against all codes."""

import itertools

import numpy as np
import pytest

from bitgrove.hashing import SupervisedDiscreteHashing
from bitgrove.hashing._anchors import Anchors, mean_distance_to_anchors
from bitgrove.hashing._sdh_steps import Problem

LAMBDA, NU, DELTA = 0.7, 0.3, 0.05


def objective_by_loops(functions, labels, classes, codes, W, P):
    value = LAMBDA * sum(w**2 for row in W for w in row)
    value += NU * DELTA * sum(p**2 for row in P for p in row)
    for i in range(len(codes)):
        for c in range(classes):
            answer = sum(codes[i, k] * W[k, c] for k in range(codes.shape[1]))
            value += ((labels[i] == c) - answer) ** 2
        for k in range(codes.shape[1]):
            foretold = sum(functions[i, a] * P[a, k] for a in range(functions.shape[1]))
            value += NU * (codes[i, k] - foretold) ** 2
    return value


@pytest.fixture
def problem():
    random = np.random.default_rng(0)
    functions = random.random((30, 6)).astype(np.float32)
    labels = random.integers(0, 3, 30)
    return Problem(functions, labels, 3, LAMBDA, NU, DELTA), functions.astype(float), labels


def signs(random, *shape):
    return np.where(random.standard_normal(shape) >= 0, 1.0, -1.0)


def test_regressions_are_the_best_and_the_objective_equals_explicit_loops(problem):
    steps, functions, labels = problem
    random = np.random.default_rng(1)
    codes = signs(random, 30, 4)
    W, P = steps.classifier(codes), steps.projection(codes)
    foretold = steps.foretold(P)
    np.testing.assert_allclose(foretold, functions @ P)
    value = steps.objective(codes, W, P, foretold)
    assert value == pytest.approx(objective_by_loops(functions, labels, 3, codes, W, P), rel=1e-9)
    for _ in range(20):  # nothing nearby is better
        other = W + 0.01 * random.standard_normal(W.shape)
        assert objective_by_loops(functions, labels, 3, codes, other, P) > value
        other = P + 0.01 * random.standard_normal(P.shape)
        assert objective_by_loops(functions, labels, 3, codes, W, other) > value


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_new_codes_are_best_in_each_bit_and_near_the_best_of_all(problem, bits):
    steps, functions, labels = problem
    random = np.random.default_rng(bits)
    W = random.normal(size=(bits, 3))
    P = random.normal(size=(6, bits))
    foretold = functions @ P
    before = signs(random, 30, bits)
    codes = steps.codes(before, W, foretold, sweeps=100)
    every = np.array(list(itertools.product([-1.0, 1.0], repeat=bits)))
    one_hot = np.eye(3)[labels]

    def cost(code, i):
        return ((one_hot[i] - code @ W) ** 2).sum() + NU * ((code - foretold[i]) ** 2).sum()

    found, best, at_random = 0.0, 0.0, 0.0
    for i in range(30):
        of_all = np.array([cost(code, i) for code in every])
        own = cost(codes[i], i)
        assert own <= cost(before[i], i) + 1e-9
        assert own >= of_all.min() - 1e-9
        for k in range(bits):
            flipped = codes[i].copy()
            flipped[k] *= -1
            assert own <= cost(flipped, i) + 1e-9 or (codes[i] == before[i]).all()
        found, best = found + own, best + of_all.min()
        at_random += of_all.mean()
    if bits == 1:
        assert found == pytest.approx(best)
    assert found - best < 0.3 * (at_random - best)


def test_codes_are_the_best_of_all_where_bits_do_not_meet(problem):
    steps, functions, labels = problem
    W = np.diag([0.5, -0.2, 0.4])  # orthogonal rows
    foretold = functions @ np.random.default_rng(0).normal(size=(6, 3))
    codes = steps.codes(signs(np.random.default_rng(1), 30, 3), W, foretold, sweeps=1)
    every = np.array(list(itertools.product([-1.0, 1.0], repeat=3)))
    for i in range(30):
        costs = ((np.eye(3)[labels[i]] - every @ W) ** 2).sum(1)
        costs += NU * ((every - foretold[i]) ** 2).sum(1)
        np.testing.assert_array_equal(codes[i], every[costs.argmin()])


@pytest.mark.parametrize("agreement", [1e-5, 1.0])
@pytest.mark.parametrize("bits", [3, 8, 20])
def test_the_objective_never_increases(bits, agreement):
    random = np.random.default_rng(bits)
    labels = random.integers(0, 6, 400)
    rows = random.normal(size=(400, 5)) + random.normal(0, 2, (6, 5))[labels]
    sdh = SupervisedDiscreteHashing(
        bits=bits, anchors=40, iterations=8, agreement=agreement, random_state=0
    ).fit(rows, labels)
    assert (np.diff(sdh.objective_) <= 1e-9 * sdh.objective_[0]).all()
    assert sdh.objective_[-1] < 0.9 * sdh.objective_[0]
    assert sdh.classifier_.shape == (bits, 6)


def test_radial_functions_are_their_formula_and_the_width_a_mean_distance():
    random = np.random.default_rng(0)
    rows = random.normal(size=(5000, 3)) + 4  # more than one block
    points = rows[:7]
    found = Anchors(points, 0.8).of(rows[:50])
    for i in range(50):
        for j in range(7):
            square = sum((rows[i, k] - points[j, k]) ** 2 for k in range(3))
            assert found[i, j] == pytest.approx(np.exp(-square / (2 * 0.64)), rel=1e-9)
    assert (found[:, 7] == 1).all()
    distance = np.sqrt(((rows[:, None] - points) ** 2).sum(-1))
    distance[distance == 0] = np.inf  # an anchor is not its own neighbour
    assert mean_distance_to_anchors(rows, points) == pytest.approx(distance.min(1).mean())


def test_anchors_are_training_rows_and_at_most_all_of_them():
    random = np.random.default_rng(0)
    rows, labels = random.normal(size=(50, 3)), random.integers(0, 2, 50)
    few = SupervisedDiscreteHashing(bits=4, anchors=10, width=0.4, random_state=1).fit(rows, labels)
    assert few.anchors_.shape == (10, 3)
    assert few.width_ == 0.4
    assert {tuple(row) for row in few.anchors_} <= {tuple(row) for row in rows}
    many = SupervisedDiscreteHashing(bits=4, anchors=1000, random_state=1).fit(rows, labels)
    np.testing.assert_array_equal(many.anchors_, rows)


def test_codes_of_new_rows_tell_classes_apart_that_no_line_does():
    random = np.random.default_rng(0)
    angle, labels = random.uniform(0, 2 * np.pi, 600), random.integers(0, 2, 600)
    rows = np.stack([np.cos(angle), np.sin(angle)], 1) * (1 + 2 * labels)[:, None]
    rows += random.normal(0, 0.1, rows.shape)
    sdh = SupervisedDiscreteHashing(bits=8, anchors=60, random_state=0)
    values = sdh.fit(rows[:300], labels[:300]).decision_function(rows[300:])
    codes = np.where(values >= 0, 1, -1)
    differ = (8 - codes @ codes.T) / 2
    alike = labels[300:, None] == labels[300:]
    assert differ[alike].mean() < 0.5 < 3 < differ[~alike].mean()
