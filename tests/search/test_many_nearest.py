"""Thousands of nearest rows: chosen by a sample, ordered by digits, the same as a full sort's."""

import numpy as np
import pytest

from bitgrove.search import Flat

ROWS = 30_000


def values(order):
    """Whole numbers, so that distances to 0 are exact: all different, or a few, or one."""
    random = np.random.default_rng(0)
    return {
        "shuffled": random.permutation(ROWS),
        "nearer and nearer": np.arange(ROWS)[::-1],
        "farther and farther": np.arange(ROWS),
        "seven distances": random.integers(7, size=ROWS),
        "one distance": np.ones(ROWS),
        "half at one distance": np.where(random.random(ROWS) < 0.5, 5_000, np.arange(ROWS)),
        "near ones where no sample looks": np.where(np.arange(ROWS) % 64 < 32, 0, np.arange(ROWS)),
    }[order].astype(np.float32)


@pytest.mark.parametrize("k", [999, 1000, 2500, 10_000, 29_999, ROWS, ROWS + 5])
@pytest.mark.parametrize(
    "order",
    [
        "shuffled",
        "nearer and nearer",
        "farther and farther",
        "seven distances",
        "one distance",
        "half at one distance",
        "near ones where no sample looks",
    ],
)
def test_thousands_of_rows_are_those_of_a_full_sort_by_distance_and_id(order, k):
    rows = values(order)
    ids = np.random.default_rng(1).permutation(10 * ROWS)[:ROWS].astype(np.int64)
    index = Flat(1, "l2", "float32")
    index.add(rows[:, None], ids=ids)
    exact = np.lexsort((ids, rows))[:k]
    for threads in (1, 3):
        found = index.search(np.zeros((2, 1), np.float32), k, threads=threads)
        for answer, distances in zip(found.ids, found.distances, strict=True):
            np.testing.assert_array_equal(answer[: len(exact)], ids[exact])
            assert (answer[len(exact) :] == -1).all()
            np.testing.assert_allclose(distances[: len(exact)], rows[exact] ** 2, rtol=1e-6)


def test_thousands_of_codes_in_order_of_distance_and_id(simd_level):
    random = np.random.default_rng(2)
    codes = random.integers(256, size=(ROWS, 2), dtype=np.uint8)
    ids = random.permutation(ROWS).astype(np.int64)
    index = Flat(16, "hamming", "bits")
    index.add(codes, ids=ids)
    query = random.integers(256, size=(1, 2), dtype=np.uint8)
    distances = np.unpackbits(codes ^ query, axis=1).sum(1)
    exact = np.lexsort((ids, distances))
    for k in (1500, 9000):
        np.testing.assert_array_equal(index.search(query, k).ids[0], ids[exact[:k]])
