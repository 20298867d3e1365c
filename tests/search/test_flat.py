import threading

import numpy as np
import pytest

from bitgrove.interfaces import Index
from bitgrove.search import Fanng, Flat

from .oracles import FORMATS, make_rows, nearest, scores


@pytest.mark.parametrize("dim", [1, 7, 33])
@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
def test_equals_sorting_by_distance_then_id(simd_level, metric, dtype, dim):
    rng = np.random.default_rng(dim)
    rows, queries = make_rows(rng, 300, dim, dtype), make_rows(rng, 40, dim, dtype)
    ids = rng.permutation(1000)[:300]
    index = Flat(dim, metric, dtype)
    index.add(rows, ids)
    distances, found = index.search(queries, 10)
    expected_distances, expected = nearest(metric, queries, rows, ids, 10)
    assert distances.dtype == np.float32
    assert found.dtype == np.int64
    if metric == "cosine":  # two roundings of the unit vectors, so ties may come apart
        np.testing.assert_allclose(distances, expected_distances, atol=1e-6)
        reported = scores(metric, queries, rows)[
            np.arange(40)[:, None], np.argsort(ids)[np.searchsorted(np.sort(ids), found)]
        ]
        np.testing.assert_allclose(reported, expected_distances, atol=1e-6)
    else:
        np.testing.assert_array_equal(distances, expected_distances)
        np.testing.assert_array_equal(found, expected)


def test_ties_go_to_the_lower_id_whatever_the_order_of_addition():
    index = Flat(1)
    index.add(np.zeros((4, 1), np.float32), np.array([9, 3, 7, 5]))
    np.testing.assert_array_equal(index.search(np.zeros((1, 1), np.float32), 3).ids, [[3, 5, 7]])


@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
def test_missing_rows_are_padded(metric, dtype):
    rng = np.random.default_rng(0)
    index = Flat(9, metric, dtype)
    queries = make_rows(rng, 2, 9, dtype)
    far = -np.inf if metric in ("ip", "cosine") else np.inf
    empty = index.search(queries, 2)
    assert (empty.ids == -1).all()
    assert (empty.distances == far).all()
    index.add(make_rows(rng, 1, 9, dtype))
    one = index.search(queries, 2)
    np.testing.assert_array_equal(one.ids, [[0, -1], [0, -1]])
    assert np.isfinite(one.distances[:, 0]).all()
    assert (one.distances[:, 1] == far).all()


def test_results_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    index = Flat(5)
    index.add(make_rows(rng, 400, 5, "float32"))
    queries = make_rows(rng, 100, 5, "float32")
    one = index.search(queries, 7, threads=1)
    for threads in (2, 3, 8):
        many = index.search(queries, 7, threads=threads)
        np.testing.assert_array_equal(many.ids, one.ids)
        np.testing.assert_array_equal(many.distances, one.distances)


@pytest.mark.parametrize("cls", [Flat, Fanng])
def test_integer_distances_are_ordered_exactly_past_float32(cls):
    dim = 301  # 255^2 * 298 > 2^24: not every integer is a float
    rows = np.zeros((3, dim), np.uint8)
    rows[:, :298] = 255
    rows[:, 298:] = [[1, 1, 2], [1, 1, 0], [1, 1, 1]]
    index = cls(dim, "l2", "uint8")
    index.add(rows)
    if cls is Fanng:
        index.build()
    distances, ids = index.search(np.zeros((1, dim), np.uint8), 3)
    np.testing.assert_array_equal(ids, [[1, 2, 0]])
    assert distances[0, 0] == distances[0, 1] < distances[0, 2]


def test_holds_what_was_added():
    index = Flat(2)
    rows = np.array([[1, 2], [3, 4]], np.float32)
    index.add(rows, np.array([5, 3]))
    before = index.vectors
    for _ in range(20):  # the storage moves; the view stays
        index.add(rows, np.arange(2) + 2 * len(index) + 100)
    np.testing.assert_array_equal(before, rows)
    np.testing.assert_array_equal(index.ids[:2], [5, 3])
    assert len(index) == 42
    assert not index.vectors.flags.writeable
    assert isinstance(index, Index)
    assert "42 rows" in repr(index)


def test_non_contiguous_rows_are_held_by_value():
    rows = np.arange(24, dtype=np.float32).reshape(4, 6)[::2, ::3]
    index = Flat(2)
    index.add(rows)
    np.testing.assert_array_equal(index.vectors, rows)


def test_cosine_holds_unit_vectors():
    index = Flat(2, "cosine")
    index.add(np.array([[3, 4]], np.float32))
    np.testing.assert_allclose(index.vectors, [[0.6, 0.8]], rtol=1e-7)
    assert index.search(np.array([[30, 40]], np.float32), 1).distances == 1


@pytest.mark.parametrize("cls", [Flat, Fanng])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "dim must be at least 1"),
        ((1 << 25,), "dim must be in"),
        ((66052, "l2", "uint8"), "66051 for uint8"),
        ((8, "l1"), "metric must be one of l2, ip, cosine, hamming, got 'l1'"),
        ((8, "l2", "float64"), "dtype must be one of"),
        ((8, "hamming", "uint8"), "go together"),
        ((8, "l2", "bits"), "go together"),
    ],
)
def test_impossible_layouts_are_refused(cls, arguments, message):
    with pytest.raises(ValueError, match=message):
        cls(*arguments)


