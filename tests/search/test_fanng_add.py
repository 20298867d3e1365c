import threading

import numpy as np
import pytest
from sklearn.datasets import load_digits

from bitgrove.search import Fanng, Flat

from .oracles import FORMATS, make_rows, nearest, recall


def edges(index):
    return [ends[ends != 0xFFFFFFFF] for ends in index.arrays()["edges"]]


def downhill(rows, graph, start, target):
    """Oracle: algorithm 1, ties to the lower row."""
    key = [(float(d), i) for i, d in enumerate(((rows - rows[target]) ** 2).sum(1))]
    key[target] = (-1.0, target)
    here = start
    while True:
        closer = next((j for j in graph[here] if key[j] < key[here]), None)
        if closer is None:
            return here
        here = closer


@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
def test_rows_added_after_the_build_are_found(metric, dtype):
    rng = np.random.default_rng(0)
    rows = make_rows(rng, 900, 12, dtype)
    ids = rng.permutation(5000)[:900]
    index, flat = Fanng(12, metric, dtype), Flat(12, metric, dtype)
    index.add(rows[:600], ids[:600])
    index.build()
    for part in (slice(600, 601), slice(601, 610), slice(610, 900)):
        index.add(rows[part], ids[part])
    flat.add(rows, ids)
    assert len(index) == 900
    expected = flat.search(rows, 10)
    for found in (
        index.search(rows, 10, width=900),
        index.search_by_backtracking(rows, 10, budget=900),
    ):
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.distances, expected.distances)


def test_nearly_every_new_row_can_be_reached_downhill_from_the_start():
    digits = load_digits().data.astype(np.float32)
    index = Fanng(64)
    index.add(digits[:1500])
    index.build_by_traversal()
    start = index.settings()["start"]
    reached = 0
    for i in range(1500, 1520):
        index.add(digits[i : i + 1])
        reached += downhill(digits[: i + 1], edges(index), start, i) == i
    assert reached >= 18


@pytest.mark.parametrize("first", [0, 1, 100])
def test_an_index_that_grew_row_by_row_finds_every_row(first):
    digits = load_digits().data.astype(np.float32)[:800]
    index = Fanng(64)
    index.add(digits[:first])
    index.build()
    for row in digits[first:]:
        index.add(row[None])
    np.testing.assert_array_equal(index.search(digits, 1).ids[:, 0], np.arange(800))
    flat = Flat(64)
    flat.add(digits)
    truth = flat.search(digits, 10).ids
    assert recall(index.search_by_backtracking(digits, 10, budget=200).ids, truth) > 0.95
    assert recall(index.search(digits, 10).ids, truth) > 0.99


@pytest.mark.parametrize("count", [1, 30, 400])
def test_a_new_class_far_away_is_found(count):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((1000, 20)).astype(np.float32)
    index, flat = Fanng(20), Flat(20)
    index.add(rows)
    index.build()
    assert index.settings()["coded"]
    new = (rng.standard_normal((count, 20)) + 100).astype(np.float32)
    index.add(new, np.arange(count) + 9000)
    flat.add(np.vstack([rows, new]), np.append(np.arange(1000), np.arange(count) + 9000))
    np.testing.assert_array_equal(index.search(new, 1).ids[:, 0], np.arange(count) + 9000)
    for queries in (new, rows):
        assert recall(index.search(queries, 10).ids, flat.search(queries, 10).ids) > 0.9
        np.testing.assert_array_equal(
            index.search(queries, 10, width=len(index)).ids, flat.search(queries, 10).ids
        )


def test_every_row_is_found_after_many_additions():
    rows = np.random.default_rng(0).standard_normal((1500, 64)).astype(np.float32)
    index = Fanng(64)
    index.add(rows[:1000])
    index.build()
    for i in range(1000, 1500, 20):
        index.add(rows[i : i + 20])
    np.testing.assert_array_equal(index.search(rows, 1).ids[:, 0], np.arange(1500))


@pytest.mark.parametrize("max_degree", [4, 8])
def test_additions_to_full_lists_keep_new_rows_within_reach(max_degree):
    rows = np.random.default_rng(0).standard_normal((1500, 64)).astype(np.float32)
    index = Fanng(64, max_degree=max_degree)
    index.add(rows[:1000])
    index.build()
    for i in range(1000, 1500, 100):
        index.add(rows[i : i + 100])
        new = np.arange(i, i + 100)
        found = index.search(rows[new], 1, width=len(index)).ids[:, 0]
        np.testing.assert_array_equal(found, new)
    assert index.arrays()["edges"].shape == (1500, max_degree)


@pytest.mark.parametrize("max_degree", [4, 8])
def test_an_index_whose_lists_are_full_can_be_saved_and_loaded_after_additions(
    tmp_path, max_degree
):
    rows = np.random.default_rng(0).standard_normal((700, 32)).astype(np.float32)
    index = Fanng(32, max_degree=max_degree)
    index.add(rows[:500])
    index.build()
    for i in range(500, 700, 50):
        index.add(rows[i : i + 50])
        index.save(tmp_path / "index", rewrite=True)
        again = Fanng.load(tmp_path / "index")
        found = again.search(rows[: i + 50], 1, width=len(index)).ids[:, 0]
        np.testing.assert_array_equal(found, np.arange(i + 50))


def test_duplicates_added_later_join_their_vertex():
    rows = np.random.default_rng(0).standard_normal((100, 4)).astype(np.float32)
    index = Fanng(4)
    index.add(rows, np.arange(100) + 500)
    index.build()
    edges_before = index.arrays()["edges"]
    index.add(rows[::-1].copy(), np.arange(100))
    np.testing.assert_array_equal(index.arrays()["edges"][:100], edges_before)
    assert (index.arrays()["edges"][100:] == 0xFFFFFFFF).all()
    ids = np.append(np.arange(100) + 500, np.arange(100))
    _, expected = nearest("l2", rows, np.vstack([rows, rows[::-1]]), ids, 3)
    np.testing.assert_array_equal(index.search(rows, 3).ids, expected)


def test_a_longer_row_than_any_at_the_build_is_found_by_inner_product():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((500, 6)).astype(np.float32)
    index = Fanng(6, "ip")
    index.add(rows)
    index.build()
    index.add(100 * rows[:3])
    for i in range(3):
        assert index.search(rows[i : i + 1], 1).ids[0, 0] == 500 + i


def test_searches_without_a_pause_neither_see_half_a_change_nor_starve_it():
    rows = np.random.default_rng(0).standard_normal((600, 8)).astype(np.float32)
    index = Fanng(8)
    index.add(rows[:300])
    index.build()
    errors, done = [], threading.Event()

    def ask():
        try:
            while not done.is_set():
                np.testing.assert_array_equal(
                    index.search(rows[:50], 1, threads=2).ids[:, 0], np.arange(50)
                )
                assert len(index.vectors) >= 300
        except BaseException as error:
            errors.append(error)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for i in range(300, 600, 10):
        index.add(rows[i : i + 10])
    done.set()
    for asker in askers:
        asker.join()
    assert not errors
    assert len(index) == 600
