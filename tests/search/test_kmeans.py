import doctest
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from bitgrove.search import Fanng, Flat, KMeans


def lloyd(rows, centres, iterations):
    """Oracle: Lloyd's loop in float64 with every distance; clusters must not run empty."""
    rows = rows.astype(np.float64)
    objectives, labels = [], np.empty(0)
    for i in range(iterations):
        distances = ((rows[:, None] - centres[None].astype(np.float64)) ** 2).sum(-1)
        labels = distances.argmin(1)
        objectives.append(distances.min(1).sum())
        if i < iterations - 1:
            means = [rows[labels == c].mean(0) for c in range(len(centres))]
            centres = np.array(means, np.float32)
    return centres, labels, objectives


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 4, (12, 6))
    return (centres[rng.integers(0, 12, 700)] + rng.normal(0, 1, (700, 6))).astype(np.float32)


@pytest.fixture(scope="module")
def pixels():
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (500, 5), dtype=np.uint8)


@pytest.mark.parametrize("index", ["flat", "fanng"])
@pytest.mark.parametrize("kind", ["blobs", "pixels"])
def test_equals_lloyds_loop_where_the_assignment_is_exact(kind, index, request):
    rows = request.getfixturevalue(kind)
    first = rows[:20].astype(np.float32)
    centres, labels, objectives = lloyd(rows, first, 6)
    assert len(np.unique(np.round(objectives, 3))) == 6  # it moved in every iteration
    found = KMeans(20, init=first, index=index, max_iter=6, tol=0).fit(rows)
    np.testing.assert_array_equal(found.labels_, labels)
    np.testing.assert_allclose(found.cluster_centers_, centres, rtol=1e-6)
    np.testing.assert_allclose([i.objective for i in found.history_], objectives, rtol=1e-6)
    assert all(i.recall == 1 for i in found.history_)
    assert (found.n_iter_, found.inertia_) == (6, found.history_[-1].objective)


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_the_objective_never_rises_and_what_is_kept_belongs_together(blobs, init):
    found = KMeans(60, init=init, index="flat", max_iter=50, tol=0, seed=3).fit(blobs)
    objectives = [i.objective for i in found.history_]
    assert 4 < len(objectives) < 50  # it settled
    assert (np.diff(objectives) <= 1e-7 * objectives[0]).all()
    given = found.cluster_centers_[found.labels_]
    np.testing.assert_allclose(((blobs - given) ** 2).sum(), found.inertia_, rtol=1e-5)
    np.testing.assert_array_equal(found.predict(blobs), found.labels_)
    assert found.score(blobs) == pytest.approx(-found.inertia_)


def test_a_graph_comes_close_to_the_exact_objective(digits_like):
    exact = KMeans(300, index="flat", max_iter=6, seed=2).fit(digits_like)
    found = KMeans(300, max_iter=6, seed=2).fit(digits_like)
    assert isinstance(found.index_, Fanng)
    assert isinstance(exact.index_, Flat)
    assert found.inertia_ == pytest.approx(exact.inertia_, rel=0.01)
    assert found.history_[-1].recall > 0.97


def test_walks_begin_at_the_last_centre(digits_like, monkeypatch):
    def spy(self, queries, k, **options):
        asked.append((options["width"], options["starts"]))
        return search(self, queries, k, **options)

    asked, search = [], Fanng.search
    monkeypatch.setattr(Fanng, "search", spy)
    first = KMeans(50, max_iter=1, width=7).fit(digits_like)
    asked.clear()
    second = KMeans(50, max_iter=2, width=7).fit(digits_like)
    assert [width for width, _ in asked] == [14, 7]
    assert asked[0][1] is None
    np.testing.assert_array_equal(asked[1][1], first.labels_)
    assert not np.array_equal(first.labels_, second.labels_)


@pytest.fixture(scope="module")
def digits_like():
    rng = np.random.default_rng(5)
    return np.tanh(rng.normal(size=(3000, 4)) @ rng.normal(size=(4, 24))).astype(np.float32)


