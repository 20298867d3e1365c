import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bitgrove import files
from bitgrove.search import Fanng, Flat, load

from .indexes import assert_same, make
from .oracles import FORMATS, make_rows, nearest


@pytest.mark.parametrize("cls", [Flat, Fanng])
@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
def test_a_saved_index_comes_back_the_same(tmp_path, cls, metric, dtype):
    index = make(cls, metric, dtype)
    index.save(tmp_path / "a.index")
    again = cls.load(tmp_path / "a.index")
    assert_same(index, again)
    assert_same(index, pickle.loads(pickle.dumps(index)))
    assert_same(index, copy.deepcopy(index))
    queries = make_rows(np.random.default_rng(1), 20, 9, dtype)
    one, two = index.search(queries, 5), again.search(queries, 5)
    np.testing.assert_array_equal(one.ids, two.ids)
    np.testing.assert_array_equal(one.distances, two.distances)
    for each in (index, again):  # and goes on the same
        each.add(queries, np.arange(20) + 5000)
    assert_same(index, again)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("cls", [Flat, Fanng])
def test_small_indexes_come_back_the_same(tmp_path, cls, n):
    index = make(cls, n=n)
    index.save(tmp_path / "a.index")
    again = cls.load(tmp_path / "a.index")
    assert_same(index, again)
    again.add(np.ones((3, 9), np.float32), np.arange(3) + 2000)
    assert again.search(np.ones((1, 9), np.float32), 1).ids[0, 0] == 2000


def test_an_index_without_a_graph_comes_back_without_one(tmp_path):
    index = Fanng(2)
    index.add(np.eye(2, dtype=np.float32))
    index.save(tmp_path / "a.index")
    again = Fanng.load(tmp_path / "a.index")
    assert not again.built
    assert_same(index, again)


def test_the_other_class_is_refused_by_name(tmp_path):
    make(Flat).save(tmp_path / "flat.index")
    make(Fanng).save(tmp_path / "fanng.index")
    with pytest.raises(ValueError, match="type must be 'fanng', got 'flat'; load it with"):
        Fanng.load(tmp_path / "flat.index")
    with pytest.raises(ValueError, match="type must be 'flat', got 'fanng'; load it with"):
        Flat.load(tmp_path / "fanng.index")


def change(name, function):
    """A forgery of one array."""

    def forge(arrays, settings):
        arrays[name] = function(arrays[name].copy())

    return forge


def put(name, place, value):
    def function(array):
        array[place] = value
        return array

    return change(name, function)


def set_to(**values):
    """A forgery of settings."""
    return lambda arrays, settings: settings.update(values)


def last_of_equals(index):
    """A row that repeats an earlier one."""
    return int(np.flatnonzero(index.arrays()["vertices"] != np.arange(len(index)))[0])


def cut_off_a_row(arrays, settings):
    lost = int(np.flatnonzero(arrays["edges"][:, 0] != NONE)[-1])
    assert lost != settings["start"]
    edges = np.full_like(arrays["edges"], NONE)
    for row, ends in enumerate(arrays["edges"]):
        kept = ends[(ends != NONE) & (ends != lost)]
        edges[row, : len(kept)] = kept
    arrays["edges"] = edges


def put_a_gap(arrays, settings):
    edges = arrays["edges"].copy()
    edges[3, 0] = NONE
    assert edges[3, 1] != NONE
    arrays["edges"] = edges


