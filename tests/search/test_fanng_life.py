"""Rows come and go; what is left is what a dict of vectors would hold."""

import multiprocessing
import os
import pickle
import signal
import threading
import time
import warnings
from datetime import timedelta

import numpy as np
import pytest

from bitgrove import _core
from bitgrove.search import Fanng, Flat

from .indexes import assert_same, make
from .oracles import FORMATS, make_rows, nearest, recall, scores


def gaussian(n, dim=16, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def built(rows, ids=None, cls=Fanng, **options):
    index = cls(rows.shape[1], **options)
    index.add(rows, ids)
    if cls is Fanng:
        index.build()
    return index


def flat_of(index):
    settings = {"type": "flat", "dim": index.dim, "metric": index.metric, "dtype": index.dtype}
    return Flat.from_arrays({"vectors": index.vectors, "ids": index.ids}, settings)


def exactly(index, queries, k=7):
    return index.search(queries, k, width=max(1, len(index)))


# --- remove and update


@pytest.mark.parametrize("cls", [Flat, Fanng])
@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
def test_removed_rows_are_in_no_result_and_all_others_are(cls, metric, dtype):
    rng = np.random.default_rng(0)
    index = make(cls, metric, dtype, n=300)  # with a duplicate, whose first is removed first
    rows, ids = index.vectors.copy(), index.ids.copy()
    queries = make_rows(rng, 12, 9, dtype)
    order = rng.permutation(300)
    for count in (1, 40, 100, 150):  # the last ones are tidied
        index.remove(np.intersect1d(ids[order[:count]], index.ids))
        left = np.sort(order[count:])
        assert len(index) == 300 - count
        np.testing.assert_array_equal(index.ids, ids[left])
        np.testing.assert_array_equal(index.vectors, rows[left])
        found = exactly(index, queries) if cls is Fanng else index.search(queries, 7)
        distances, expected = nearest(metric, queries, rows[left], ids[left], 7)
        if metric != "cosine":  # whose ties are rounded
            np.testing.assert_array_equal(found.ids, expected)
        np.testing.assert_allclose(found.distances, distances, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cls", [Flat, Fanng])
def test_a_removal_or_update_with_a_bad_id_changes_nothing(cls):
    index = make(cls)
    held, rows = index.ids.copy(), index.vectors.copy()
    missing = int(np.setdiff1d(np.arange(1000), held)[0])
    for ids, named in (([held[0], missing], missing), ([held[3], held[5], held[3]], held[3])):
        array = np.array(ids, np.int64)
        with pytest.raises(ValueError, match=str(named)):
            index.remove(array)
        with pytest.raises(ValueError, match=str(named)):
            index.update(array, rows[: len(ids)])
    bad = rows[:2].copy()
    bad[1, 0] = np.nan
    with pytest.raises(ValueError, match="row 1"):
        index.update(held[:2], bad)
    with pytest.raises(ValueError, match="2 ids need as many vectors, got 1"):
        index.update(held[:2], rows[:1])
    np.testing.assert_array_equal(index.ids, held)
    np.testing.assert_array_equal(index.vectors, rows)


@pytest.mark.parametrize("cls", [Flat, Fanng])
def test_the_id_of_a_removed_row_is_free(cls):
    rows = gaussian(200)
    index = built(rows[:150], cls=cls)
    index.remove(np.array([7]))
    index.add(rows[150:151], np.array([7]))
    assert index.search(rows[150:151], 1).ids[0, 0] == 7
    assert index.search(rows[7:8], 1).distances[0, 0] > 0
    index.remove(np.array([7, 149]))
    index.add(rows[151:152])  # a number that was never used
    assert index.search(rows[151:152], 1).ids[0, 0] == 150


@pytest.mark.parametrize("cls", [Flat, Fanng])
@pytest.mark.parametrize("is_built", [True, False])
def test_an_update_gives_ids_other_vectors(cls, is_built):
    rows, new = gaussian(400), gaussian(400, seed=1)
    index = cls(16)
    index.add(rows)
    if cls is Fanng and is_built:
        index.build()
    changed = np.random.default_rng(2).permutation(400)[:120]
    index.update(changed, new[:120])
    held = rows.copy()
    held[changed] = new[:120]
    assert len(index) == 400
    order = np.argsort(index.ids)
    np.testing.assert_array_equal(index.ids[order], np.arange(400))
    np.testing.assert_array_equal(index.vectors[order], held)
    if cls is Fanng and is_built:
        np.testing.assert_array_equal(index.search(held, 1).ids[:, 0], np.arange(400))


def test_all_rows_can_go_and_others_come():
    rows = gaussian(300)
    index = built(rows)
    index.remove(np.arange(300))
    assert len(index) == 0
    assert index.ids.shape == (0,)
    np.testing.assert_array_equal(index.search(rows[:2], 3).ids, np.full((2, 3), -1))
    assert_same(pickle.loads(pickle.dumps(index)), index)
    index.add(rows)
    np.testing.assert_array_equal(index.search(rows, 1).ids[:, 0], np.arange(300, 600))


def test_a_removed_vertex_leaves_its_place_to_a_twin():
    rows = gaussian(300)
    index = built(rows)
    index.add(rows, np.arange(300) + 1000)
    index.remove(np.arange(250))
    found = index.search(rows, 2).ids
    np.testing.assert_array_equal(found[:250, 0], np.arange(250) + 1000)
    np.testing.assert_array_equal(found[250:], np.arange(250, 300)[:, None] + [0, 1000])
    index.arrays()
    np.testing.assert_array_equal(index.search(rows, 2).ids, found)


@pytest.mark.parametrize("threads", [2, 5])
def test_the_graph_after_removals_does_not_depend_on_the_threads(threads):
    rows = gaussian(900)
    graphs = []
    for count in (1, threads):
        index = Fanng(16)
        index.add(rows)
        index.build(threads=count)
        index.remove(np.arange(0, 300), threads=count)
        index.update(np.arange(300, 420), rows[:120], threads=count)
        graphs.append(index)
    assert_same(*graphs)


def test_recall_after_many_came_and_went_is_that_of_a_new_graph():
    rng = np.random.default_rng(0)
    rows, queries = gaussian(4000, 24), gaussian(200, 24, seed=1)
    index = built(rows)
    for part in np.split(rng.permutation(4000)[:2000], 10):
        index.remove(part)
    for part in np.split(np.setdiff1d(np.arange(4000), index.ids), 10):
        index.add(rows[part], part)
    fresh = built(rows)
    wanted = flat_of(index).search(queries, 10).ids
    old, new = (recall(i.search(queries, 10, width=24).ids, wanted) for i in (index, fresh))
    assert 0.7 < new < 0.999
    assert old > new - 0.01
    np.testing.assert_array_equal(index.search(rows, 1).ids[:, 0], np.arange(4000))


def test_every_row_is_still_found_after_a_cluster_went():
    centres = 20 * gaussian(8, 12, seed=3)
    label = np.repeat(np.arange(8), 200)
    rows = centres[label] + gaussian(1600, 12)
    index = built(rows)
    index.remove(np.flatnonzero(label < 4))
    left = np.flatnonzero(label >= 4)
    np.testing.assert_array_equal(index.search(rows[left], 1).ids[:, 0], left)
    assert not index._native.untidy()


def test_a_file_with_removals_in_its_log_gives_the_same_index(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a"
    index = built(gaussian(600))
    index.save(path)
    size = path.stat().st_size
    for step in range(6):
        index.remove(rng.permutation(index.ids)[:25])
        index.update(index.ids[:3], gaussian(3, seed=step))
        if step % 2:
            index.arrays()  # tidies, which the log must know
        index.add(gaussian(5, seed=10 + step))
        index.save(path)
    assert path.stat().st_size > size
    again = Fanng.load(path)
    np.testing.assert_array_equal(again.ids, index.ids)
    assert_same(again, index)


@pytest.mark.parametrize("cls", [Flat, Fanng])
def test_removals_of_an_index_without_a_graph_are_logged_too(tmp_path, cls):
    index = cls(16)
    index.add(gaussian(50))
    index.save(tmp_path / "a")
    index.remove(np.array([3, 9]))
    index.update(np.array([4]), gaussian(1, seed=1))
    index.save(tmp_path / "a")
    assert_same(cls.load(tmp_path / "a"), index)
    assert len(index) == 48


# --- filters


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_filtered_searches_find_what_is_allowed(share):
    rng = np.random.default_rng(0)
    rows, queries = gaussian(6000, 12), gaussian(50, 12, seed=1)
    index = built(rows)
    index.remove(np.arange(0, 6000, 100))  # flags refer to what is left
    flags = rng.random(len(index)) < share
    allowed = index.ids[flags]
    flat = Flat(12)
    flat.add(index.vectors[flags], allowed)
    wanted = flat.search(queries, 10).ids
    found = index.search(queries, 10, filter=flags)
    assert np.isin(found.ids, allowed).all()
    assert recall(found.ids, wanted) >= 0.97
    np.testing.assert_array_equal(found.ids, index.search(queries, 10, filter=allowed).ids)


@pytest.mark.parametrize("size", [40, 2500])
def test_filtered_searches_find_what_is_allowed_only_far_away(size):
    rows = np.concatenate([gaussian(4000, 12), gaussian(size, 12, seed=2) + 8])
    queries = gaussian(30, 12, seed=1)
    index, flat = built(rows), Flat(12)
    allowed = np.arange(4000, 4000 + size)
    flat.add(rows[4000:], allowed)
    found = index.search(queries, 10, filter=allowed)
    assert recall(found.ids, flat.search(queries, 10).ids) >= 0.95


def test_a_walk_widens_until_it_has_met_enough_allowed_rows():
    rows = gaussian(8000, 12)
    index = built(rows)
    near = np.argsort(((rows - rows[0]) ** 2).sum(1))
    allowed = np.random.default_rng(1).permutation(near[40:])[:5000]
    before = index.distances_computed
    found = index.search(rows[:1], 1, width=10, filter=allowed)
    assert index.distances_computed - before < 4000  # fewer than all that are allowed
    flat = Flat(12)
    flat.add(rows[allowed], allowed)
    assert found.ids[0, 0] == flat.search(rows[:1], 1).ids[0, 0]


def test_a_filter_of_another_length_is_refused():
    index = built(gaussian(100))
    index.remove(np.array([4]))
    with pytest.raises(ValueError, match="one flag for each of 99 rows, got 100"):
        index.search(gaussian(1), 1, filter=np.ones(100, bool))
    with pytest.raises(ValueError, match="no row has the id 4"):
        index.search(gaussian(1), 1, filter=np.array([3, 4]))


# --- range search


@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
def test_range_search_finds_all_rows_within_the_radius(metric, dtype):
    rng = np.random.default_rng(0)
    index = make(Fanng, metric, dtype, n=500)
    index.remove(index.ids[::50])
    flat, queries = flat_of(index), make_rows(rng, 20, 9, dtype)
    values = scores(metric, queries, index.vectors)
    order = np.sort(values, axis=1) if metric not in ("ip", "cosine") else -np.sort(-values, axis=1)
    radius = float(np.float32(np.median(order[:, 30])))
    expected = flat.range_search(queries, radius)
    near = values >= radius if metric in ("ip", "cosine") else values <= radius
    if metric != "cosine":  # whose sums are rounded
        np.testing.assert_array_equal(np.diff(expected.limits), near.sum(1))
        for q in range(20):
            part = slice(expected.limits[q], expected.limits[q + 1])
            np.testing.assert_array_equal(np.sort(expected.ids[part]), np.sort(index.ids[near[q]]))
            worse = np.lexsort(
                (expected.ids[part], expected.distances[part] * (-1 if metric == "ip" else 1))
            )
            np.testing.assert_array_equal(worse, np.arange(len(worse)))
    exact = index.range_search(queries, radius, width=len(index))
    for a, b in zip(exact, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    found = index.range_search(queries, radius, threads=2)
    assert len(found.ids) >= 0.97 * len(expected.ids) > 100


def test_range_search_finds_far_more_rows_than_its_width():
    rows, queries = gaussian(3000), gaussian(20, seed=1)
    index = built(rows)
    expected = flat_of(index).range_search(queries, 22.0)
    found = index.range_search(queries, 22.0, width=16)
    assert np.diff(expected.limits).max() > 1000
    assert len(found.ids) > 0.99 * len(expected.ids)
    assert index.range_search(queries, -1.0).limits.tolist() == [0] * 21


def test_range_search_goes_on_a_little_beyond_the_radius():
    index = Fanng(24, max_degree=8)  # so few edges that the rows within are in several parts
    index.add(gaussian(3000, 24))
    index.build()
    queries = gaussian(60, 24, seed=1)
    expected = flat_of(index).range_search(queries, 24.0)
    found = index.range_search(queries, 24.0, width=32)
    assert len(found.ids) > 0.785 * len(expected.ids) > 3000


def test_range_search_obeys_a_filter():
    rows, queries = gaussian(800), gaussian(10, seed=1)
    index = built(rows)
    even = np.arange(0, 800, 2)
    flat = Flat(16)
    flat.add(rows[even], even)
    found = index.range_search(queries, 18.0, filter=even, width=800)
    for a, b in zip(found, flat.range_search(queries, 18.0), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("cls", [Flat, Fanng])
def test_a_radius_that_is_no_number_is_refused(cls):
    index = built(gaussian(20), cls=cls)
    with pytest.raises(ValueError, match="radius must not be NaN"):
        index.range_search(gaussian(1), float("nan"))
    with pytest.raises(TypeError, match="radius must be a number"):
        index.range_search(gaussian(1), "near")  # pyright: ignore[reportArgumentType]
    assert len(index.range_search(gaussian(2), float("inf")).ids) == 40


def test_range_search_needs_a_graph():
    index = Fanng(16)
    assert index.range_search(gaussian(1), 1.0).limits.tolist() == [0, 0]
    index.add(gaussian(5))
    with pytest.raises(RuntimeError, match="build"):
        index.range_search(gaussian(1), 1.0)


# --- recall


def test_measured_recall_is_that_of_the_definition():
    rows, queries = gaussian(3000, 24), gaussian(150, 24, seed=1)
    index = built(rows)
    wanted = flat_of(index).search(queries, 10).ids
    for width in (10, 20, 64):
        by_hand = recall(index.search(queries, 10, width=width).ids, wanted)
        assert index.measure_recall(queries, width=width) == pytest.approx(by_hand)
    assert index.measure_recall(queries, width=10) < 0.95
    assert index.measure_recall(queries, width=3000) == 1.0


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_ties_and_duplicates_do_not_lower_the_measured_recall(metric):
    index = make(Fanng, metric, "uint8", n=400, dim=3)  # few values: nearly all are ties
    assert index.measure_recall(k=5, width=400) == 1.0
    assert index.measure_recall(k=500, width=400) == 1.0
    assert Fanng(3).measure_recall(k=5) == 1.0


def test_tuning_finds_about_the_least_width_and_saves_it(tmp_path):
    rows, queries = gaussian(3000, 24), gaussian(150, 24, seed=1)
    index = built(rows)
    width = index.tune(0.9, queries=queries)
    assert index.width == width
    assert index.measure_recall(queries) >= 0.9
    assert index.measure_recall(queries, width=width * 3 // 4) < 0.9
    index.save(tmp_path / "a")
    assert Fanng.load(tmp_path / "a").width == width
    assert index.tune(1.0, k=3, sample=20) <= 3000


def test_impossible_recalls_are_refused():
    index = built(gaussian(30))
    for bad in (0.0, 1.01):
        with pytest.raises(ValueError, match="recall must be above 0 and at most 1"):
            index.tune(bad)
    with pytest.raises(ValueError, match="queries must be at least one"):
        index.measure_recall(gaussian(0))


# --- budgets


def test_no_search_computes_more_distances_than_its_budget():
    rows, queries = gaussian(2000), gaussian(40, seed=1)
    index = built(rows)
    for budget in (10, 57, 300):
        before = index.distances_computed
        found = index.search(queries, 10, width=2000, budget=budget)
        assert budget * 20 < index.distances_computed - before <= budget * 40
        assert (found.ids >= 0).sum() >= 10


def test_a_time_is_a_bound_of_every_query():
    rows, queries = gaussian(20000, 32), gaussian(40, 32, seed=1)
    index = Fanng(32, max_degree=8)
    index.add(rows)
    index.build(width=16)
    times = {}
    for limit in (None, timedelta(microseconds=200)):
        taken = []
        for query in queries:
            start = time.perf_counter()
            index.search(query[None], 10, width=20000, budget=limit, threads=1)
            taken.append(time.perf_counter() - start)
        times[limit is None] = np.median(taken)
    assert times[True] > 0.004
    assert times[False] < 0.0015  # one step of the walk past the limit, and what Python takes


# --- side by side


def test_searches_see_all_of_a_change_or_nothing():
    rows = gaussian(5500, 8)
    index = built(rows[:2500])
    errors, done = [], threading.Event()

    def ask():
        try:
            while not done.is_set():
                assert len(index.vectors) in (2500, 5500)
                found = index.search(rows[:20], 1).ids[:, 0]
                np.testing.assert_array_equal(found, np.arange(20))
                for part in (slice(20, 40), slice(2500, 5500, 60)):
                    same = index.search(rows[part], 1, width=16).distances[:, 0] == 0
                    assert same.mean() > 0.9 or not same.any()
        except BaseException as error:
            errors.append(error)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    index.add(rows[2500:])
    for shift in (1, 0, 1, 0):
        index.update(np.arange(20, 40), rows[20:40] + np.float32(shift))
    done.set()
    for asker in askers:
        asker.join()
    assert errors == []
    assert len(index) == 5500


def test_searches_go_on_while_rows_are_added_and_a_graph_is_built():
    rows = gaussian(9000, 24)
    index = built(rows[:3000])
    for change in (lambda: index.add(rows[3000:]), index.build):
        worker = threading.Thread(target=change)
        worker.start()
        answered = 0
        while worker.is_alive():
            index.search(rows[:1], 5, threads=1)
            answered += 1
        worker.join()
        assert answered > 20
    assert len(index) == 9000


def test_a_progress_callback_may_neither_search_nor_change_the_index_it_is_told_about():
    index = built(gaussian(2000))
    refused = []

    def progress(done, total, stage):
        for act in (
            lambda: index.search(gaussian(1), 1),
            lambda: index.remove(np.array([1])),
            lambda: index.ids,
        ):
            with pytest.raises(RuntimeError, match="progress callback must not use it"):
                act()
            refused.append(stage)

    index.build(progress=progress)
    assert refused
    assert len(index) == 2000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("changes", [False, True])
def test_a_child_of_a_fork_can_use_the_index_whatever_other_threads_did(changes):
    rows = gaussian(3000, 8)
    index = built(rows[:1000])
    done = threading.Event()

    def change():
        while changes and not done.is_set():
            index.update(np.arange(100, 160), rows[100:160])

    def ask():
        while not done.is_set():
            index.search(rows[:200], 5, threads=2)

    workers = [threading.Thread(target=work) for work in (change, ask)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(6):
            child = os.fork()
            if child == 0:
                signal.alarm(30)  # what hangs is killed
                os._exit(0 if _child_can_use(index, rows, changes) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        done.set()
        for worker in workers:
            worker.join()


def _child_can_use(index, rows, changes):
    found = index.search(rows[:50], 1).ids[:, 0]
    if len(index) != 1000 or (found != np.arange(50)).any():
        return False
    try:
        index.remove(np.array([1]))
    except RuntimeError as error:  # in the middle of a change
        return changes and "forked while another thread" in str(error)
    return len(index) == 999 and index.search(rows[1:2], 1).ids[0, 0] != 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_may_come_while_a_thread_loads_and_adds():
    # What an index grows out of after it was loaded belongs to Python: to free it under a lock for
    # which a fork waits would stop both for ever, since the forking thread holds Python's lock.
    parent = multiprocessing.get_context("spawn").Process(target=_fork_beside_additions)
    parent.start()
    parent.join(60)
    if parent.exitcode is None:
        parent.kill()
    assert parent.exitcode == 0


def _fork_beside_additions():
    warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
    rows = gaussian(300, 8)
    index = built(rows)
    arrays, settings = index.arrays(), index.settings()
    done = threading.Event()

    def load_and_add():
        while not done.is_set():
            copies = {name: array.copy() for name, array in arrays.items()}
            Fanng.from_arrays(copies, settings).add(rows[:1])

    worker = threading.Thread(target=load_and_add, daemon=True)
    worker.start()
    for _ in range(40):
        until = time.perf_counter() + 0.003
        while time.perf_counter() < until:  # so that the thread waits for Python
            pass
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # what hangs is killed
            found = index.search(rows[:5], 1, threads=1).ids[:, 0]
            os._exit(int((found != np.arange(5)).any()))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    done.set()
    worker.join()


# --- Ctrl-C


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer")
@pytest.mark.parametrize("adds", [True, False])
def test_ctrl_c_stops_what_adds_rows_and_nothing_was_added(tmp_path, adds):
    rows, ids = gaussian(8000, 32), np.arange(8000)

    def change():
        if adds:
            index.add(*given, threads=1)
        else:
            index.update(*given[::-1], threads=1)

    if adds:
        index, given = built(rows[:1000]), (rows[1000:], ids[1000:])
    else:
        index, given = built(rows), (gaussian(8000, 32, seed=1), ids)
    count, queries = len(index), rows[:50]
    before = exactly(index, queries)

    def interrupt(*_):
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.15)
        started = time.process_time()
        with pytest.raises(KeyboardInterrupt):
            change()
        stopped = time.process_time() - started
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
    assert len(index) == count
    np.testing.assert_array_equal(exactly(index, queries).ids, before.ids)
    index.save(tmp_path / "index")
    assert_same(Fanng.load(tmp_path / "index"), index)
    started = time.process_time()
    change()
    assert stopped < 0.7 * (time.process_time() - started)
    found = index.search(given[0][:200], 1)
    np.testing.assert_array_equal(found.ids[:, 0], given[1][:200])


# --- arrays of other libraries


class Shared:
    """An array that has nothing but DLPack."""

    def __init__(self, array, device=1):
        self._array, self._device = array, device

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._device, 0


@pytest.mark.parametrize("wrap", [Shared, "torch"])
def test_arrays_come_by_dlpack_without_a_copy(wrap):
    if wrap == "torch":
        wrap = pytest.importorskip("torch").from_numpy
    rows = gaussian(200)
    index = Fanng(16)
    index.add(wrap(rows), wrap(np.arange(200) + 5))
    index.build()
    np.testing.assert_array_equal(index.search(wrap(rows), 1).ids[:, 0], np.arange(200) + 5)
    found = index.search(
        wrap(rows), 2, filter=wrap(np.arange(50) + 5), starts=wrap(index.ids[:200].copy())
    )
    assert found.ids.max() == 54
    if wrap is Shared:  # numpy shares no flags this way before its version 2
        found = index.search(wrap(rows), 2, filter=wrap(index.ids < 55))
        assert found.ids.max() == 54
    index.update(wrap(np.array([5])), wrap(rows[:1]))
    index.remove(wrap(np.array([6])))
    assert index.measure_recall(wrap(rows)) > 0.9
    assert len(index.range_search(wrap(rows[:1]), np.inf).ids) == 199


def test_arrays_on_another_device_or_of_another_kind_are_refused():
    index = built(gaussian(20))
    with pytest.raises(TypeError, match=r"queries must be in the memory of the CPU.*type 2; copy"):
        index.search(Shared(gaussian(1), device=2), 1)
    with pytest.raises(TypeError, match="queries must be a float32 array"):
        index.search(Shared(gaussian(1).astype(np.float64)), 1)
    with pytest.raises(TypeError, match="filter must be a bool array"):
        index.search(gaussian(1), 1, filter=Shared(np.zeros(20, np.float32)))
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"queries: torch\.Tensor cannot be shared with numpy"):
        index.search(torch.ones(1, 16, requires_grad=True), 1)


def test_the_native_index_gives_no_state_before_it_is_tidied():
    index = built(gaussian(100))
    index.remove(np.array([1]))
    with pytest.raises(RuntimeError, match="tidied"):
        index._native.state()
    assert isinstance(index._native, _core.FanngIndex)
    assert len(index.arrays()["ids"]) == 99