def test_threads_and_files_change_nothing(digits_like, tmp_path):
    np.save(tmp_path / "rows.npy", digits_like)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    one = KMeans(150, init="k-means++", max_iter=4, threads=1, seed=7).fit(digits_like)
    for rows, threads in ((mapped, 2), (tmp_path / "rows.npy", 3)):
        other = KMeans(150, init="k-means++", max_iter=4, threads=threads, seed=7).fit(rows)
        np.testing.assert_array_equal(other.cluster_centers_, one.cluster_centers_)
        np.testing.assert_array_equal(other.labels_, one.labels_)
        assert [i[:3] for i in other.history_] == [i[:3] for i in one.history_]
    differs = KMeans(150, init="k-means++", max_iter=4, seed=8).fit(digits_like)
    assert not np.array_equal(differs.cluster_centers_, one.cluster_centers_)


def test_the_size_of_blocks_changes_nothing(digits_like, monkeypatch):
    whole = KMeans(80, max_iter=3).fit(digits_like)
    monkeypatch.setattr("bitgrove.search._stream._BLOCK_ELEMENTS", 24 * 100)
    stages = []
    parts = KMeans(80, max_iter=3).fit(digits_like, progress=lambda *now: stages.append(now))
    assert stages[:2] == [(100, 3000, "iteration 1 of 3"), (200, 3000, "iteration 1 of 3")]
    assert len(stages) == 90
    np.testing.assert_array_equal(parts.cluster_centers_, whole.cluster_centers_)
    np.testing.assert_array_equal(parts.labels_, whole.labels_)


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_a_file_is_never_held_in_memory(tmp_path, monkeypatch, init):
    monkeypatch.setattr("bitgrove.search._stream._BLOCK_ELEMENTS", 1 << 16)
    rows = np.random.default_rng(0).random((40_000, 64), np.float32)
    np.save(tmp_path / "rows.npy", rows)
    tracemalloc.start()
    try:
        found = KMeans(3, init=init, max_iter=2, index="flat", threads=1).fit(tmp_path / "rows.npy")
        found.predict(tmp_path / "rows.npy")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < rows.nbytes / 4


@pytest.mark.parametrize("index", ["flat", "fanng"])
def test_an_empty_cluster_splits_the_one_of_largest_error(index):
    wide = np.array([[-3, 0], [-2, 0], [2, 0], [3.5, 0]], np.float32)
    narrow = np.array([[100, 0], [101, 0]], np.float32)
    rows = np.concatenate([wide, narrow])
    init = np.array([[0, 0], [100.5, 0], [1000, 1000]], np.float32)
    found = KMeans(3, init=init, index=index, max_iter=3, tol=0.5).fit(rows)
    assert [i.empty for i in found.history_] == [1, 0, 0]
    np.testing.assert_array_equal(found.labels_, [0, 0, 2, 2, 1, 1])
    split = KMeans(3, init=init, index=index, max_iter=2).fit(rows).cluster_centers_
    np.testing.assert_array_equal(split[:, 0], [0.125, 100.5, 0.125 + (3.5 - 0.125) / 16])
    np.testing.assert_array_equal(found.cluster_centers_[2], [2.75, 0])


def test_a_cluster_of_one_row_is_not_split():
    rows = np.array([[0], [1], [100]], np.float32)
    init = np.array([[0.5], [60], [1000]], np.float32)
    found = KMeans(3, init=init, index="flat").fit(rows)
    np.testing.assert_array_equal(found.labels_, [2, 0, 1])
    assert [i.empty for i in found.history_[:2]] == [1, 0]


def test_many_empty_clusters_are_filled_and_the_objective_still_falls(blobs):
    init = np.full((40, 6), 1e3, np.float32)
    init[:2] = blobs[:2]
    found = KMeans(40, init=init, index="flat", max_iter=60, tol=0).fit(blobs)
    empty = [i.empty for i in found.history_]
    assert empty[0] == 38
    assert empty[:6] == [38, 36, 32, 24, 8, 0]  # as many split as hold rows
    objectives = [i.objective for i in found.history_]
    assert (np.diff(objectives) <= 0).all()


