"""An index from arrays that anyone may have written."""

import numpy as np
import pytest

from bitgrove.search import Fanng

from .oracles import make_rows

NOBODY = 0xFFFFFFFF


def stored(metric="l2", dtype="float32", n=300, repeat=True):
    """Arrays of a small index that may be changed, and its settings."""
    rng = np.random.default_rng(0)
    if dtype == "float32":
        rows = rng.standard_normal((n, 12)).astype(np.float32)
    else:
        rows = make_rows(rng, n, 12, dtype)
    if repeat:
        rows[-5:] = rows[:5]
    index = Fanng(12, metric, dtype, max_degree=8)
    index.add(rows, rng.permutation(1000)[:n])
    index.build(threads=1)
    return {name: np.array(array) for name, array in index.arrays().items()}, index.settings()


def twin(arrays):
    """A row that equals an earlier one."""
    return int((arrays["vertices"] < np.arange(len(arrays["vertices"]))).argmax())


def filled(arrays):
    """A vertex with an edge."""
    return int((arrays["edges"][:, 0] != NOBODY).argmax())


BROKEN_ARRAYS = {
    "an edge to no row": (lambda a: a["edges"].__setitem__((filled(a), 0), 300), "^edges"),
    "an edge to a far number": (lambda a: a["edges"].__setitem__((filled(a), 0), 2**31), "^edges"),
    "an edge to itself": (lambda a: a["edges"].__setitem__((filled(a), 0), filled(a)), "^edges"),
    "an edge to a twin": (lambda a: a["edges"].__setitem__((filled(a), 0), twin(a)), "^edges"),
    "a twin with an edge": (lambda a: a["edges"].__setitem__((twin(a), 0), 0), "^edges"),
    "a gap": (lambda a: a["edges"].__setitem__((filled(a), 0), NOBODY), "^edges"),
    "no edges at all": (lambda a: a["edges"].fill(NOBODY), "^edges.*cannot be reached"),
    "too few lists": (lambda a: a.update(edges=a["edges"][1:]), "^edges"),
    "short lists": (lambda a: a.update(edges=a["edges"][:, :7]), "^edges"),
    "signed edges": (lambda a: a.update(edges=a["edges"].astype(np.int32)), "^edges"),
    "no array of edges": (lambda a: a.pop("edges"), "edges"),
    "a vertex behind its twin": (
        lambda a: a["vertices"].__setitem__(0, 1),
        "^vertices: that of row 0",
    ),
    "rows that differ as twins": (lambda a: a["vertices"].__setitem__(7, 6), "^vertices"),
    "too few vertices": (lambda a: a.update(vertices=a["vertices"][1:]), "^vertices"),
    "an id twice": (lambda a: a["ids"].__setitem__(0, a["ids"][1]), "^ids.*given twice"),
    "a negative id": (lambda a: a["ids"].__setitem__(0, -1), "^ids"),
    "an id to come": (lambda a: a["ids"].__setitem__(0, 10**6), "^ids"),
    "too few ids": (lambda a: a.update(ids=a["ids"][1:]), "^ids"),
    "NaN": (lambda a: a["vectors"].__setitem__((9, 0), np.nan), "^vectors row 9"),
    "another dtype": (lambda a: a.update(vectors=a["vectors"].astype(np.float64)), "vectors"),
    "longer vectors": (lambda a: a.update(vectors=np.zeros((300, 13), np.float32)), "vectors"),
    "too few codes": (lambda a: a.update(codes=a["codes"][1:]), "^codes"),
    "longer codes": (lambda a: a.update(codes=np.zeros((300, 64), np.uint8)), "^codes"),
    "a code of other elements": (
        lambda a: a["codes"].__setitem__((9, 3), a["codes"][9, 3] ^ 1),
        "^codes: that of row 9 does not stand for its elements",
    ),
    "a code with a tail": (lambda a: a["codes"].__setitem__((9, -1), 1), "^codes: that of row 9"),
    "a step of other codes": (lambda a: a["low"].__iadd__(1), "^codes: that of row 0"),
    "a low that is infinite": (lambda a: a["low"].__setitem__(0, np.inf), "^low"),
    "too few lows": (lambda a: a.update(low=a["low"][1:]), "^low"),
    "an array too many": (lambda a: a.update(more=a["low"]), "arrays: .*more"),
}