NONE = 2**32 - 1
FORGERIES = {
    "vectors: no array": (lambda a, s: a.update(vectors=[1]), "vectors must be"),
    "vectors: dtype": (change("vectors", lambda x: x.astype(float)), "vectors must be"),
    "vectors: axes": (change("vectors", lambda x: x.ravel()), "vectors must be"),
    "vectors: width": (change("vectors", lambda x: x[:, 1:]), "vectors must have 9 columns"),
    "vectors: count": (change("vectors", lambda x: x[1:]), "ids: expected one for each"),
    "vectors: NaN": (put("vectors", (3, 0), np.nan), "vectors row 3 holds NaN"),
    "vectors: huge": (put("vectors", (3, 0), 1e30), "vectors row 3 is so long"),
    "ids: dtype": (change("ids", lambda x: x.astype(np.int32)), "ids must be"),
    "ids: axes": (change("ids", lambda x: x[:, None]), "ids must be"),
    "ids: twice": (change("ids", lambda x: np.zeros_like(x)), "ids must be unique.* id 0"),
    "ids: negative": (put("ids", 0, -5), "id -5 is"),
    "ids: most": (put("ids", 0, 2**63 - 1), "id 9223372036854775807 is"),
    "edges: dtype": (change("edges", lambda x: x.astype(float)), "edges must be"),
    "edges: axes": (change("edges", lambda x: x.ravel()), "edges must be"),
    "edges: count": (change("edges", lambda x: x[1:]), "edges must have shape"),
    "edges: width": (change("edges", lambda x: x[:, 1:]), "edges must have shape"),
    "edges: far": (put("edges", (0, 0), 120), "edges: one of row 0 does not lead"),
    "edges: huge": (put("edges", (0, 0), NONE - 1), "edges: one of row 0 does not lead"),
    "edges: itself": (put("edges", (0, 0), 0), "edges: one of row 0 does not lead"),
    "edges: gap": (put_a_gap, "edges: those of row 3 have a gap"),
    "edges: reach": (cut_off_a_row, "cannot be reached from the start"),
    "vertices: dtype": (change("vertices", lambda x: x.astype(int)), "vertices must be"),
    "vertices: count": (change("vertices", lambda x: x[1:]), "vertices: expected one for each"),
    "vertices: later": (put("vertices", 0, 1), "vertices: that of row 0 is no earlier row"),
    "vertices: unequal": (put("vertices", 1, 0), "vertices: that of row 1 is no earlier row"),
    "vertices: huge": (put("vertices", 1, NONE), "vertices: that of row 1 is no earlier row"),
    "low: dtype": (change("low", lambda x: x.astype(float)), "low must be"),
    "low: count": (change("low", lambda x: x[1:]), "low|codes"),
    "low: more": (change("low", lambda x: np.append(x, x)), "low"),
    "low: NaN": (put("low", 0, np.nan), "low: one is not finite"),
    "codes: dtype": (change("codes", lambda x: x.astype(int)), "codes must be"),
    "codes: count": (change("codes", lambda x: x[1:]), "codes must have shape"),
    "codes: width": (change("codes", lambda x: x[:, 1:]), "codes must have shape"),
    "array missing": (lambda a, s: a.pop("edges"), r"missing \['edges'\]"),
    "array unknown": (lambda a, s: a.update(more=a["ids"]), r"not known \['more'\]"),
    "setting missing": (lambda a, s: s.pop("start"), r"missing \['start'\]"),
    "no dim": (lambda a, s: s.pop("dim"), r"missing \['dim'\]"),
    "setting unknown": (set_to(more=1), r"not known \['more'\]"),
    "type": (set_to(type="flat"), "type must be 'fanng', got 'flat'"),
    "dim: other": (set_to(dim=8), "vectors must have 8 columns"),
    "dim: huge": (set_to(dim=10**30), "dim must be in"),
    "dim: bool": (set_to(dim=True), "dim must be an int"),
    "dim: float": (set_to(dim=9.0), "dim must be an int"),
    "metric": (set_to(metric="l3"), "metric must be"),
    "metric: list": (set_to(metric=["l2"]), "metric must be"),
    "dtype": (set_to(dtype="float16"), "vectors must be a float16"),
    "dtype: table": (set_to(dtype={}), "dtype must be"),
    "max_degree": (set_to(max_degree=3), "max_degree must be"),
    "max_degree: huge": (set_to(max_degree=1 << 40), "max_degree must be"),
    "max_degree: float": (set_to(max_degree=30.0), "max_degree must be an int"),
    "max_degree: tight": (set_to(max_degree=4), "edges must have shape"),
    "built": (set_to(built=1), r"built, .*must be true or false"),
    "built: not": (set_to(built=False), "not known"),
    "coded": (set_to(coded=None), r"coded .*must be true or false"),
    "coded: not": (set_to(coded=False), "not known"),
    "exact": (set_to(exact=1), r"exact must be true or false"),
    "start: none": (set_to(start=-1), "start must be the number of a row"),
    "start: far": (set_to(start=120), "start must be the number of a row"),
    "start: huge": (set_to(start=2**70), "start must be an int in"),
    "start: float": (set_to(start=1.0), "start must be an int"),
    "bound: negative": (set_to(squared_bound=-1.0), "squared_bound must be in"),
    "bound: huge": (set_to(squared_bound=10**400), "squared_bound must be in"),
    "bound: NaN": (set_to(squared_bound=float("nan")), "squared_bound must be in"),
    "bound: text": (set_to(squared_bound="1"), "squared_bound must be in"),
    "checked": (set_to(checked=121), "checked must be at most"),
    "checked: negative": (set_to(checked=-1), "checked must be an int in"),
    "step: zero": (set_to(step=0.0), "step must be positive"),
    "step: text": (set_to(step="1"), "step must be"),
    "step: NaN": (set_to(step=float("nan")), "step must be"),
    "lift_places": (set_to(lift_places=2), "lift_places must be|codes must have"),
    "lift_places: huge": (set_to(lift_places=2**64), "lift_places must be an int"),
    "next_id": (set_to(next_id=-1), "next_id must be an int in"),
    "next_id: low": (set_to(next_id=0), "next_id"),
    "next_id: huge": (set_to(next_id=2**63), "next_id must be an int in"),
    "width": (set_to(width=0), "width must be"),
    "width: text": (set_to(width="x"), "width must be"),
}


