"""The paper's construction and search, against its definitions as loops."""

import heapq

import numpy as np
import pytest

from bitgrove.search import Fanng, Flat

from .oracles import make_rows, nearest


def built(rows, *arguments, max_degree=32, **options):
    index = Fanng(rows.shape[1], *arguments, max_degree=max_degree)
    index.add(rows)
    index.build_by_traversal(threads=1, **options)
    return index


def lists(index):
    """The edges of every row, shortest first."""
    return [[int(end) for end in row if end != 2**32 - 1] for row in index.arrays()["edges"]]


def squared(a, b):
    return ((a[:, None].astype(np.float64) - b[None]) ** 2).sum(-1)


def ideal_graph(distance, tau):
    """Oracle: eq. 1 and eq. 3 by loops over all pairs; row numbers break ties."""
    graph = []
    for p in range(len(distance)):
        kept = []
        for r in sorted(range(len(distance)), key=lambda j: (distance[p, j], j)):
            if tau:
                shift = [2 * tau * np.sqrt(distance[p, q]) for q in kept]
                occluded = any(
                    distance[q, r] + s < distance[p, r] for q, s in zip(kept, shift, strict=True)
                )
            else:
                occluded = any((distance[q, r], q) < (distance[p, r], p) for q in kept)
            if r != p and not occluded:
                kept.append(r)
        graph.append(kept)
    return graph


def walk(graph, start, to_query):
    """Oracle: alg. 1, the first edge that gets closer."""
    here = start
    while True:
        closer = [end for end in graph[here] if to_query[end] < to_query[here]]
        if not closer:
            return here
        here = closer[0]


def backtrack(graph, start, to_query, budget, degree):
    """Oracle: alg. 3 as printed, a queue of (vertex, next edge). The rows visited, in order."""
    queue, visited = [(to_query[start], start, 0)], [start]
    while queue and len(visited) < budget:
        distance, vertex, edge = heapq.heappop(queue)
        if edge >= len(graph[vertex][:degree]):
            continue
        end = graph[vertex][edge]
        if end not in visited:
            visited.append(end)
            heapq.heappush(queue, (to_query[end], end, 0))
        heapq.heappush(queue, (distance, vertex, edge + 1))
    return visited


def integers(count, dim, seed):
    rows = np.unique(np.random.default_rng(seed).integers(0, 40, (count, dim)), axis=0)
    return np.random.default_rng(seed).permutation(rows)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("tau", [0.0, 6.0])
def test_the_refinement_of_a_few_rows_is_the_ideal_graph(tau, dtype):
    rows = integers(150, 3, 1).astype(dtype)
    distance = squared(rows, rows)
    index = built(rows, "l2", dtype, max_degree=200, tau=tau)
    expected = ideal_graph(distance, tau)
    assert lists(index) == expected
    plain = ideal_graph(distance, 0.0)
    assert (expected == plain) == (tau == 0)


def test_the_naive_walk_finds_what_is_nearer_than_tau():
    rows, queries = integers(300, 4, 2).astype(np.float32), integers(200, 4, 3).astype(np.float32)
    tau = 8.0
    plain = lists(built(rows, max_degree=600))
    reaching = lists(built(rows, max_degree=600, tau=tau))
    missed = near = 0
    for to_query in squared(queries, rows):
        if to_query.min() < tau**2:
            near += 1
            for start in range(0, len(rows), 29):
                assert to_query[walk(reaching, start, to_query)] == to_query.min()
                missed += to_query[walk(plain, start, to_query)] > to_query.min()
    assert 30 < near < 200
    assert missed > 20


@pytest.mark.parametrize("refine", [True, False])
def test_threads_do_not_change_the_graph(refine):
    rows = make_rows(np.random.default_rng(4), 1000, 20, "float32")
    graphs = []
    for threads in (1, 2, 5):
        index = Fanng(20, max_degree=12)
        index.add(rows)
        index.build_by_traversal(threads=threads, seed=9, refine=refine)
        graphs.append(index.arrays()["edges"])
    np.testing.assert_array_equal(graphs[0], graphs[1])
    np.testing.assert_array_equal(graphs[0], graphs[2])
    if not refine:  # which sees all of so few rows, whatever the rough graph
        index.build_by_traversal(seed=10, refine=False)
        assert (index.arrays()["edges"] != graphs[0]).any()


