import gzip

import numpy as np
import pytest
from sklearn.datasets import load_digits

from bitgrove import kernels
from bitgrove.search import Fanng, Flat

from .oracles import FORMATS, make_rows, nearest, recall

NOBODY = 0xFFFFFFFF  # fills the unused places of a list


def built(rows, *arguments, ids=None, **options):
    index = Fanng(*arguments, **options)
    index.add(rows, ids)
    index.build(threads=2)
    return index


def traversed(rows, *arguments, **options):
    index = Fanng(*arguments, **options)
    index.add(rows)
    index.build_by_traversal(threads=2)
    return index


def lists(index):
    """The edges of every row."""
    return [list(ends[ends != NOBODY]) for ends in index.arrays()["edges"]]


def degrees(index):
    """The number of edges of every row."""
    return (index.arrays()["edges"] != NOBODY).sum(1)


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
    index = traversed(rows, dim, "l2", dtype)
    expected = ideal_graph(squared(rows))
    assert max(map(len, expected)) > 1
    assert lists(index) == expected


def test_a_small_graph_of_bits_is_the_ideal_one():
    codes = np.random.default_rng(0).permutation(256).astype(np.uint8)[:, None]
    index = traversed(codes, 8, "hamming", "bits")
    expected = ideal_graph(np.unpackbits(codes[:, None] ^ codes[None], axis=2).sum(-1))
    assert lists(index) == expected


def test_the_start_is_the_row_nearest_to_the_mass_centre():
    rows = np.random.default_rng(0).standard_normal((500, 3)).astype(np.float32)
    centre = rows.astype(np.float64).mean(0)
    for index in (built(rows, 3), traversed(rows, 3)):
        start = index.ids[index.settings()["start"]]
        assert start == ((rows - centre) ** 2).sum(1).argmin()


def test_the_start_for_bits_is_nearest_to_the_majority():
    bits = (np.random.default_rng(0).random((201, 16)) < np.linspace(0.1, 0.9, 16)).astype(np.uint8)
    packed = np.packbits(bits, axis=1)
    index = built(packed, 16, "hamming", "bits")
    start = index.ids[index.settings()["start"]]
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
    # By distance, not id: bits tie a lot, and any of the tied is right. Products of bytes, none of
    # them negative, are largest for the same few long rows, which is no work for a graph.
    least = 0.85 if (metric, dtype) == ("ip", "uint8") else 0.95
    assert (found.distances == distances).mean() >= least
    shared = found.ids == expected
    np.testing.assert_array_equal(found.distances[shared], distances[shared])
    # With room for every row the search is exact, ids and ties too.
    for everything in (
        index.search(queries, 10, width=len(index)),
        index.search_by_backtracking(queries, 10, budget=len(index)),
    ):
        np.testing.assert_array_equal(everything.ids, expected)
        np.testing.assert_array_equal(everything.distances, distances)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_recall_on_digits(dtype):
    rows = load_digits().data.astype(dtype)
    index = built(rows, 64, "l2", dtype)
    flat = Flat(64, "l2", dtype)
    flat.add(rows)
    truth = flat.search(rows, 10).distances
    found = index.search_by_backtracking(rows, 10, budget=300).distances
    assert (found == truth).mean() >= 0.95
    assert (index.search(rows, 10).distances == truth).mean() >= 0.999


def test_recall_on_mnist(shared_data):
    with gzip.open(shared_data / "mnist" / "train-images-idx3-ubyte.gz") as file:
        raw = file.read(16 + 784 * 4500)
    images = np.frombuffer(raw, np.uint8, offset=16).reshape(4500, 784).astype(np.float32)
    axes = np.linalg.svd(images[:400] - images.mean(0), full_matrices=False)[2][:64]
    rows = np.ascontiguousarray(images @ axes.T)
    rows, queries = rows[:4000], rows[4000:]
    flat = Flat(64)
    flat.add(rows)
    truth = flat.search(queries, 10).ids
    for index in (built(rows, 64), traversed(rows, 64, max_degree=32)):
        before = index.distances_computed
        found = index.search_by_backtracking(queries, 10, budget=400)
        assert recall(found.ids, truth) >= 0.95
        assert index.distances_computed - before == 400 * len(queries)
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
    index = built(rows, dim, metric, dtype)
    ids = index.search(rows, 1).ids
    np.testing.assert_array_equal(ids[:, 0], np.arange(len(rows)))