def test_more_clusters_than_different_rows_leave_some_empty_and_end():
    rows = np.repeat(np.array([[0, 0], [5, 5], [9, 0]], np.float32), 4, axis=0)
    found = KMeans(8, init="k-means++", tol=0).fit(rows)
    assert found.inertia_ == 0
    assert found.history_[-1].empty == 5
    assert found.n_iter_ <= 3


def test_rows_drawn_far_apart_begin_better_than_rows_drawn_evenly(blobs):
    def begin(init, seed):
        return KMeans(12, init=init, index="flat", max_iter=1, seed=seed).fit(blobs).inertia_

    even, far = (
        np.median([begin(init, seed) for seed in range(15)]) for init in ("random", "k-means++")
    )
    assert far < 0.9 * even


def test_a_run_goes_on_from_its_centres(blobs):
    whole = KMeans(30, index="flat", max_iter=7, tol=0).fit(blobs)
    part = KMeans(30, index="flat", max_iter=3, tol=0).fit(blobs)
    rest = KMeans(30, index="flat", max_iter=5, tol=0, init=part.cluster_centers_).fit(blobs)
    np.testing.assert_array_equal(rest.cluster_centers_, whole.cluster_centers_)
    np.testing.assert_array_equal(rest.labels_, whole.labels_)


def test_an_interrupt_leaves_the_last_iteration(blobs):
    def stop(done, total, stage):
        if stage.startswith("iteration 4"):
            raise KeyboardInterrupt

    stopped = KMeans(30, tol=0)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(blobs, progress=stop)
    three = KMeans(30, tol=0, max_iter=3).fit(blobs)
    assert stopped.n_iter_ == 3
    np.testing.assert_array_equal(stopped.cluster_centers_, three.cluster_centers_)
    np.testing.assert_array_equal(stopped.labels_, three.labels_)
    np.testing.assert_array_equal(stopped.predict(blobs), three.predict(blobs))


def test_tolerance_ends_it(blobs):
    loose = KMeans(30, index="flat", tol=0.02, max_iter=50).fit(blobs)
    objectives = np.array([i.objective for i in loose.history_])
    gains = -np.diff(objectives) / objectives[1:]
    assert gains[-1] <= 0.02
    assert (gains[:-1] > 0.02).all()


def test_transform_gives_distances_to_all_centres(pixels):
    found = KMeans(7, max_iter=2, index="flat").fit(pixels)
    wide = pixels[:9, None].astype(np.float64) - found.cluster_centers_[None]
    np.testing.assert_allclose(found.transform(pixels[:9]), np.linalg.norm(wide, axis=2), rtol=1e-5)
    np.testing.assert_array_equal(found.transform(pixels[:9]).argmin(1), found.predict(pixels[:9]))


def test_one_cluster_is_the_mean(pixels):
    found = KMeans(1).fit(pixels)
    np.testing.assert_allclose(found.cluster_centers_[0], pixels.mean(0), rtol=1e-6)


def test_recall_is_the_share_of_rows_with_their_nearest_centre(blobs, monkeypatch):
    def misled(self, index, queries, starts):
        near = exactly(self, index, queries, starts)
        near.ids[::4] = (near.ids[::4] + 1) % 20
        given = index.vectors[np.argsort(index.ids)][near.ids[:, 0]]
        near.distances[:, 0] = ((queries - given) ** 2).sum(1) * 1.0001
        near.distances[np.arange(len(queries)) % 4 > 0] *= 0.999
        return near

    exactly = KMeans._nearest
    monkeypatch.setattr(KMeans, "_nearest", misled)
    assert KMeans(20, max_iter=1).fit(blobs).history_[0].recall == 0.75