def coded_by_hand(index):
    """Arrays and settings with codes, whether the build found them worth their bytes or not."""
    arrays, settings = index.arrays(), index.settings()
    low, codes = np.full(9, -4, np.float32), np.zeros((len(index), 32), np.uint8)
    codes[:, :9] = (index.vectors - low) * 2
    more = {"coded": True, "step": 0.5, "lift_places": 0, "exact": False}
    return arrays | {"low": low, "codes": codes}, settings | more


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_arrays_are_refused_by_name(name):
    forge, message = FORGERIES[name]
    arrays, settings = coded_by_hand(make(Fanng))
    same = Fanng.from_arrays(arrays, settings)  # right before the forgery
    assert same.settings() == settings
    np.testing.assert_array_equal(same.arrays()["codes"], arrays["codes"])
    forge(arrays, settings)
    with pytest.raises(ValueError, match=message):
        Fanng.from_arrays(arrays, settings)


def test_a_start_and_an_edge_at_a_row_that_repeats_another_are_refused():
    index = make(Fanng)
    arrays, settings = index.arrays(), index.settings()
    row = last_of_equals(index)
    with pytest.raises(ValueError, match="start must be the number of a row"):
        Fanng.from_arrays(arrays, settings | {"start": row})
    put("edges", (0, 0), row)(arrays, settings)
    with pytest.raises(ValueError, match="edges: one of row 0 does not lead"):
        Fanng.from_arrays(arrays, settings)


@pytest.mark.parametrize(
    ("metric", "dtype", "forge", "message"),
    [
        ("hamming", "bits", put("vectors", (2, 1), 1), "vectors row 2 has a padding bit set"),
        ("cosine", "float32", put("vectors", 2, 0.0), "vectors row 2 is not of length one"),
        ("ip", "float16", put("vectors", (2, 0), np.inf), "vectors row 2 holds NaN or infinity"),
    ],
)
@pytest.mark.parametrize("cls", [Fanng, Flat])
def test_forged_rows_of_other_formats_are_refused(cls, metric, dtype, forge, message):
    index = make(cls, metric, dtype)
    arrays, settings = index.arrays(), index.settings()
    forge(arrays, settings)
    with pytest.raises(ValueError, match=message):
        cls.from_arrays(arrays, settings)


def test_damage_is_told_with_the_section_and_the_byte(tmp_path):
    path = tmp_path / "a.index"
    index = make(Fanng)
    index.save(path)
    raw = bytearray(path.read_bytes())
    with path.open("rb") as file:
        sections = files.read_header(file, kind="index", version=2).sections
    assert {section.name for section in sections} == index.arrays().keys()
    for section in sections:
        damaged = raw.copy()
        damaged[section.offset] ^= 1
        path.write_bytes(damaged)
        message = rf"a.index: section '{section.name}' .*\(at byte {section.offset}\)"
        with pytest.raises(files.FileFormatError, match=message):
            Fanng.load(path)
        with pytest.raises(files.FileFormatError, match=message):
            Fanng.load(path, mmap=True, verify=True)
    path.write_bytes(raw[:-5])
    with pytest.raises(files.FileFormatError, match=r"truncated.*at byte"):
        Fanng.load(path, mmap=True)


def test_what_is_read_is_checked(tmp_path):
    make(Flat).save(tmp_path / "a.index")
    with pytest.raises(ValueError, match="verify must be True without mmap"):
        Flat.load(tmp_path / "a.index", verify=False)