@pytest.mark.parametrize("dim", [2.0, True, "2"])
def test_dim_must_be_an_int(dim):
    with pytest.raises(TypeError, match="dim must be an int"):
        Flat(dim)


@pytest.mark.parametrize("cls", [Flat, Fanng])
@pytest.mark.parametrize("method", ["add", "search"])
@pytest.mark.parametrize(
    "rows",
    [np.zeros((1, 3)), np.zeros((1, 3), np.uint8), np.zeros(3, np.float32), [[0.0, 0.0, 0.0]]],
)
def test_other_kinds_are_refused_not_cast(cls, method, rows):
    with pytest.raises(TypeError, match="must be a float32 array of shape"):
        getattr(cls(3), method)(rows, *([1] if method == "search" else []))


@pytest.mark.parametrize("cls", [Flat, Fanng])
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_naming_the_row(cls, metric, value):
    for dtype in ("float32", "float16"):
        rows = np.ones((3, 4), dtype)
        rows[1, 2] = value
        index = cls(4, metric, dtype)
        with pytest.raises(ValueError, match="vectors row 1 holds NaN or infinity"):
            index.add(rows)
        with pytest.raises(ValueError, match="queries row 1 holds NaN or infinity"):
            index.search(rows, 1)
        assert len(index) == 0


@pytest.mark.parametrize(
    ("index", "rows", "message"),
    [
        (Flat(3), np.zeros((1, 2), np.float32), "3 columns .dim 3., got shape"),
        (Flat(9, "hamming", "bits"), np.zeros((1, 1), np.uint8), "2 columns .dim 9."),
        (Flat(9, "hamming", "bits"), np.full((1, 2), 1, np.uint8), "padding bit"),
        (Flat(2, "cosine"), np.zeros((1, 2), np.float32), "row 0 is zero"),
        (Flat(2, "cosine", "uint8"), np.zeros((1, 2), np.uint8), "row 0 is zero"),
        (Flat(2), np.full((1, 2), 1e30, np.float32), "overflow; scale it down"),
    ],
)
def test_rows_that_cannot_be_held_are_refused(index, rows, message):
    with pytest.raises(ValueError, match=message):
        index.add(rows)
    with pytest.raises(ValueError, match=message):
        index.search(rows, 1)


@pytest.mark.parametrize("cls", [Flat, Fanng])
@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([4, 4], "id 4 is given twice"),
        ([4, 7], "id 7 is held already"),
        ([4, -1], r"in 0 .. 2\^63 - 2: id -1 is negative"),
        ([4], "2 vectors need as many ids, got 1"),
    ],
)
def test_ids_that_do_not_identify_are_refused_and_nothing_is_added(cls, ids, message):
    index = cls(1)
    index.add(np.zeros((1, 1), np.float32), np.array([7]))
    with pytest.raises(ValueError, match=message):
        index.add(np.zeros((2, 1), np.float32), np.array(ids))
    assert len(index) == 1
    index.add(np.zeros((1, 1), np.float32), np.array([4]))  # a refused id is still free


def test_rows_without_ids_are_numbered_after_the_largest():
    index = Flat(1)
    index.add(np.zeros((2, 1), np.float32), np.array([9, 4]))
    index.add(np.zeros((2, 1), np.float32))
    np.testing.assert_array_equal(index.ids, [9, 4, 10, 11])


@pytest.mark.parametrize("ids", [np.zeros(1), np.zeros(1, np.int32), np.zeros((1, 1), int), [0]])
def test_ids_of_another_kind_are_refused(ids):
    with pytest.raises(TypeError, match="ids must be an int64 array"):
        Flat(1).add(np.zeros((1, 1), np.float32), ids)


@pytest.mark.parametrize("name", ["k", "threads"])
@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (1.0, TypeError), (True, TypeError)])
def test_counts_must_be_positive_ints(name, value, error):
    arguments = {"k": 1, name: value}
    with pytest.raises(error, match=f"{name} must be"):
        Flat(1).search(np.zeros((1, 1), np.float32), **arguments)


def test_flat_refuses_a_budget():
    with pytest.raises(ValueError, match="takes no budget, got 10"):
        Flat(1).search(np.zeros((1, 1), np.float32), 1, budget=10)


def test_searches_and_additions_may_run_side_by_side():
    index = Flat(4)
    rows = np.ones((50, 4), np.float32)
    index.add(rows)
    errors = []

    def ask():
        try:
            for _ in range(50):
                found = index.search(rows[:3], 2, threads=2)
                np.testing.assert_array_equal(found.ids, [[0, 1]] * 3)
        except Exception as error:
            errors.append(error)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for i in range(50):
        index.add(rows, np.arange(50) + 50 * (i + 1))
    for asker in askers:
        asker.join()
    assert not errors
    assert len(index) == 51 * 50
