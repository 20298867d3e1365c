"""Exact search passes over blocks of rows: what must hold at every seam."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitgrove import _core, kernels
from bitgrove.search import Flat

from .oracles import FORMATS, make_rows, nearest


def near_and_far(rng, n, dim):
    """Codes in clusters with duplicates, so that distances of all sizes and many ties appear."""
    centres = rng.integers(0, 2, (4, dim), dtype=np.uint8)
    flips = rng.random((n, dim)) < rng.choice([0.0, 0.02, 0.2], (n, 1))
    return np.packbits(centres[rng.integers(0, 4, n)] ^ flips, axis=1)


@pytest.mark.parametrize("dim", [1, 8, 60, 64, 72, 128, 160, 200, 256, 300, 512, 1000, 4096, 4200])
def test_codes_of_any_length_are_ordered_as_by_counting_bits(simd_level, dim):
    rng = np.random.default_rng(dim)
    rows, ids = near_and_far(rng, 700, dim), rng.permutation(10**12 + np.arange(700))
    index = Flat(dim, "hamming", "bits")
    index.add(rows, ids)
    for count in (1, 3, 17):
        queries = near_and_far(rng, count, dim)
        distances, found = index.search(queries, 9)
        expected_distances, expected = nearest("hamming", queries, rows, ids, 9)
        np.testing.assert_array_equal(distances, expected_distances)
        np.testing.assert_array_equal(found, expected)


@given(
    dim=st.integers(1, 300),
    n=st.integers(1, 400),
    queries=st.integers(1, 12),
    k=st.integers(1, 500),
    level=st.sampled_from(kernels.simd_levels()),
    format=st.sampled_from([f for f in FORMATS if f[0] != "cosine"]),
    threads=st.integers(1, 4),
    ids_up_to=st.sampled_from([400, 2**62]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_sorting_whatever_is_asked(
    dim, n, queries, k, level, format, threads, ids_up_to, seed
):
    rng = np.random.default_rng(seed)
    metric, dtype = format
    rows = make_rows(rng, n, dim, dtype)[rng.integers(0, n, n)]  # with duplicates
    asked = make_rows(rng, queries, dim, dtype)
    ids = rng.choice(ids_up_to, n, replace=False) if ids_up_to < 10**6 else scattered(rng, n)
    index = Flat(dim, metric, dtype)
    index.add(rows, ids)
    before = kernels.simd_level()
    kernels.set_simd_level(level)
    try:
        distances, found = index.search(asked, k, threads=threads)
    finally:
        kernels.set_simd_level(before)
    expected_distances, expected = nearest(metric, asked, rows, ids, k)
    np.testing.assert_array_equal(distances, expected_distances)
    np.testing.assert_array_equal(found, expected)


def scattered(rng, n):
    """Ids over all of int64, in no order."""
    return rng.permutation(np.unique(rng.integers(0, 2**63 - 1, 2 * n)))[:n]


@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
@pytest.mark.parametrize("queries", [1, 70])
def test_rows_shared_by_threads_give_what_one_thread_gives(metric, dtype, queries):
    rng = np.random.default_rng(1)
    index = Flat(96, metric, dtype)
    index.add(make_rows(rng, 12000, 96, dtype), rng.permutation(12000))
    asked = make_rows(rng, queries, 96, dtype)
    one = index.search(asked, 11, threads=1)
    assert (np.diff(one.distances) != 0).any()
    for threads in (2, 3, 7):
        many = index.search(asked, 11, threads=threads)
        np.testing.assert_array_equal(many.distances, one.distances)
        np.testing.assert_array_equal(many.ids, one.ids)


@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
def test_nearer_rows_that_come_later_push_out_those_before(simd_level, metric, dtype):
    # Every block brings rows nearer than all before it: the limit falls to the end.
    n, dim = 3000, 64
    if dtype == "bits":
        rows = np.packbits(np.arange(dim)[None] < np.linspace(dim, 0, n)[:, None], axis=1)
        query = np.zeros((1, dim // 8), np.uint8)
    else:
        rows = np.zeros((n, dim), dtype)
        rows[:, 0] = np.linspace(200, 1, n) if metric == "l2" else np.linspace(1, 200, n)
        rows[:, 1] = 10
        query = np.eye(1, dim, dtype=dtype)
        query = query * 0 if metric == "l2" else query
    index = Flat(dim, metric, dtype)
    index.add(rows)
    found = index.search(np.repeat(query, 9, axis=0), 5).ids
    expected = nearest(metric, query, index.vectors, index.ids, 5)[1]
    np.testing.assert_array_equal(np.sort(found), np.sort(np.repeat(expected, 9, axis=0)))


@pytest.mark.parametrize("k", [1, 1000, 4999, 5000, 6000])
@pytest.mark.parametrize("threads", [1, 2])
def test_equal_rows_come_by_their_ids_and_all_can_be_asked_for(k, threads):
    rng = np.random.default_rng(0)
    ids = rng.permutation(5000)
    index = Flat(256, "hamming", "bits")
    index.add(np.zeros((5000, 32), np.uint8), ids)
    distances, found = index.search(np.zeros((2, 32), np.uint8), k, threads=threads)
    held = min(k, 5000)
    np.testing.assert_array_equal(found[:, :held], np.tile(np.arange(held), (2, 1)))
    assert (distances[:, :held] == 0).all()
    assert (found[:, held:] == -1).all()
    assert np.isinf(distances[:, held:]).all()


def test_no_queries_find_nothing():
    index = Flat(64, "hamming", "bits")
    index.add(np.zeros((3, 8), np.uint8))
    assert index.search(np.empty((0, 8), np.uint8), 2).ids.shape == (0, 2)


SCALES = {
    "about zero": (0, 1),
    "far from zero": (1000, 1),  # products say little of distances
    "so small that squares vanish": (0, 1e-23),
    "so small that squares lose bits": (3e-21, 1e-20),
    "as large as may be": (0, 1e17),
}


def scaled(rng, n, dim, scale):
    offset, spread = SCALES[scale]
    rows = offset + spread * rng.standard_normal((n, dim))
    return (rows * 10.0 ** rng.uniform(-1, 0, (n, 1))).astype(np.float32)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize("dim", [1, 3, 48, 200])
def test_many_queries_get_the_distances_of_pairs_to_the_last_bit(simd_level, metric, scale, dim):
    rng = np.random.default_rng(dim)
    rows, queries = scaled(rng, 900, dim, scale), scaled(rng, 20, dim, scale)
    rows[450:500] = rows[400:450] * np.float32(1 + 1e-7)  # hardly farther, or equal
    queries[10:] = rows[440:450]
    index = Flat(dim, metric)
    ids = rng.permutation(900)
    index.add(rows, ids)
    distances, found = index.search(queries, 25)
    held, pairs = index.vectors, np.empty((20, 900), np.float32)
    asked = Flat(dim, metric)
    asked.add(queries)
    (_core.ip_f32 if metric == "ip" else _core.l2_f32)(asked.vectors, held, pairs)
    order = np.array([np.lexsort((ids, -p if metric == "ip" else p))[:25] for p in pairs])
    expected = np.take_along_axis(pairs, order, axis=1)
    if metric == "cosine":
        expected = np.float32(1) - expected / np.float32(2)
    np.testing.assert_array_equal(found, ids[order])
    np.testing.assert_array_equal(distances, expected)


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("dim", [5, 100])
def test_halves_and_bytes_get_the_distances_of_pairs_too(simd_level, metric, dtype, dim):
    rng = np.random.default_rng(dim)
    rows, queries = rng.normal(100, 30, (900, dim)), rng.normal(100, 30, (20, dim))
    rows, queries = (x.clip(0, 255).astype(dtype) for x in (rows, queries))
    index = Flat(dim, metric, dtype)
    index.add(rows)
    pairs = np.empty((20, 900), np.float32 if dtype == "float16" else np.uint32)
    view = np.uint16 if dtype == "float16" else np.uint8
    name = f"{metric}_{'f16' if dtype == 'float16' else 'u8'}"
    getattr(_core, name)(queries.view(view), rows.view(view), pairs)
    pairs = pairs.astype(np.float64)
    order = np.array([np.lexsort((index.ids, -p if metric == "ip" else p))[:9] for p in pairs])
    distances, found = index.search(queries, 9)
    np.testing.assert_array_equal(found, order)
    np.testing.assert_array_equal(distances, np.take_along_axis(pairs, order, axis=1))
