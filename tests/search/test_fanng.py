import gzip

import numpy as np
import pytest
from sklearn.datasets import load_digits

from bitgrove.search import Fanng, Flat

from .oracles import FORMATS, make_rows, nearest, recall


def built(rows, *arguments, ids=None, **options):
    index = Fanng(*arguments, **options)
    index.add(rows, ids)
    index.build(threads=2)
    return index


def lists(index):
    """The edges of every row."""
    arrays = index.arrays()
    return np.split(arrays["neighbours"], np.cumsum(arrays["degrees"])[:-1])


def assert_same(a, b):
    assert a.settings() == b.settings()
    first, second = a.arrays(), b.arrays()
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def ideal_graph(distance):
    """Oracle: eq. 1 by loops over all pairs; distances and row numbers together break ties."""
    n = len(distance)
    graph = []
    for p in range(n):
        kept = []
        for r in sorted((j for j in range(n) if j != p), key=lambda j: (distance[p, j], j)):
            if not any((distance[q, r], q) < (distance[p, r], p) for q in kept):
                kept.append(r)
        graph.append(kept)
    return graph


def squared(rows):
    rows = rows.astype(np.float64)
    return ((rows[:, None] - rows[None]) ** 2).sum(-1)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_small_graph_is_the_ideal_one(dim, dtype):
    # Every row sees every other, so that refinement is algorithm 2 on all pairs; with so few edges
    # the degree limit does not bite. Small integers make many ties.
    rng = np.random.default_rng(dim)
    rows = np.unique(rng.integers(0, 30 if dim == 1 else 9, (120, dim)), axis=0)
    rows = rng.permutation(rows).astype(dtype)
    index = built(rows, dim, "l2", dtype)
    expected = ideal_graph(squared(rows))
    assert max(map(len, expected)) > 1
    assert [list(ends) for ends in lists(index)] == expected


def test_a_small_graph_of_bits_is_the_ideal_one():
    codes = np.random.default_rng(0).permutation(256).astype(np.uint8)[:, None]
    index = built(codes, 8, "hamming", "bits")
    expected = ideal_graph(np.unpackbits(codes[:, None] ^ codes[None], axis=2).sum(-1))
    assert [list(ends) for ends in lists(index)] == expected


def test_the_start_is_the_row_nearest_to_the_mass_centre():
    rows = np.random.default_rng(0).standard_normal((500, 3)).astype(np.float32)
    start = built(rows, 3).settings()["start"]
    centre = rows.astype(np.float64).mean(0)
    assert start == ((rows - centre) ** 2).sum(1).argmin()


def test_the_start_for_bits_is_nearest_to_the_majority():
    bits = (np.random.default_rng(0).random((201, 16)) < np.linspace(0.1, 0.9, 16)).astype(np.uint8)
    packed = np.packbits(bits, axis=1)
    start = built(packed, 16, "hamming", "bits").settings()["start"]
    majority = bits.mean(0) >= 0.5
    first = np.unique(packed, axis=0, return_index=True)[1]
    away = (bits != majority).sum(1)
    assert away[start] == away.min()
    assert start == min(i for i in first if away[i] == away.min())


@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
def test_finds_what_flat_finds(metric, dtype):
    rng = np.random.default_rng(1)
    dim = 24
    if dtype == "bits":  # bits with structure: random ones have none, and defeat any graph
        planes = rng.standard_normal((6, dim))
        rows, queries = (
            np.packbits(rng.standard_normal((n, 6)) @ planes > 0, axis=1) for n in (3000, 100)
        )
    else:
        centres = make_rows(rng, 40, dim, dtype, spread=40).astype(np.float64)
        rows, queries = (
            np.clip(
                centres[rng.integers(40, size=n)] + rng.integers(0, 12, (n, dim)), None, 255
            ).astype(dtype)
            for n in (3000, 100)
        )
    ids = rng.permutation(10_000)[:3000]
    index = built(rows, dim, metric, dtype, ids=ids)
    flat = Flat(dim, metric, dtype)
    flat.add(rows, ids)
    distances, expected = flat.search(queries, 10)
    found = index.search(queries, 10)
    assert found.distances.dtype == np.float32
    # By distance, not id: bits tie a lot, and any of the tied is right.
    assert (found.distances == distances).mean() >= 0.95
    shared = found.ids == expected
    np.testing.assert_array_equal(found.distances[shared], distances[shared])
    # With a budget for every row the search is exact, ids and ties too.
    everything = index.search(queries, 10, budget=len(index))
    np.testing.assert_array_equal(everything.ids, expected)
    np.testing.assert_array_equal(everything.distances, distances)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_recall_on_digits(dtype):
    rows = load_digits().data.astype(dtype)
    index = built(rows, 64, "l2", dtype)
    flat = Flat(64, "l2", dtype)
    flat.add(rows)
    truth = flat.search(rows, 10).distances
    found = index.search(rows, 10, budget=300).distances
    assert (found == truth).mean() >= 0.95
    assert (index.search(rows, 10).distances == truth).mean() >= 0.999


