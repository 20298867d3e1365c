import copy
import json
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from bitgrove import files
from bitgrove.search import Fanng, Flat

from .indexes import assert_same, make
from .oracles import FORMATS, make_rows


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


def swap_first_edges(arrays, settings):
    arrays["neighbours"] = np.concatenate(
        [arrays["neighbours"][:2][::-1], arrays["neighbours"][2:]]
    )


def cut_off_a_row(arrays, settings):
    lost = int(np.flatnonzero(arrays["degrees"])[-1])
    assert lost != settings["start"]
    lists = np.split(arrays["neighbours"], np.cumsum(arrays["degrees"])[:-1])
    lists = [ends[ends != lost] for ends in lists]
    arrays["degrees"] = np.array([len(ends) for ends in lists], np.uint32)
    arrays["neighbours"] = np.concatenate(lists)


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
    "ids: negative": (put("ids", 0, -5), "id -5 is negative"),
    "degrees: dtype": (change("degrees", lambda x: x.astype(np.int64)), "degrees must be"),
    "degrees: count": (change("degrees", lambda x: x[1:]), "degrees: expected one for each"),
    "degrees: limit": (put("degrees", 0, 31), "degrees: that of row 0 is 31, above max_degree"),
    "degrees: huge": (put("degrees", 0, 2**32 - 1), "above max_degree"),
    "degrees: sum": (put("degrees", 0, 0), "neighbours: degrees ask for"),
    "neighbours: dtype": (change("neighbours", lambda x: x.astype(float)), "neighbours must be"),
    "neighbours: more": (change("neighbours", lambda x: np.append(x, x)), "degrees ask for"),
    "neighbours: far": (put("neighbours", 0, 120), "neighbours: one of row 0 is not"),
    "neighbours: huge": (put("neighbours", 0, 2**32 - 1), "neighbours: one of row 0 is not"),
    "neighbours: itself": (put("neighbours", 0, 0), "neighbours: one of row 0 is not"),
    "neighbours: duplicate": (put("neighbours", 0, 119), "neighbours: one of row 0 is not"),
    "neighbours: order": (swap_first_edges, "not in order of distance"),
    "neighbours: reach": (cut_off_a_row, "cannot be reached from the start"),
    "array missing": (lambda a, s: a.pop("degrees"), r"missing \['degrees'\]"),
    "array unknown": (lambda a, s: a.update(more=a["ids"]), r"not known \['more'\]"),
    "setting missing": (lambda a, s: s.pop("start"), r"missing \['start'\]"),
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
    "max_degree: tight": (set_to(max_degree=4), "above max_degree"),
    "built": (set_to(built=1), "built must be true or false"),
    "built: not": (set_to(built=False), "not known"),
    "start: negative": (set_to(start=-1), "start must be the number of a row"),
    "start: far": (set_to(start=120), "start must be the number of a row"),
    "start: duplicate": (set_to(start=119), "start must be the number of a row"),
    "start: huge": (set_to(start=2**70), "start must be an int in"),
    "start: float": (set_to(start=1.0), "start must be an int"),
    "bound: negative": (set_to(squared_bound=-1.0), "squared_bound must be in"),
    "bound: huge": (set_to(squared_bound=10**400), "squared_bound must be in"),
    "bound: NaN": (set_to(squared_bound=float("nan")), "squared_bound must be in"),
    "bound: text": (set_to(squared_bound="1"), "squared_bound must be in"),
    "checked": (set_to(checked=121), "checked must be at most"),
    "checked: negative": (set_to(checked=-1), "checked must be an int in"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_arrays_are_refused_by_name(tmp_path, name):
    forge, message = FORGERIES[name]
    index = make(Fanng)
    assert index.settings()["start"] not in (0, 119)
    arrays, settings = index.arrays(), index.settings()
    assert_same(Fanng.from_arrays(arrays, settings), index)  # right before the forgery
    forge(arrays, settings)
    with pytest.raises(ValueError, match=message):
        Fanng.from_arrays(arrays, settings)


@pytest.mark.parametrize(
    ("metric", "dtype", "forge", "message"),
    [
        ("hamming", "bits", put("vectors", (2, 1), 1), "vectors row 2 has a padding bit set"),
        ("cosine", "float32", put("vectors", 2, 0.0), "vectors row 2 is not of length one"),
        ("ip", "float16", put("vectors", (2, 0), np.inf), "vectors row 2 holds NaN or infinity"),
        ("ip", "float32", set_to(squared_bound=1e12), "not in order of distance"),
    ],
)
@pytest.mark.parametrize("cls", [Fanng, Flat])
def test_forged_rows_of_other_formats_are_refused(cls, metric, dtype, forge, message):
    index = make(cls, metric, dtype)
    arrays, settings = index.arrays(), index.settings()
    forge(arrays, settings)
    if cls is Flat and "order" in message:
        message = "not known"
    with pytest.raises(ValueError, match=message):
        cls.from_arrays(arrays, settings)


CORRUPT = """
import random, sys, zlib
import numpy as np
from bitgrove import files
from bitgrove.search import Fanng

source, target = sys.argv[1:]
good = open(source, "rb").read()
index = Fanng.load(source)
arrays, settings = index.arrays(), index.settings()
rng = random.Random(0)
outcomes = {"refused": 0, "same": 0, "loaded": 0}


def same(other):
    ours, theirs = index.arrays(), other.arrays()
    return other.settings() == settings and all(
        np.array_equal(ours[name], theirs[name]) for name in ours)


def outcome():
    try:
        return "same" if same(loaded := Fanng.load(target)) else "loaded"
    except ValueError as error:
        assert str(error), "an error without a message"
        return "refused"


def damaged(kind):
    data = bytearray(good)
    if kind == 0:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[rng.randrange(len(data)):]
    elif kind == 2:
        start = rng.randrange(len(data))
        for i in range(start, min(len(data), start + rng.randrange(1, 64))):
            data[i] = rng.randrange(256)
    elif kind == 3:
        data[rng.randrange(8)] = rng.randrange(256)
    else:
        data += bytes(rng.randrange(256) for _ in range(rng.randrange(1, 20)))
    return bytes(data)


for i in range(350):
    open(target, "wb").write(damaged(i % 5))
    found = outcome()
    assert found != "loaded", i
    outcomes[found] += 1

# Whole files with right checksums and one value of the content changed at random.
for i in range(200):
    forged = {name: array.copy() for name, array in arrays.items()}
    told = dict(settings)
    kind = i % 4
    if kind == 0:
        name = rng.choice(sorted(forged))
        raw = forged[name].reshape(-1).view(np.uint8)
        raw[rng.randrange(raw.size)] ^= 1 << rng.randrange(8)
    elif kind == 1:
        name = rng.choice(["degrees", "neighbours"])
        forged[name][rng.randrange(forged[name].size)] = rng.randrange(2**32)
    elif kind == 2:
        name = rng.choice(["dim", "max_degree", "start", "checked", "squared_bound"])
        values = [-1, 0, 1, 2**31, 2**32 - 1, 2**63, 10**50, 1e300, -0.5, None, [], "x"]
        told[name] = rng.choice(values)
    else:
        name = rng.choice(sorted(forged))
        count = rng.choice([0, 1, len(forged[name]) - 1])
        forged[name] = forged[name][:count]
    files.write(target, forged, told, kind="index", version=1)
    found = outcome()
    outcomes[found] += 1
    if found == "loaded":  # harmless changes: another id, or a vector moved a little
        loaded = Fanng.load(target)
        result = loaded.search(loaded.vectors, 3)
        assert (result.ids[:, 0] >= 0).all()
        loaded.add(loaded.vectors + 1, np.arange(len(loaded)) + 10**12)
print(outcomes)
"""


def test_550_damaged_files_are_refused_or_harmless(tmp_path):
    make(Fanng).save(tmp_path / "good.index")
    limited = "import resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            limited + textwrap.dedent(CORRUPT),
            tmp_path / "good.index",
            tmp_path / "bad.index",
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    outcomes = json.loads(ran.stdout.replace("'", '"'))
    assert outcomes["refused"] > 400, outcomes
    assert sum(outcomes.values()) == 550


def test_a_damaged_file_is_told_from_a_forged_one_by_position(tmp_path):
    index = make(Fanng)
    index.save(tmp_path / "a.index")
    data = (tmp_path / "a.index").read_bytes()
    (tmp_path / "a.index").write_bytes(data[:-5])
    with pytest.raises(files.FileFormatError, match="byte"):
        Fanng.load(tmp_path / "a.index")