@pytest.mark.parametrize("cls", [Flat, Fanng])
@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
def test_a_mapped_index_is_the_same_and_leaves_its_file_alone(tmp_path, cls, metric, dtype):
    index = make(cls, metric, dtype)
    path = tmp_path / "a.index"
    index.save(path)
    raw = path.read_bytes()
    mapped = cls.load(path, mmap=True)
    assert_same(mapped, index)
    queries = make_rows(np.random.default_rng(1), 20, 9, dtype)
    one, two = index.search(queries, 5), mapped.search(queries, 5)
    np.testing.assert_array_equal(one.ids, two.ids)
    np.testing.assert_array_equal(one.distances, two.distances)
    for each in (index, mapped):
        each.add(queries, np.arange(20) + 5000)
    assert_same(mapped, index)
    assert path.read_bytes() == raw
    path.unlink()  # or replaced
    np.testing.assert_array_equal(mapped.search(queries, 5).ids, index.search(queries, 5).ids)


@pytest.mark.parametrize("name", ["fanng", "ip", "hamming", "flat"])
def test_an_index_of_version_1_is_read_and_saved_in_the_present_one(tmp_path, name):
    old = Path(__file__).parent / "version1" / f"{name}.index"
    assert files.peek(old) == ("index", 1)
    index = load(old)
    arrays, settings = files.read(old, kind="index", version=1)
    assert (index.metric, index.dtype, len(index)) == (
        settings["metric"],
        settings["dtype"],
        len(arrays["ids"]),
    )
    np.testing.assert_array_equal(index.vectors, arrays["vectors"])
    np.testing.assert_array_equal(index.ids, arrays["ids"])
    expected = nearest(index.metric, index.vectors, index.vectors, index.ids, 5)
    found = index.search(index.vectors.copy(), 5)
    np.testing.assert_allclose(found.distances, expected[0], rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="cannot be mapped: load it without mmap and save it"):
        load(old, mmap=True)
    index.save(tmp_path / "new")
    assert files.peek(tmp_path / "new") == ("index", 2)
    assert_same(load(tmp_path / "new"), index)
    rows = index.vectors[:3].copy()
    index.add(rows, np.arange(3) + 3000)
    expected = nearest(index.metric, rows, index.vectors, index.ids, 5)
    np.testing.assert_array_equal(index.search(rows, 5).ids, expected[1])


@pytest.mark.parametrize(
    ("array", "change_", "message"),
    [
        ("degrees", lambda x: x + 30, "degrees"),
        ("degrees", lambda x: x[1:], "degrees"),
        ("degrees", lambda x: x * 0, "neighbours: degrees ask for 0 edges"),
        ("neighbours", lambda x: x[1:], "neighbours"),
        ("neighbours", lambda x: x + 60, "edges: one of row 0 does not lead"),
        ("neighbours", lambda x: x.astype(np.int64), "neighbours must be a uint32"),
        ("ids", lambda x: x[1:], "expected one for each of 59"),
        ("vectors", lambda x: x[1:], "expected one for each"),
    ],
)
def test_a_forged_index_of_version_1_is_refused(array, change_, message):
    old = Path(__file__).parent / "version1" / "fanng.index"
    arrays, settings = files.read(old, kind="index", version=1)
    Fanng.from_arrays(arrays, settings)
    arrays[array] = change_(arrays[array])
    with pytest.raises(ValueError, match=message):
        Fanng.from_arrays(arrays, settings)


FILES = int(os.environ.get("BITGROVE_EXAMPLES", "600"))
"""Damaged and forged files, of all formats together; tens of thousands find what hundreds miss."""


@pytest.mark.parametrize(
    ("cls", "metric", "dtype"),
    [
        (Fanng, "l2", "float32"),
        (Fanng, "l2", "uint8"),
        (Fanng, "ip", "float16"),
        (Fanng, "cosine", "float32"),
        (Fanng, "hamming", "bits"),
        (Flat, "l2", "float32"),
    ],
)
def test_damaged_and_forged_files_are_refused_or_can_be_used(tmp_path, cls, metric, dtype):
    path = tmp_path / "good.index"
    index = make(cls, metric, dtype)
    index.save(path)
    rng = np.random.default_rng(0)
    for record in range(3):
        index.add(make_rows(rng, 4, 9, dtype), np.arange(4) + 10 * record + 5000)
        index.save(path)
    program = Path(__file__).with_name("fuzz.py")
    ran = subprocess.run(
        [sys.executable, program, path, tmp_path / "bad.index", str(FILES // 6), "0"],
        capture_output=True,
        text=True,
        timeout=60 + FILES,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    counts = json.loads(ran.stdout)
    assert sum(counts.values()) == FILES // 6
    assert sum(number for what, number in counts.items() if "refused" in what) > FILES / 6 * 0.4
