from itertools import product

import numpy as np
import pytest

from bitgrove.hashing._dcc import descend


def problem(bits, n=40, seed=0, features=9):
    """Rows, a decoder and real codes, and what the step over codes makes of them."""
    random = np.random.default_rng(seed)
    rows, weight = random.normal(size=(n, features)), random.normal(size=(features, bits))
    codes, factor = random.normal(size=(n, bits)), 0.3
    start = np.where(random.random((n, bits)) < 0.5, -1.0, 1.0)
    return rows, weight, codes, factor, start


def values(rows, weight, codes, factor, signs):
    """Oracle: the objective of each row by loops over its definition."""
    found = []
    for x, h, b in zip(rows, codes, signs, strict=True):
        shown = [sum(w * s for w, s in zip(line, b, strict=True)) for line in weight]
        part = sum((a - s) ** 2 for a, s in zip(x, shown, strict=True))
        found.append(part + factor * sum((a - s) ** 2 for a, s in zip(h, b, strict=True)))
    return np.array(found)


def solve(rows, weight, codes, factor, start, sweeps):
    return descend(rows @ weight + factor * codes, weight.T @ weight, start, sweeps)


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 8])
def test_no_single_bit_can_be_bettered(bits):
    given = problem(bits)
    found = solve(*given, sweeps=100)
    assert (np.abs(found) == 1).all()
    reached = values(*given[:4], found)
    for k in range(bits):
        flipped = found.copy()
        flipped[:, k] *= -1
        assert (values(*given[:4], flipped) >= reached - 1e-9).all()


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_lies_between_the_best_of_all_codes_and_its_start(bits):
    rows, weight, codes, factor, start = problem(bits, n=12, seed=4)
    reached = values(rows, weight, codes, factor, solve(rows, weight, codes, factor, start, 100))
    every = np.array(list(product((-1.0, 1.0), repeat=bits)))
    best = np.array(
        [
            values(np.tile(x, (len(every), 1)), weight, np.tile(h, (len(every), 1)), factor, every)
            for x, h in zip(rows, codes, strict=True)
        ]
    ).min(1)
    assert (reached >= best - 1e-9).all()
    assert (reached <= values(rows, weight, codes, factor, start) + 1e-9).all()
    if bits == 1:
        np.testing.assert_allclose(reached, best)


def test_each_sweep_is_that_of_the_definition():
    rows, weight, codes, factor, start = problem(6, n=20, seed=2)
    for sweeps in (1, 2, 3):
        want = start.copy()
        for _ in range(sweeps):
            for i in range(len(rows)):
                for k in range(6):
                    rest = want[i].copy()
                    rest[k] = 0
                    q = weight.T @ rows[i] + factor * codes[i]
                    want[i, k] = 1 if q[k] - weight[:, k] @ (weight @ rest) >= 0 else -1
        np.testing.assert_array_equal(solve(rows, weight, codes, factor, start, sweeps), want)


def test_orthogonal_decoders_are_solved_by_signs():
    rows, _, codes, factor, start = problem(5, features=9)
    weight = np.linalg.qr(np.random.default_rng(0).normal(size=(9, 5)))[0]
    found = solve(rows, weight, codes, factor, start, 1)
    np.testing.assert_array_equal(found, np.where(rows @ weight + factor * codes >= 0, 1, -1))


def test_zero_counts_as_one():
    found = descend(np.zeros((3, 2)), np.eye(2), -np.ones((3, 2)), 1)
    np.testing.assert_array_equal(found, 1)
