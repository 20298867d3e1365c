import numpy as np
import pytest

from bitgrove.kernels import Ferns


def leaves_by_loops(x, feature, threshold, other):
    """Oracle: one question after the other, in Python numbers."""
    ferns, depth = feature.shape
    out = np.zeros((ferns, len(x)), np.uint16)
    for f in range(ferns):
        for r, row in enumerate(x.tolist()):
            for k in range(depth):
                against = threshold[f, k].item() if other is None else row[other[f, k]]
                out[f, r] += (row[feature[f, k]] > against) << k
    return out


def votes_by_loops(leaves, table, depth):
    """Oracle: rows of the table added one after the other, in the table's own precision."""
    kind = np.float32 if table.dtype == np.float32 else np.int32
    out = np.zeros((leaves.shape[1], table.shape[1]), kind)
    for f, of_fern in enumerate(leaves):
        for r, leaf in enumerate(of_fern):
            out[r] = out[r] + table[(f << depth) + int(leaf)].astype(kind)
    return out


def rows(rng, n, features, dtype):
    x = rng.integers(0, 256, (n, features)).astype(np.float64)
    return x.astype(dtype) if dtype == np.uint8 else (x / 4 - 32).astype(np.float32)


def questions(rng, x, ferns, depth, pairs):
    feature = rng.integers(0, x.shape[1], (ferns, depth), dtype=np.int32)
    if pairs:
        return feature, None, rng.integers(0, x.shape[1], (ferns, depth), dtype=np.int32)
    # Some thresholds are numbers of the data themselves, and some lie between them.
    threshold = x[rng.integers(0, len(x), (ferns, depth)), feature].astype(np.float32)
    return feature, threshold + rng.choice([0, 0.7], threshold.shape).astype(np.float32), None


CASES = [
    # rows: fewer than are turned, tails of 16 and of 64, more than one call of votes
    (1, 5, 3, 1, 1),
    (5, 16, 4, 3, 1),
    (6, 17, 9, 8, 3),
    (63, 33, 5, 9, 2),
    (64, 40, 3, 16, 1),
    (130, 100, 17, 5, 16),
    (1100, 21, 18, 4, 20),
]


@pytest.mark.parametrize("pairs", [False, True], ids=["thresholds", "pairs"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize(("n", "features", "ferns", "depth", "width"), CASES)
def test_every_level_finds_the_leaves_and_sums_of_the_loops(
    simd_level, n, features, ferns, depth, width, dtype, pairs
):
    rng = np.random.default_rng(n)
    x = rows(rng, n, features, dtype)
    feature, threshold, other = questions(rng, x, ferns, depth, pairs)
    small = min(n, 150)  # of the loops, from the end, where the tails are
    expected = leaves_by_loops(x[n - small :], feature, threshold, other)
    assert n == 1 or len(np.unique(expected)) > 1
    for table in (
        rng.standard_normal((ferns << depth, width)).astype(np.float32),
        rng.integers(-127, 128, (ferns << depth, width), dtype=np.int8),
    ):
        made = Ferns(feature, threshold, other, table)
        leaves, votes = made.leaves(x), made.votes(x)
        np.testing.assert_array_equal(leaves[:, n - small :], expected)
        sums = votes_by_loops(expected, table, depth)
        np.testing.assert_array_equal(votes[n - small :], sums)
        for row in (0, n // 2, n - 1):  # alone, it takes another way
            np.testing.assert_array_equal(made.leaves(x[row : row + 1]), leaves[:, [row]])


def test_threads_change_nothing():
    rng = np.random.default_rng(0)
    x = rows(rng, 3000, 12, np.float32)
    made = Ferns(*questions(rng, x, 7, 6, False), rng.standard_normal((7 << 6, 3)).astype("f4"))
    np.testing.assert_array_equal(made.votes(x, threads=3), made.votes(x))
    np.testing.assert_array_equal(made.leaves(x, threads=3), made.leaves(x))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_bytes_meet_thresholds_that_no_byte_has(dtype):
    threshold = np.float32([[-1.0, -0.5, 0.0, 254.7, 255.0, 300.0, np.inf, 7.0]])
    feature, table = np.zeros((1, 8), np.int32), np.zeros((256, 1), np.float32)
    x = np.array([[0], [7], [8], [255]], dtype)
    expected = leaves_by_loops(x, feature, threshold, None)
    np.testing.assert_array_equal(Ferns(feature, threshold, None, table).leaves(x), expected)
    np.testing.assert_array_equal(
        Ferns(feature[:, 2:], threshold[:, 2:], None, table[:64]).leaves(x), expected >> 2
    )


def test_what_does_not_fit_is_refused():
    feature, table = np.int32([[0, 1]]), np.zeros((4, 2), np.float32)
    threshold = np.zeros((1, 2), np.float32)
    made = Ferns(feature, threshold, None, table)
    x = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match="either threshold or other"):
        Ferns(feature, None, None, table)
    with pytest.raises(ValueError, match="either threshold or other"):
        Ferns(feature, threshold, feature, table)
    with pytest.raises(ValueError, match="a row for each leaf"):
        Ferns(feature, threshold, None, table[:3])
    with pytest.raises(ValueError, match=r"threshold must have shape \(1, 2\)"):
        Ferns(feature, threshold[:, :1], None, table)
    with pytest.raises(TypeError, match="feature must be a int32 array"):
        Ferns(feature.astype(np.int64), threshold, None, table)
    with pytest.raises(TypeError, match="table must be a float32 or int8 array"):
        Ferns(feature, threshold, None, table.astype(np.float64))
    with pytest.raises(ValueError, match="1 to 16"):
        Ferns(np.zeros((1, 17), np.int32), np.zeros((1, 17), np.float32), None, table)
    with pytest.raises(ValueError, match="columns 0 to 0, got 1"):
        made.leaves(x[:, :1].copy())
    with pytest.raises(ValueError, match="columns 0 to 1, got -1"):
        Ferns(-feature, threshold, None, table).votes(x)
    with pytest.raises(ValueError, match="must not hold NaN"):
        made.votes(x * np.float32(np.nan))
    with pytest.raises(TypeError, match="C-contiguous"):
        made.votes(x[:, ::-1])
    with pytest.raises(ValueError, match="threads"):
        made.votes(x, threads=0)


def test_no_rows_have_no_leaves():
    made = Ferns(np.int32([[0]]), np.float32([[0]]), None, np.zeros((2, 2), np.float32))
    assert made.votes(np.zeros((0, 3), np.float32)).shape == (0, 2)
    assert made.leaves(np.zeros((0, 3), np.float32)).shape == (1, 0)