@pytest.mark.parametrize("what", BROKEN_ARRAYS)
def test_broken_arrays_are_refused_by_name(what):
    arrays, settings = stored()
    Fanng.from_arrays(arrays, settings)
    spoil, message = BROKEN_ARRAYS[what]
    spoil(arrays)
    with pytest.raises(ValueError, match=message):
        Fanng.from_arrays(arrays, settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start", -1),
        ("start", 300),
        ("start", 1.0),
        ("start", 2**40),
        ("squared_bound", -1.0),
        ("squared_bound", float("nan")),
        ("squared_bound", float("inf")),
        ("checked", 301),
        ("checked", -1),
        ("next_id", 3),
        ("next_id", 2**63),
        ("step", 0.0),
        ("step", -1.0),
        ("step", float("nan")),
        ("step", 1e300),
        ("lift_places", 1),
        ("lift_places", 4097),
        ("width", 0),
        ("width", "64"),
        ("max_degree", 3),
        ("max_degree", 9),
        ("dim", 0),
        ("dim", "12"),
        ("metric", "l3"),
        ("dtype", "float64"),
        ("built", 1),
        ("coded", None),
        ("type", "flat"),
    ],
)
def test_broken_settings_are_refused(name, value):
    arrays, settings = stored()
    with pytest.raises(ValueError):  # noqa: PT011  # next_id is told by the ids, metric by name
        Fanng.from_arrays(arrays, settings | {name: value})


def test_the_start_must_be_a_vertex():
    arrays, settings = stored()
    with pytest.raises(ValueError, match="settings: start must be"):
        Fanng.from_arrays(arrays, settings | {"start": twin(arrays)})


@pytest.mark.parametrize(
    ("metric", "dtype"),
    [("l2", "float32"), ("ip", "float32"), ("l2", "uint8"), ("hamming", "bits")],
)
def test_whatever_edges_and_codes_hold_searches_end_and_answer(metric, dtype):
    arrays, settings = stored(metric, dtype, repeat=False)
    rng = np.random.default_rng(1)
    queries = arrays["vectors"][:20].copy()
    for trial in range(30):
        broken = {name: array.copy() for name, array in arrays.items()}
        places = rng.random(broken["edges"].shape) < 10.0 ** rng.uniform(-3, 0)
        wild = rng.integers(0, 2**32, broken["edges"].shape, dtype=np.uint32)
        near = rng.integers(0, 310, broken["edges"].shape, dtype=np.uint32)
        broken["edges"][places] = (wild if trial % 2 else near)[places]
        if "codes" in broken:
            broken["codes"][rng.random(broken["codes"].shape) < 0.1] ^= 0x55
        index = Fanng.from_arrays(broken, settings, verify=False)
        for found in (
            index.search(queries, 3),
            index.search(queries, 3, width=300),
            index.search(queries, 3, filter=np.arange(300) % 2 == 0, budget=50),
            index.search_by_backtracking(queries, 3, budget=300),
        ):
            assert np.isin(found.ids, np.append(arrays["ids"], -1)).all()


def test_an_index_without_rows_or_with_one_comes_back():
    for n in (0, 1):
        index = Fanng(3)
        index.add(np.ones((n, 3), np.float32))
        index.build()
        again = Fanng.from_arrays(index.arrays(), index.settings())
        assert len(again) == n
        again.add(np.zeros((2, 3), np.float32))
        np.testing.assert_array_equal(
            again.search(np.zeros((1, 3), np.float32), 2).ids, [[n, n + 1]]
        )
