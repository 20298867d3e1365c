"""What a search may be asked beyond k neighbours, and queries of every kind."""

from datetime import timedelta

import numpy as np
import pytest

from bitgrove.search import Fanng, Flat

from .oracles import make_rows, nearest, recall, scores


def built(rows, *arguments, ids=None, codes=True, **options):
    index = Fanng(*arguments, **options)
    index.add(rows, ids)
    index.build(threads=2, codes=codes)
    return index


@pytest.fixture(scope="module")
def cloud():
    """Rows in clusters, mixed ids, queries near the rows, and the index of them."""
    rng = np.random.default_rng(5)
    centres = 4 * rng.standard_normal((20, 16))
    rows = (centres[rng.integers(20, size=2000)] + rng.standard_normal((2000, 16))).astype("f4")
    queries = (rows[:40] + 0.3 * rng.standard_normal((40, 16))).astype(np.float32)
    ids = rng.permutation(9000)[:2000]
    return rows, queries, ids, built(rows, 16, ids=ids)


def allowed_nearest(cloud, allowed, k):
    """Oracle: the nearest among the rows whose flag is set, in the order of addition."""
    rows, queries, ids, _ = cloud
    return nearest("l2", queries, rows[allowed], ids[allowed], k)


def held_order(cloud, allowed):
    """The flags in the order in which the index holds the rows."""
    _, _, ids, index = cloud
    flag_of = dict(zip(ids.tolist(), allowed.tolist(), strict=True))
    return np.array([flag_of[i] for i in index.ids.tolist()])


@pytest.mark.parametrize("share", [0.002, 0.05, 0.5, 0.98])
def test_only_rows_that_a_filter_allows_are_found(cloud, share):
    _, queries, ids, index = cloud
    allowed = np.random.default_rng(0).random(2000) < share
    k = min(10, int(allowed.sum()))
    _, expected = allowed_nearest(cloud, allowed, k)
    by_flags = index.search(queries, k, filter=held_order(cloud, allowed))
    by_ids = index.search(queries, k, filter=ids[allowed])
    np.testing.assert_array_equal(by_flags.ids, by_ids.ids)
    np.testing.assert_array_equal(by_flags.distances, by_ids.distances)
    assert np.isin(by_ids.ids, ids[allowed]).all()
    assert recall(by_ids.ids, expected) >= 0.99
    exact = index.search(queries, k, filter=ids[allowed], width=len(index))
    np.testing.assert_array_equal(exact.ids, expected)


def test_a_filter_may_allow_only_what_is_far_from_the_query(cloud):
    rows, queries, ids, index = cloud
    away = ((rows - queries[0]) ** 2).sum(1)
    allowed = away > np.quantile(away, 0.6)
    expected = allowed_nearest(cloud, allowed, 10)[1][:1]
    found = index.search(queries[:1], 10, filter=ids[allowed])
    assert np.isin(found.ids, ids[allowed]).all()
    assert recall(found.ids, expected) >= 0.9
    exact = index.search(queries[:1], 10, filter=ids[allowed], width=len(index))
    np.testing.assert_array_equal(exact.ids, expected)


def test_where_fewer_rows_are_allowed_than_asked_for_the_rest_is_empty(cloud):
    _, queries, ids, index = cloud
    found = index.search(queries, 5, filter=ids[:3])
    assert (np.sort(found.ids[:, :3]) == np.sort(ids[:3])).all()
    assert (found.ids[:, 3:] == -1).all()
    assert np.isinf(found.distances[:, 3:]).all()
    nothing = index.search(queries, 5, filter=np.zeros(2000, bool))
    assert (nothing.ids == -1).all()


def test_one_of_equal_rows_may_be_allowed_alone():
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.standard_normal((300, 4)).astype(np.float32), 3, axis=0)
    index = built(rows, 4)
    last = np.arange(2, 900, 3)
    for width in (64, 900):
        found = index.search(rows[last], 1, filter=last, width=width).ids[:, 0]
        np.testing.assert_array_equal(found, last)


@pytest.mark.parametrize(
    ("filter", "error", "message"),
    [
        (np.zeros(3, bool), ValueError, "filter: expected one flag for each of 2000 rows, got 3"),
        (np.array([9999]), ValueError, "no row has the id 9999"),
        (np.zeros(2000, np.uint8), TypeError, "filter must be a bool array"),
        (np.zeros((2000, 1), bool), TypeError, "filter must be a bool array"),
        ([True], TypeError, "filter must be a bool array"),
    ],
)
def test_impossible_filters_are_refused(cloud, filter, error, message):
    _, queries, _, index = cloud
    with pytest.raises(error, match=message):
        index.search(queries, 1, filter=filter)


