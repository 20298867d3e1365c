"""Arguments of other kinds are refused by name, or mean what they say."""

import numpy as np
import pytest

from bitgrove.search import Fanng, Flat, load
from bitgrove.search._index import usable_threads


@pytest.fixture(scope="module")
def built():
    index = Fanng(4)
    index.add(np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32))
    index.build(threads=1)
    return index


@pytest.mark.parametrize("cls", [Flat, Fanng])
def test_a_dim_of_numpy_can_be_saved(tmp_path, cls):
    index = cls(np.int64(3))
    index.save(tmp_path / "a.index")
    assert load(tmp_path / "a.index").dim == 3
    assert type(index.dim) is int


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("build", {"relax": "a"}, "relax must be a number, got str"),
        ("build", {"relax": True}, "relax must be a number, got bool"),
        ("build", {"codes": 1}, "codes must be True or False, got int"),
        ("build_by_traversal", {"success": None}, "success must be a number, got NoneType"),
        ("build_by_traversal", {"tau": "0"}, "tau must be a number, got str"),
        ("build_by_traversal", {"refine": "no"}, "refine must be True or False, got str"),
        ("tune", {"recall": "high"}, "recall must be a number, got str"),
        ("measure_recall", {"seed": 1.5}, "seed must be an int, got float"),
    ],
)
def test_an_argument_of_another_kind_is_named(built, method, arguments, message):
    with pytest.raises(TypeError, match=message):
        getattr(built, method)(**arguments)


@pytest.mark.parametrize("unit", ["ms", "ns"])
def test_a_time_of_numpy_is_no_number_of_distances(built, unit):
    with pytest.raises(TypeError, match=r"budget must be an int or a datetime\.timedelta"):
        built.search(built.vectors[:1], 1, budget=np.timedelta64(5, unit))
    with pytest.raises(TypeError, match="k must be an int, got timedelta64"):
        built.search(built.vectors[:1], np.timedelta64(5, unit))


def test_more_threads_than_a_machine_has_are_refused():
    assert usable_threads(4096) == 4096
    with pytest.raises(ValueError, match=r"threads must be in 1 \.\.= 4096, got 1099511627776"):
        usable_threads(1 << 40)


def test_a_degree_above_all_follows_every_edge(built):
    queries = built.vectors[:5]
    every = built.search_by_backtracking(queries, 3, budget=60)
    more = built.search_by_backtracking(queries, 3, budget=60, degree=1 << 70)
    assert np.array_equal(every.ids, more.ids)


@pytest.mark.parametrize("rows", [0, 1])
def test_an_index_without_rows_to_find_is_not_tuned(rows):
    index = Fanng(2)
    index.add(np.zeros((rows, 2), np.float32))
    index.build(threads=1)
    width = index.width
    with pytest.raises(ValueError, match=f"tune needs rows to find, this index has {rows}"):
        index.tune()
    assert index.width == width


def test_a_change_that_could_not_be_kept_is_saved_all_the_same(tmp_path, monkeypatch):
    index = Fanng(2)
    index.add(np.eye(2, dtype=np.float32))
    index.save(tmp_path / "a.index")

    def interrupted(operation):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bitgrove.search._storage.encode", interrupted)
        with pytest.raises(KeyboardInterrupt):
            index.add(np.ones((1, 2), np.float32))
    index.add(np.zeros((1, 2), np.float32))
    index.save(tmp_path / "a.index")
    assert load(tmp_path / "a.index").ids.tolist() == index.ids.tolist() == [0, 1, 2, 3]


def test_masked_arrays_are_refused(built):
    hidden = np.ma.masked_array(built.vectors[:2], mask=True)
    with pytest.raises(TypeError, match="queries must not be a masked array"):
        built.search(hidden, 1)


def test_a_tensor_without_memory_is_refused_by_name(built):
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"queries: torch\.Tensor cannot be shared with numpy"):
        built.search(torch.empty((1, 4), device="meta"), 1)