def test_no_sample_no_recall(pixels):
    found = KMeans(5, recall_sample=0, max_iter=1).fit(pixels)
    assert np.isnan(found.history_[0].recall)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_clusters": 0}, ValueError, "n_clusters must be at least 1, got 0"),
        ({"n_clusters": 2.0}, TypeError, "n_clusters must be an int"),
        ({"init": "first"}, ValueError, "init must be 'random', 'k-means\\+\\+' or an array"),
        ({"index": "hnsw"}, ValueError, "index must be 'fanng' or 'flat', got 'hnsw'"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1, got 0"),
        ({"tol": -0.1}, ValueError, "tol must be a number in 0 .. 1, got -0.1"),
        ({"tol": float("nan")}, ValueError, "tol must be a number in 0 .. 1, got nan"),
        ({"recall_sample": -1}, ValueError, "recall_sample must not be negative, got -1"),
        ({"recall_sample": 0.5}, TypeError, "recall_sample must be an int, got float"),
        ({"width": 0}, ValueError, "width must be at least 1, got 0"),
        ({"threads": 0}, ValueError, "threads must be at least 1, got 0"),
        ({"seed": -1}, ValueError, "seed must be in"),
        ({"seed": True}, TypeError, "seed must be an int, got bool"),
    ],
)
def test_impossible_parameters_are_refused(parameters, error, message):
    with pytest.raises(error, match=message):
        KMeans(**{"n_clusters": 3} | parameters)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (np.zeros((4, 2)), TypeError, "X must be uint8 or float32, got dtype=float64"),
        ([[1.0, 2.0]] * 4, TypeError, "X must be an array or the path of a .npy file, got list"),
        (np.zeros(4, np.float32), ValueError, r"X must have shape \(n, dim\)"),
        (np.zeros((4, 0), np.float32), ValueError, r"X must have shape \(n, dim\)"),
        (np.zeros((2, 2), np.float32), ValueError, "3 clusters need at least as many rows, X has"),
        (np.array([[0], [1], [2], [np.nan]], np.float32), ValueError, "X row 3 holds NaN or"),
        (np.array([[0], [-np.inf], [2], [5]], np.float32), ValueError, "X row 1 holds NaN or"),
        (np.array([[0], [1e30], [2], [5]], np.float32), ValueError, "X row 1 is so long that"),
    ],
)
@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_rows_that_cannot_be_clustered_are_refused(rows, error, message, init):
    with pytest.raises(error, match=message):
        KMeans(3, init=init).fit(rows)


def test_a_bad_row_of_a_later_block_is_named(monkeypatch):
    monkeypatch.setattr("bitgrove.search._stream._BLOCK_ELEMENTS", 1)
    rows = np.zeros((200, 2), np.float32)
    rows[150, 1] = np.nan
    with pytest.raises(ValueError, match="X row 150 holds NaN or infinity"):
        KMeans(1, init=rows[:1], recall_sample=0).fit(rows)


def test_files_that_hold_no_rows_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        KMeans(2).fit(tmp_path / "missing.npy")
    (tmp_path / "text.npy").write_text("not an array")
    with pytest.raises(ValueError, match=r"X: .*text.npy is no .npy file of numbers"):
        KMeans(2).fit(str(tmp_path / "text.npy"))
    np.save(tmp_path / "objects.npy", np.array([[{}]]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"objects.npy is no .npy file of numbers"):
        KMeans(2).fit(tmp_path / "objects.npy")


def test_centres_that_do_not_fit_are_refused(pixels):
    for init in (np.zeros((3, 4), np.float32), np.zeros((2, 5), np.float32), pixels[:3]):
        with pytest.raises(ValueError, match="init must hold 3 centres of 5 elements as float32"):
            KMeans(3, init=init).fit(pixels)
    bad = np.array([[0] * 5, [np.nan] * 5, [1] * 5], np.float32)
    with pytest.raises(ValueError, match="init row 1 holds NaN"):
        KMeans(3, init=bad).fit(pixels)


def test_questions_before_the_answer_are_refused(pixels):
    with pytest.raises(RuntimeError, match="no centres yet; call fit"):
        KMeans(3).predict(pixels)
    with pytest.raises(ValueError, match="takes no y"):
        KMeans(3).fit(pixels, pixels[:, 0])
    with pytest.raises(ValueError, match="X must have 5 columns as at fit, got 4"):
        KMeans(3, max_iter=1).fit(pixels).predict(pixels[:, :4])


def test_the_page_on_k_means_shows_what_happens():
    page = Path(__file__).resolve().parents[2] / "docs" / "k-means.md"
    result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.attempted == 7
    assert result.failed == 0