def test_a_walk_that_starts_at_the_answer_finds_it_at_once(cloud):
    rows, _, ids, index = cloud
    found = index.search(rows[:200], 1, starts=ids[:200], budget=1)
    np.testing.assert_array_equal(found.ids[:, 0], ids[:200])
    found = index.search_by_backtracking(rows[:200], 1, starts=ids[:200], budget=1)
    np.testing.assert_array_equal(found.ids[:, 0], ids[:200])
    elsewhere = index.search(rows[:200], 1, starts=np.roll(ids[:200], 1), budget=1)
    np.testing.assert_array_equal(elsewhere.ids[:, 0], np.roll(ids[:200], 1))


@pytest.mark.parametrize("method", ["search", "search_by_backtracking"])
@pytest.mark.parametrize(
    ("starts", "error", "message"),
    [
        (np.array([-1]), ValueError, "no row has the id -1"),
        (np.array([9999]), ValueError, "no row has the id 9999"),
        (np.zeros(2, np.int64), ValueError, "1 queries need as many ids, got 2"),
        (np.zeros(1, np.int32), TypeError, "starts must be an int64 array"),
    ],
)
def test_impossible_starts_are_refused(cloud, method, starts, error, message):
    _, queries, _, index = cloud
    with pytest.raises(error, match=message):
        getattr(index, method)(queries[:1], 1, budget=9, starts=starts)


def test_a_budget_of_distances_is_a_hard_limit(cloud):
    _, queries, _, index = cloud
    for budget in (5, 50, 500):
        for search in (index.search, index.search_by_backtracking):
            before = index.distances_computed
            search(queries, 5, budget=budget)
            assert index.distances_computed - before <= budget * len(queries)


def test_a_time_is_a_budget_too(cloud):
    rows, queries, ids, index = cloud
    _, expected = nearest("l2", queries, rows, ids, 10)
    found = index.search(queries, 10, width=2000, budget=timedelta(minutes=5))
    np.testing.assert_array_equal(found.ids, expected)
    before = index.distances_computed
    found = index.search(queries, 1, width=2000, budget=timedelta(microseconds=1))
    assert (found.ids >= 0).all()  # at least the start
    assert index.distances_computed - before < 1000 * len(queries)
    for nothing in (timedelta(0), timedelta(seconds=-1)):
        with pytest.raises(ValueError, match="budget must be a positive time"):
            index.search(queries, 1, budget=nothing)


def test_fewer_edges_may_be_followed_than_there_are(cloud):
    rows, queries, ids, index = cloud
    _, expected = nearest("l2", queries, rows, ids, 10)
    recalls = [
        recall(index.search_by_backtracking(queries, 10, budget=300, degree=d).ids, expected)
        for d in (1, 64)
    ]
    assert recalls[0] < recalls[1] - 0.1
    np.testing.assert_array_equal(
        index.search_by_backtracking(queries, 10, budget=300).ids,
        index.search_by_backtracking(queries, 10, budget=300, degree=64).ids,
    )


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_queries_outside_the_range_of_the_rows_are_answered(metric):
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((1500, 12)).astype(np.float32)
    index, flat = built(rows, 12, metric), Flat(12, metric)
    flat.add(rows)
    assert index.settings()["coded"]
    scales = np.tile(np.array([3, 30, 3000, 3e6, -50], np.float32), 10)
    outside = np.vstack([rows[:50] * scales[:, None], rows[:50] + np.float32(40)])
    truth = flat.search(outside, 10)
    found = index.search(outside, 10)
    assert recall(found.ids, truth.ids) > 0.95
    exact = index.search(outside, 10, width=len(index))
    np.testing.assert_array_equal(exact.ids, truth.ids)
    np.testing.assert_array_equal(exact.distances, truth.distances)


def test_inner_products_of_scaled_queries_give_the_same_ids():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((1500, 24)).astype(np.float32)
    index = built(rows, 24, "ip")
    assert index.settings()["coded"]
    queries = rng.standard_normal((60, 24)).astype(np.float32)
    expected = index.search(queries, 10)
    for exponent in (-40, -7, 1, 13, 40):  # powers of two: the products are scaled exactly
        scale = np.float32(2.0**exponent)
        found = index.search(queries * scale, 10)
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.distances, expected.distances * scale)