def test_without_refinement_every_row_is_still_found():
    rows = make_rows(np.random.default_rng(5), 1200, 24, "float32")
    queries = make_rows(np.random.default_rng(6), 60, 24, "float32")
    found = {}
    for refine in (True, False):
        index = built(rows, refine=refine)
        everything = index.search_by_backtracking(queries, 5, budget=len(rows))
        expected = nearest("l2", queries, rows, np.arange(len(rows)), 5)
        np.testing.assert_array_equal(everything.distances, expected[0])
        np.testing.assert_array_equal(everything.ids, expected[1])
        few = index.search_by_backtracking(queries, 1, budget=150)
        found[refine] = (few.ids == everything.ids[:, :1]).mean()
    assert found[True] >= found[False] > 0.3


def test_backtracking_sees_what_the_printed_algorithm_sees():
    rows, queries = integers(400, 8, 7).astype(np.uint8), integers(12, 8, 8).astype(np.uint8)
    index = built(rows, "l2", "uint8", max_degree=16)
    graph, centre = lists(index), index.settings()["start"]
    starts = np.arange(12) * 30
    for budget in (1, 8, 40, 160):
        for degree in (2, 6, None):
            for given in (None, starts):
                answer = index.search_by_backtracking(
                    queries, 1, budget=budget, degree=degree, starts=given
                )
                for q, to_query in enumerate(squared(queries, rows)):
                    start = centre if given is None else int(given[q])
                    seen = backtrack(graph, start, to_query, budget, degree)
                    best = min(seen, key=lambda row: (to_query[row], row))
                    assert answer.ids[q, 0] == best
                    assert answer.distances[q, 0] == to_query[best]


def test_the_budget_is_hard():
    rows = make_rows(np.random.default_rng(9), 900, 16, "float32")
    index = built(rows)
    for budget in (1, 13, 200):
        before = index.distances_computed
        index.search_by_backtracking(rows[:50], 1, budget=budget)
        assert index.distances_computed - before == 50 * budget


def test_the_start_is_the_row_nearest_to_the_mean():
    rows = make_rows(np.random.default_rng(10), 700, 6, "float32")
    start = built(rows).settings()["start"]
    assert start == squared(rows.mean(0, dtype=np.float64)[None], rows).argmin()


@pytest.mark.parametrize(
    ("metric", "dtype"), [("ip", "float32"), ("cosine", "float32"), ("hamming", "bits")]
)
def test_tau_is_refused_where_distances_are_not_euclidean(metric, dtype):
    index = Fanng(16, metric, dtype)
    index.build_by_traversal()
    with pytest.raises(ValueError, match=f"needs the metric l2, this index has {metric}"):
        index.build_by_traversal(tau=0.5)


@pytest.mark.parametrize("tau", [-1.0, float("inf"), float("nan")])
def test_a_tau_that_is_no_distance_is_refused(tau):
    with pytest.raises(ValueError, match=f"tau must be a finite distance .*got {tau}"):
        Fanng(4).build_by_traversal(tau=tau)


def test_success_must_be_a_rate():
    with pytest.raises(ValueError, match=r"success must be in 0 \.\.= 1, got 1.5"):
        Fanng(4).build_by_traversal(success=1.5)


def test_recall_rises_with_the_budget_to_that_of_flat():
    rows = make_rows(np.random.default_rng(11), 2500, 32, "float32")
    queries = make_rows(np.random.default_rng(12), 200, 32, "float32")
    flat = Flat(32)
    flat.add(rows)
    truth = flat.search(queries, 1).ids
    index = built(rows)
    shares = [
        (index.search_by_backtracking(queries, 1, budget=budget).ids == truth).mean()
        for budget in (20, 100, 500, 2500)
    ]
    assert shares == sorted(shares)
    assert shares[0] < 0.5
    assert shares[-1] == 1