def test_recall_on_mnist(shared_data):
    with gzip.open(shared_data / "mnist" / "train-images-idx3-ubyte.gz") as file:
        raw = file.read(16 + 784 * 4500)
    images = np.frombuffer(raw, np.uint8, offset=16).reshape(4500, 784).astype(np.float32)
    axes = np.linalg.svd(images[:400] - images.mean(0), full_matrices=False)[2][:64]
    rows = np.ascontiguousarray(images @ axes.T)
    rows, queries = rows[:4000], rows[4000:]
    index = built(rows, 64)
    flat = Flat(64)
    flat.add(rows)
    truth = flat.search(queries, 10).ids
    before = index.distances_computed
    assert recall(index.search(queries, 10, budget=300).ids, truth) >= 0.95
    assert index.distances_computed - before == 300 * len(queries)
    assert recall(index.search(queries, 10).ids, truth) >= 0.99


def test_every_digit_finds_itself():
    for dtype in ("float32", "uint8", "float16"):
        rows = load_digits().data.astype(dtype)
        index = built(rows, 64, "l2", dtype)
        distances, ids = index.search(rows, 1)
        np.testing.assert_array_equal(ids[:, 0], np.arange(len(rows)))
        assert (distances == 0).all()


@pytest.mark.parametrize(
    ("metric", "dtype", "dim"),
    [("l2", "float32", 128), ("hamming", "bits", 256), ("cosine", "float16", 96)],
)
def test_every_row_finds_itself_where_there_is_no_structure(metric, dtype, dim):
    # Random rows in many dimensions: all lists are full, and many rows are on nobody's list.
    rng = np.random.default_rng(0)
    if dtype == "bits":
        rows = make_rows(rng, 2500, dim, "bits")
    else:
        rows = rng.standard_normal((2500, dim)).astype(dtype)
    index = built(rows, dim, metric, dtype, max_degree=8)
    ids = index.search(rows, 1).ids
    np.testing.assert_array_equal(ids[:, 0], np.arange(len(rows)))
    assert index.arrays()["degrees"].max() <= 8


def test_duplicates_are_all_found_and_make_no_clique():
    rng = np.random.default_rng(0)
    distinct = rng.standard_normal((200, 8)).astype(np.float32)
    rows = np.repeat(distinct, 20, axis=0)[rng.permutation(4000)]
    ids = rng.permutation(4000)
    index = built(rows, 8, ids=ids)
    distances, found = index.search(rows, 21)
    assert (distances[:, :20] == 0).all()
    assert (distances[:, 20] > 0).all()
    _, expected = nearest("l2", rows[:300], rows, ids, 20)
    np.testing.assert_array_equal(found[:300, :20], expected)  # ties by id
    np.testing.assert_array_equal(index.search(rows, 5).ids, found[:, :5])
    degrees = index.arrays()["degrees"]
    assert (degrees > 0).sum() == 200


def test_one_row_repeated_many_times():
    index = built(np.ones((3000, 4), np.float32), 4)
    np.testing.assert_array_equal(index.search(np.zeros((1, 4), np.float32), 3).ids, [[0, 1, 2]])
    assert index.search(np.zeros((1, 4), np.float32), 4000).ids[0, 2999] == 2999


def test_zero_of_either_sign_is_one_value():
    rows = np.array([[0.0, 1.0], [-0.0, 1.0], [5.0, 5.0]], np.float32)
    index = built(rows, 2)
    assert list(index.arrays()["degrees"]) == [1, 0, 1]
    np.testing.assert_array_equal(index.search(rows[1:2], 2).ids, [[0, 1]])


def test_distances_that_underflow_to_zero_do_not_hang():
    rows = (np.arange(400, dtype=np.float32)[:, None] * np.float32(1e-25)).repeat(3, axis=1)
    index = built(rows, 3)
    assert (index.search(rows, 3).distances == 0).all()


