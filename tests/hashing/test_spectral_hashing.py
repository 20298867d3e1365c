import numpy as np
import pytest

from bitgrove.hashing import SpectralHashing
from bitgrove.hashing._spectral_hashing import slowest_waves


def codes_by_the_paper(train, rows, bits, components):
    """Section 3 of the paper, an eigenfunction at a time, with the analytical eigenvalues."""
    mean = train.mean(0)
    _, _, axes = np.linalg.svd(train - mean)
    epsilon = 0.01  # small enough that no eigenvalue is rounded to 1
    found = []
    for axis in range(components):
        places = [float(axes[axis] @ (row - mean)) for row in train]
        a, b = min(places), max(places)
        for k in range(1, bits + 1):
            eigenvalue = 1 - np.exp(-(epsilon**2) / 2 * abs(k * np.pi / (b - a)) ** 2)
            found.append((eigenvalue, axis, k, a, b))
    found.sort(key=lambda wave: wave[0])
    out = np.zeros((len(rows), bits))
    for bit, (_, axis, k, a, b) in enumerate(found[:bits]):
        for r, row in enumerate(rows):
            x = axes[axis] @ (row - mean) - a
            out[r, bit] = np.sin(np.pi / 2 + k * np.pi / (b - a) * x)
    return out, found[:bits]


@pytest.mark.parametrize(("bits", "components"), [(6, None), (9, 2), (20, 5), (3, 1)])
def test_equals_the_formula_of_the_paper(bits, components):
    random = np.random.default_rng(bits)
    train = random.uniform(-1, 1, (80, 5)) * [9, 5, 3, 2, 1.2] @ random.normal(size=(5, 5))
    rows = train[:30] * 1.3  # some beyond the box
    spectral = SpectralHashing(bits=bits, components=components).fit(train)
    used = components or min(bits, 5)
    expected, waves = codes_by_the_paper(train, rows, bits, used)
    np.testing.assert_array_equal(spectral.axes_, [axis for _, axis, *_ in waves])
    np.testing.assert_array_equal(spectral.waves_, [k for _, _, k, *_ in waves])
    found = spectral.decision_function(rows)
    assert len({(axis, k) for _, axis, k, *_ in waves}) == bits
    # An axis may point the other way, where waves with an odd number of halves change sign.
    same = np.abs(found - expected).max(0) < 1e-9
    turned = np.abs(found + expected).max(0) < 1e-9
    assert (same | turned).all()
    for axis in set(spectral.axes_):
        of_axis = spectral.axes_ == axis
        odd = spectral.waves_ % 2 == 1
        assert same[of_axis & ~odd].all()
        assert same[of_axis & odd].all() or turned[of_axis & odd].all()


def test_analytical_eigenvalues_come_in_order():
    lengths = np.array([1.0, 7.3, 0.0, 2.2])
    axes, waves = slowest_waves(lengths, 25)
    speeds = waves * np.pi / lengths[axes]
    assert (np.diff(1 - np.exp(-0.5 * 0.1**2 * speeds**2)) >= 0).all()
    assert 2 not in axes  # no length, no wave
    left_out = min((waves[axes == a].max(initial=0) + 1) / lengths[a] for a in (0, 1, 3))
    assert left_out >= (waves / lengths[axes]).max()


def test_the_waves_are_those_of_a_graph_on_rows_that_fill_a_line():
    # The Laplacian of a path: its eigenvectors are these cosines, at the middles of its steps.
    n = 40
    laplacian = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    laplacian[0, 0] = laplacian[-1, -1] = 1
    vectors = np.linalg.eigh(laplacian)[1][:, 1:5]
    train = np.array([[0.0], [n]])
    middles = np.arange(n)[:, None] + 0.5
    found = SpectralHashing(bits=4).fit(train).decision_function(middles)
    found /= np.linalg.norm(found, axis=0)
    np.testing.assert_allclose(np.abs((found * vectors).sum(0)), 1, rtol=1e-9)


def test_where_rows_fill_the_box_waves_are_uncorrelated_and_bits_balanced():
    grid = np.array([[x, y] for x in range(160) for y in range(96)], float)
    waves = SpectralHashing(bits=5).fit(grid).decision_function(grid)
    np.testing.assert_allclose(waves.T @ waves / len(grid), np.eye(5) / 2, atol=0.02)
    np.testing.assert_allclose(np.where(waves >= 0, 1, -1).mean(0), 0, atol=0.05)