@pytest.mark.parametrize("limit", [4, 8])
@pytest.mark.parametrize("build", [Fanng.build, Fanng.build_by_traversal])
def test_every_row_can_be_found_however_low_the_degree_limit(build, limit):
    rows = np.random.default_rng(0).standard_normal((1500, 64)).astype(np.float32)
    index = Fanng(64, max_degree=limit)
    index.add(rows)
    build(index, threads=2)
    assert degrees(index).max() == limit
    for found in (
        index.search(rows, 1, width=len(index)),
        index.search_by_backtracking(rows, 1, budget=len(index)),
    ):
        np.testing.assert_array_equal(found.ids[:, 0], np.arange(len(rows)))


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
    assert (degrees(index) > 0).sum() == 200


def test_one_row_repeated_many_times():
    index = built(np.ones((3000, 4), np.float32), 4)
    np.testing.assert_array_equal(index.search(np.zeros((1, 4), np.float32), 3).ids, [[0, 1, 2]])
    assert index.search(np.zeros((1, 4), np.float32), 4000).ids[0, 2999] == 2999


def test_zero_of_either_sign_is_one_value():
    rows = np.array([[0.0, 1.0], [-0.0, 1.0], [5.0, 5.0]], np.float32)
    index = built(rows, 2)
    assert list(degrees(index)[np.argsort(index.ids)]) == [1, 0, 1]
    np.testing.assert_array_equal(index.search(rows[1:2], 2).ids, [[0, 1]])


def test_distances_that_underflow_to_zero_do_not_hang():
    rows = (np.arange(400, dtype=np.float32)[:, None] * np.float32(1e-25)).repeat(3, axis=1)
    index = built(rows, 3)
    assert (index.search(rows, 3).distances == 0).all()


@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
@pytest.mark.parametrize("build", [Fanng.build, Fanng.build_by_traversal])
def test_the_graph_does_not_depend_on_threads(build, metric, dtype):
    rows = make_rows(np.random.default_rng(0), 900, 16, dtype)
    first, *others = indexes = [Fanng(16, metric, dtype) for _ in range(4)]
    for index, threads in zip(indexes, (1, 2, 3, 5), strict=True):
        index.add(rows[:800])
        build(index, threads=threads, seed=3)
        index.add(rows[800:820], threads=threads)
        index.add(rows[820:], threads=threads)
    for other in others:
        assert_same(first, other)
    queries = rows[:100]
    for width, budget in ((None, None), (None, 20), (7, None)):
        one = first.search(queries, 5, width=width, budget=budget, threads=1)
        many = first.search(queries, 5, width=width, budget=budget, threads=3)
        np.testing.assert_array_equal(one.ids, many.ids)
        np.testing.assert_array_equal(one.distances, many.distances)


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine", "hamming"])
@pytest.mark.parametrize("build", [Fanng.build, Fanng.build_by_traversal])
def test_the_graph_does_not_depend_on_the_cpu(build, metric):
    rng = np.random.default_rng(0)
    if metric == "hamming":
        dim, dtype, rows = 296, "bits", make_rows(rng, 500, 296, "bits")
    else:
        dim, dtype, rows = 37, "float32", rng.standard_normal((500, 37)).astype(np.float32)
    before = kernels.simd_level()
    states, answers = [], []
    try:
        for level in kernels.simd_levels():
            kernels.set_simd_level(level)
            index = Fanng(dim, metric, dtype, max_degree=12)
            index.add(rows[:400])
            build(index, threads=2)
            index.add(rows[400:])
            states.append(index)
            answers.append(index.search(rows[:50], 5))
    finally:
        kernels.set_simd_level(before)
    for index, answer in zip(states, answers, strict=True):
        assert_same(states[0], index)
        np.testing.assert_array_equal(answers[0].ids, answer.ids)
        np.testing.assert_array_equal(answers[0].distances, answer.distances)


def test_another_seed_gives_another_graph():
    rows = np.random.default_rng(0).standard_normal((1000, 16)).astype(np.float32)
    graphs = []
    for seed in (0, 1):
        index = Fanng(16)
        index.add(rows)
        index.build(seed=seed)
        graphs.append(index.arrays()["edges"])
    assert (graphs[0] != graphs[1]).any()


