import numpy as np
import pytest

from bitgrove.data import DataError, load_sift


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path))
    (tmp_path / "sift").mkdir()
    for name, rows in (("base", 5), ("learn", 3), ("query", 2)):
        np.save(tmp_path / "sift" / f"{name}.npy", np.full((rows, 128), rows, np.uint8))
    return tmp_path / "sift"


def test_each_part_comes_from_its_file(folder):
    found = load_sift()
    assert [len(part) for part in found] == [5, 3, 2]
    assert [int(part[0, 0]) for part in (found.base, found.learn, found.query)] == [5, 3, 2]


def test_what_is_missing_is_named_with_the_way_to_make_it(folder):
    (folder / "learn.npy").unlink()
    with pytest.raises(DataError, match=r"sift lacks learn.npy; make_sift.py"):
        load_sift()


@pytest.mark.parametrize(
    "rows", [np.zeros((2, 128), np.float32), np.zeros((2, 64), np.uint8), np.zeros((0, 128), "u1")]
)
def test_other_arrays_are_refused(folder, rows):
    np.save(folder / "query.npy", rows)
    with pytest.raises(DataError, match=r"query.npy must hold uint8 descriptors"):
        load_sift()


def test_a_damaged_file_is_refused(folder):
    (folder / "base.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"base.npy is damaged"):
        load_sift()