@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
def test_the_graph_does_not_depend_on_threads(metric, dtype):
    rows = make_rows(np.random.default_rng(0), 1500, 16, dtype)
    first = Fanng(16, metric, dtype)
    first.add(rows)
    first.build(threads=1, seed=3)
    for threads in (2, 5):
        other = Fanng(16, metric, dtype)
        other.add(rows)
        other.build(threads=threads, seed=3)
        assert_same(first, other)
        for budget in (20, None):
            one = first.search(rows[:100], 5, budget=budget, threads=1)
            many = other.search(rows[:100], 5, budget=budget, threads=threads)
            np.testing.assert_array_equal(one.ids, many.ids)
            np.testing.assert_array_equal(one.distances, many.distances)


def test_the_graph_does_not_depend_on_the_cpu(simd_level):
    i, j = np.mgrid[:500, :37]
    rows = ((i * 7919 + j * 104729) ** 2 % 10007 / 10007).astype(np.float32)
    graph = built(rows, 37).arrays()["neighbours"].astype(np.int64)
    # From the scalar level; whoever changes the construction on purpose writes the new figures.
    assert (len(graph), (graph * np.arange(1, len(graph) + 1)).sum()) == (6053, 4635711169)


def test_another_seed_gives_another_graph():
    rows = np.random.default_rng(0).standard_normal((3000, 16)).astype(np.float32)
    graphs = []
    for seed in (0, 1):
        index = Fanng(16)
        index.add(rows)
        index.build(seed=seed)
        graphs.append(index.arrays()["neighbours"])
    assert len(graphs[0]) != len(graphs[1]) or (graphs[0] != graphs[1]).any()


@pytest.mark.parametrize("n", [0, 1])
def test_no_row_or_one_needs_no_build(n):
    index = Fanng(2)
    index.add(np.ones((n, 2), np.float32))
    for _ in range(2):
        distances, ids = index.search(np.zeros((1, 2), np.float32), 2)
        np.testing.assert_array_equal(ids, [[0, -1]] if n else [[-1, -1]])
        np.testing.assert_array_equal(distances, [[2, np.inf]] if n else [[np.inf, np.inf]])
        index.build()


@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_a_few_rows_are_all_found(n):
    rows = np.random.default_rng(n).standard_normal((n, 2)).astype(np.float32)
    _, expected = nearest("l2", rows, rows, np.arange(n), n)
    np.testing.assert_array_equal(built(rows, 2).search(rows, n).ids, expected)


def test_search_before_build_says_what_to_do():
    index = Fanng(2)
    index.add(np.zeros((2, 2), np.float32))
    with pytest.raises(RuntimeError, match=r"no graph; call build\(\) first"):
        index.search(np.zeros((1, 2), np.float32), 1)


def test_a_budget_below_k_is_refused():
    with pytest.raises(ValueError, match="budget must be at least k: 4 distances cannot give 5"):
        Fanng(2).search(np.zeros((1, 2), np.float32), 5, budget=4)


@pytest.mark.parametrize("max_degree", [3, 1025])
def test_a_degree_limit_out_of_range_is_refused(max_degree):
    with pytest.raises(ValueError, match=r"max_degree must be in 4 ..= 1024"):
        Fanng(2, max_degree=max_degree)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"seed": -1}, ValueError, "seed must be in 0"),
        ({"seed": 1.0}, TypeError, "seed must be an int"),
        ({"success": 1.5}, ValueError, "success must be in 0 ..= 1"),
        ({"success": float("nan")}, ValueError, "success must be in 0 ..= 1"),
        ({"progress": 3}, TypeError, "progress must be callable"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
    ],
)
def test_impossible_build_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        Fanng(2).build(**options)


def test_the_degree_limit_holds():
    rows = np.random.default_rng(0).standard_normal((2000, 40)).astype(np.float32)
    for limit in (4, 10):
        assert built(rows, 40, max_degree=limit).arrays()["degrees"].max() == limit


def test_progress_ends_each_stage_and_may_stop_the_build():
    rows = np.random.default_rng(0).standard_normal((3000, 8)).astype(np.float32)
    index = Fanng(8)
    index.add(rows)
    calls = []
    index.build(threads=2, progress=lambda *call: calls.append(call))
    assert [stage for done, total, stage in calls if done == total][:3] == [
        "traverse",
        "refine",
        "check",
    ]
    assert all(0 <= done <= total for done, total, _ in calls)
    before = index.arrays()

    def stop(done, total, stage):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.build(threads=2, seed=1, progress=stop)
    for name, array in index.arrays().items():
        np.testing.assert_array_equal(array, before[name])


def test_progress_that_uses_the_index_is_told_not_to():
    index = Fanng(2)
    index.add(np.arange(20, dtype=np.float32).reshape(10, 2))
    with pytest.raises(RuntimeError, match="progress callback must not use it"):
        index.build(progress=lambda *_: index.arrays())
    index.build()
    assert index.built