def test_codes_change_neither_distances_nor_much_else():
    rng = np.random.default_rng(4)
    rows = (rng.standard_normal((2000, 8)) @ rng.standard_normal((8, 48))).astype(np.float32)
    queries = rows[:200] + np.float32(0.1)
    coded, plain = (built(rows, 48, codes=codes) for codes in (True, False))
    assert coded.settings()["coded"]
    assert "codes" in coded.arrays()
    assert not plain.settings()["coded"]
    assert "codes" not in plain.arrays()
    truth = scores("l2", queries, rows)
    for index in (coded, plain):
        found = index.search(queries, 10)
        of_ids = np.take_along_axis(truth, found.ids, 1)
        np.testing.assert_allclose(found.distances, of_ids, rtol=1e-5)
        assert recall(found.ids, np.argsort(truth, 1)[:, :10]) > 0.98


def test_codes_of_floats_that_hold_bytes_are_those_bytes():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (500, 20)).astype(np.float32)
    index = built(rows, 20)
    assert index.settings()["exact"]
    np.testing.assert_array_equal(index.arrays()["codes"][:, :20], index.vectors)
    rows[3, 3] += 0.5
    assert not built(rows, 20).settings().get("exact", False)


def test_codes_that_are_too_coarse_are_not_used():
    rows = np.random.default_rng(0).permutation(20000).astype(np.float32)[:, None]
    index = built(rows, 1)
    assert not index.settings()["coded"]
    np.testing.assert_array_equal(index.search(rows[:500], 1).distances, 0)


@pytest.mark.parametrize(("metric", "dtype"), [("l2", "uint8"), ("hamming", "bits")])
def test_integer_rows_need_no_codes(metric, dtype):
    rows = make_rows(np.random.default_rng(0), 400, 32, dtype)
    assert not built(rows, 32, metric, dtype).settings()["coded"]


def test_the_width_is_a_property_and_goes_with_the_index(cloud):
    rows, queries, _, _ = cloud
    index = built(rows, 16)
    assert index.width == 64
    index.width = 12
    np.testing.assert_array_equal(
        index.search(queries, 5).ids, index.search(queries, 5, width=12).ids
    )
    assert Fanng.from_arrays(index.arrays(), index.settings()).width == 12
    with pytest.raises(ValueError, match="width must be at least 1"):
        index.width = 0


@pytest.mark.parametrize("interleave", [2, 3, 16])
def test_queries_that_take_turns_find_what_they_find_alone(cloud, interleave):
    _, queries, ids, index = cloud
    few, far = ids[:30], ids[:1000]
    for asked in (
        {},
        {"width": 3},
        {"budget": 40},
        {"starts": ids[:40]},
        {"filter": few},
        {"filter": far},
        {"filter": far, "budget": 60},
        {"width": len(index)},
    ):
        alone = index.search(queries, 7, threads=1, **asked)
        for threads in (1, 2):
            found = index.search(queries, 7, interleave=interleave, threads=threads, **asked)
            np.testing.assert_array_equal(found.ids, alone.ids)
            np.testing.assert_array_equal(found.distances, alone.distances)


@pytest.mark.parametrize("count", [0, 1, 5, 33])
@pytest.mark.parametrize(
    ("metric", "dtype"), [("hamming", "bits"), ("l2", "uint8"), ("ip", "float16")]
)
def test_any_number_of_queries_of_any_kind_can_take_turns(metric, dtype, count):
    rng = np.random.default_rng(1)
    index = built(make_rows(rng, 600, 24, dtype), 24, metric, dtype)
    queries = make_rows(rng, count, 24, dtype)
    before = index._native.distances_computed
    alone, after = index.search(queries, 5), index._native.distances_computed
    found = index.search(queries, 5, interleave=4, threads=1)
    assert index._native.distances_computed - after == after - before
    np.testing.assert_array_equal(found.ids, alone.ids)
    np.testing.assert_array_equal(found.distances, alone.distances)


@pytest.mark.parametrize(
    ("interleave", "budget", "error", "message"),
    [
        (0, None, ValueError, "interleave must be at least 1"),
        (17, None, ValueError, r"interleave must be in 1 \.\.= 16, got 17"),
        (2.0, None, TypeError, "interleave must be an int"),
        (2, timedelta(seconds=1), ValueError, "interleave must be 1 where the budget is a time"),
    ],
)
def test_impossible_turns_are_refused(cloud, interleave, budget, error, message):
    _, queries, _, index = cloud
    with pytest.raises(error, match=message):
        index.search(queries, 5, interleave=interleave, budget=budget)
