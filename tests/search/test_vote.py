import math

import numpy as np
import pytest

from bitgrove.search import kernel_vote, median_bandwidth


def vote_by_definition(distances, labels, n_classes, bandwidth):
    """Oracle: sums of exponentials in exact arithmetic order, by loops."""
    rows = []
    for row, classes in zip(distances, labels, strict=True):
        weights = [math.exp(-float(d) / (2 * bandwidth**2)) for d in row]
        total = math.fsum(w for w, c in zip(weights, classes, strict=True) if c >= 0)
        rows.append(
            [
                math.fsum(w for w, c in zip(weights, classes, strict=True) if c == i) / total
                for i in range(n_classes)
            ]
        )
    return np.array(rows)


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_definition(seed):
    rng = np.random.default_rng(seed)
    distances = rng.random((30, 7)).astype(np.float32) * 5
    labels = rng.integers(-1, 4, (30, 7))
    labels[:, 0] = rng.integers(0, 4, 30)
    distances[labels < 0] = np.inf
    logs = kernel_vote(distances, labels, 5, 0.8)
    assert logs.dtype == np.float64
    expected = vote_by_definition(distances, labels, 5, 0.8)
    assert len(np.unique(expected)) > 30  # not vacuous
    np.testing.assert_allclose(np.exp(logs), expected, rtol=1e-12)
    assert (logs[:, 4] == -np.inf).all()


def test_neighbours_that_are_all_far_give_the_nearest_its_due():
    logs = kernel_vote(np.array([[1e6, 1e6 + 64, 1e8]], np.float32), np.array([[1, 0, 2]]), 4, 1.0)
    np.testing.assert_allclose(logs[0, :3], [-32, 0, -(1e8 - 1e6) / 2], rtol=1e-9, atol=1e-12)
    assert logs[0, 3] == -np.inf


@pytest.mark.parametrize("bandwidth", [5e-324, 1e-200, 1e-30, 1e30, 1e300])
def test_no_bandwidth_gives_nan_or_loses_a_class(bandwidth):
    distances = np.array([[0.0, 1e-30, 3e38], [3e38, 3e38, 3e38]], np.float32)
    logs = kernel_vote(distances, np.array([[0, 1, 2], [2, 1, 0]]), 3, bandwidth)
    assert np.isfinite(logs).all()
    np.testing.assert_allclose(np.exp(logs).sum(1), 1)
    np.testing.assert_allclose(np.exp(logs[1]), 1 / 3)


def test_no_query_gives_no_row():
    assert kernel_vote(np.zeros((0, 3), np.float32), np.zeros((0, 3), int), 2, 1.0).shape == (0, 2)


@pytest.mark.parametrize(
    ("distances", "labels", "n_classes", "bandwidth", "message"),
    [
        ([[1.0]], [[0, 1]], 2, 1.0, "one shape"),
        ([1.0], [0], 2, 1.0, "one shape"),
        ([[1.0]], [[2]], 2, 1.0, r"labels must be in -1 .. 2"),
        ([[1.0]], [[-2]], 2, 1.0, r"labels must be in -1 .. 2"),
        ([[1.0]], [[0.0]], 2, 1.0, "labels must be integers"),
        ([[np.nan]], [[0]], 2, 1.0, "finite and not negative"),
        ([[np.inf]], [[0]], 2, 1.0, "finite and not negative"),
        ([[-1.0]], [[0]], 2, 1.0, "finite and not negative"),
        ([[1.0], [1.0]], [[0], [-1]], 2, 1.0, "query 1 has no labelled neighbour"),
        ([[1.0]], [[0]], 0, 1.0, "n_classes must be at least 1"),
        ([[1.0]], [[0]], 2, 0.0, "bandwidth must be positive"),
        ([[1.0]], [[0]], 2, np.nan, "bandwidth must be positive"),
        ([[1.0]], [[0]], 2, np.inf, "bandwidth must be positive"),
    ],
)
def test_impossible_votes_are_refused(distances, labels, n_classes, bandwidth, message):
    with pytest.raises(ValueError, match=message):
        kernel_vote(np.array(distances), np.array(labels), n_classes, bandwidth)


@pytest.mark.parametrize(
    ("distances", "expected"),
    [
        ([[9, 1e6], [36, 1e6], [81, 1e6]], 2.0),  # the nearest of each row counts
        ([[1e6, 9], [36, 1e6], [81, 1e6]], 2.0),  # in any order
        ([[9, np.inf], [36, np.inf], [np.inf, np.inf]], 1.5),  # between the roots
        ([[0, 9], [0, 0], [9, 9]], 1.0),  # duplicates are no scale
        ([[0, 0], [0, 0]], 1.0),
        ([[np.inf]], 1.0),
        ([[]], 1.0),
        (np.zeros((0, 3)), 1.0),
    ],
)
def test_median_bandwidth(distances, expected):
    assert median_bandwidth(np.array(distances, np.float32)) == expected


@pytest.mark.parametrize("value", [np.nan, -1.0])
def test_median_bandwidth_refuses_what_is_no_distance(value):
    with pytest.raises(ValueError, match="NaN or negative"):
        median_bandwidth(np.array([[1.0, value]]))


def test_median_bandwidth_wants_rows():
    with pytest.raises(ValueError, match=r"shape .n, k., got .2,."):
        median_bandwidth(np.ones(2))


def test_class_weights_multiply_the_sums_of_the_classes():
    rng = np.random.default_rng(3)
    distances = rng.uniform(0, 4, (6, 5)).astype(np.float32)
    labels = rng.integers(0, 3, (6, 5))
    weights = np.array([0.5, 4.0, 1.0])
    expected = np.zeros((6, 3))
    for q, (row, names) in enumerate(zip(distances, labels, strict=True)):
        for d, c in zip(row, names, strict=True):
            expected[q, c] += weights[c] * np.exp(-float(d) / 2)
    expected /= expected.sum(1, keepdims=True)
    got = np.exp(kernel_vote(distances, labels, 3, 1.0, weights))
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert np.abs(got - np.exp(kernel_vote(distances, labels, 3, 1.0))).max() > 0.1


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, np.nan], [1.0, -1.0]])
def test_class_weights_that_are_no_weights_are_refused(weights):
    with pytest.raises(ValueError, match="2 numbers above 0"):
        kernel_vote(np.zeros((1, 1), np.float32), np.zeros((1, 1), int), 2, 1.0, np.array(weights))