def test_rows_keep_their_ids_when_a_build_sorts_them():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((600, 5)).astype(np.float32)
    ids = rng.permutation(9000)[:600]
    index = built(rows, 5, ids=ids)
    assert (index.ids != ids).any()
    order = np.argsort(ids)
    np.testing.assert_array_equal(np.sort(index.ids), ids[order])
    np.testing.assert_array_equal(index.vectors[np.argsort(index.ids)], rows[order])


def test_a_view_from_before_a_build_stays_as_it_was():
    rows = np.random.default_rng(0).standard_normal((600, 5)).astype(np.float32)
    index = Fanng(5)
    index.add(rows)
    vectors, ids = index.vectors, index.ids
    index.build()
    np.testing.assert_array_equal(vectors, rows)
    np.testing.assert_array_equal(ids, np.arange(600))


@pytest.mark.parametrize("n", [0, 1])
def test_no_row_or_one_needs_no_build(n):
    index = Fanng(2)
    index.add(np.ones((n, 2), np.float32))
    for _ in range(2):
        distances, ids = index.search(np.zeros((1, 2), np.float32), 2)
        np.testing.assert_array_equal(ids, [[0, -1]] if n else [[-1, -1]])
        np.testing.assert_array_equal(distances, [[2, np.inf]] if n else [[np.inf, np.inf]])
        for radius, filter_, found in [(2.0, None, n), (1.9, None, 0), (2.0, np.zeros(n, bool), 0)]:
            near = index.range_search(np.zeros((1, 2), np.float32), radius, filter=filter_)
            np.testing.assert_array_equal(near.limits, [0, found])
            np.testing.assert_array_equal(near.distances, [2.0] * found)
            np.testing.assert_array_equal(near.ids, [0] * found)
        index.build()


@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_a_few_rows_are_all_found(n):
    rows = np.random.default_rng(n).standard_normal((n, 2)).astype(np.float32)
    _, expected = nearest("l2", rows, rows, np.arange(n), n)
    np.testing.assert_array_equal(built(rows, 2).search(rows, n).ids, expected)


def test_search_before_build_says_what_to_do():
    index = Fanng(2)
    index.add(np.zeros((2, 2), np.float32))
    query = np.zeros((1, 2), np.float32)
    for ask in (
        lambda: index.search(query, 1),
        lambda: index.range_search(query, 1.0),
        lambda: index.search_by_backtracking(query, 1, budget=1),
    ):
        with pytest.raises(RuntimeError, match=r"no graph; call build\(\) first"):
            ask()


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
        ({"width": 0}, ValueError, "width must be at least 1"),
        ({"width": 1.5}, TypeError, "width must be an int"),
        ({"relax": 0.9}, ValueError, "relax must be in 1 ..= 2"),
        ({"relax": float("nan")}, ValueError, "relax must be in 1 ..= 2"),
        ({"progress": 3}, TypeError, "progress must be callable"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
    ],
)
def test_impossible_build_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        Fanng(2).build(**options)


@pytest.mark.parametrize("success", [-0.1, 1.5, float("nan")])
def test_an_impossible_rate_of_success_is_refused(success):
    with pytest.raises(ValueError, match=r"success must be in 0 ..= 1"):
        Fanng(2).build_by_traversal(success=success)


@pytest.mark.parametrize(
    ("build", "stages"),
    [
        (Fanng.build, {"insert", "check"}),
        (Fanng.build_by_traversal, {"traverse", "refine", "check"}),
    ],
)
def test_progress_ends_each_stage_and_may_stop_the_build(build, stages):
    rows = np.random.default_rng(0).standard_normal((2000, 8)).astype(np.float32)
    index = Fanng(8)
    index.add(rows)
    calls = []
    build(index, threads=2, progress=lambda *call: calls.append(call))
    assert {stage for done, total, stage in calls if done == total} == stages
    assert all(0 <= done <= total for done, total, _ in calls)
    before = index.arrays()
    for last in sorted(stages):

        def stop(done, total, stage, last=last):
            if stage == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build(index, threads=2, seed=1, progress=stop)
        for name, array in index.arrays().items():
            np.testing.assert_array_equal(array, before[name], err_msg=f"{name} after {last}")


def test_progress_that_uses_the_index_is_told_not_to():
    index = Fanng(2)
    index.add(np.arange(20, dtype=np.float32).reshape(10, 2))
    with pytest.raises(RuntimeError, match="progress callback must not use it"):
        index.build(progress=lambda *_: index.arrays())
    index.build()
    assert index.built
