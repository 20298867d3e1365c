"""Saving again appends what changed, and loading does it again."""

import copy
import multiprocessing
import os
import pickle
import threading

import numpy as np
import pytest

from bitgrove import files
from bitgrove.search import Fanng, Flat, load

from .indexes import assert_same, make
from .oracles import FORMATS, make_rows


def more(rng, count, dtype="float32", dim=9):
    return make_rows(rng, count, dim, dtype)


def content(index, tmp_path):
    """The bytes of a file that holds the index and has no log."""
    copy.copy(index).save(tmp_path / "content", rewrite=True)
    return (tmp_path / "content").read_bytes()


def base_of(path):
    with path.open("rb") as file:
        return files.read_header(file, kind="index", version=2).end


@pytest.mark.parametrize("cls", [Flat, Fanng])
@pytest.mark.parametrize(("metric", "dtype"), FORMATS)
def test_a_file_with_a_log_gives_the_index_that_was_saved_to_the_last_bit(
    tmp_path, cls, metric, dtype
):
    rng = np.random.default_rng(1)
    path = tmp_path / "a"
    index = make(cls, metric, dtype)
    index.save(path)
    base, whole = base_of(path), path.read_bytes()
    following = 2000
    for save in range(3):
        for count in rng.integers(1, 9, 3):
            index.add(more(rng, count, dtype), np.arange(count) + following)
            following += count
        index.save(path)
        assert base_of(path) == base
        assert path.read_bytes()[:base] == whole
        assert os.path.getsize(path) == base + 4096 * (save + 1) + 64  # noqa: PTH202
        for mmap in (False, True):
            again = cls.load(path, mmap)
            assert_same(again, index)
            assert content(again, tmp_path) == content(index, tmp_path)


def test_rows_under_running_numbers_come_back_under_them(tmp_path):
    rng = np.random.default_rng(0)
    index = Flat(9)
    index.add(more(rng, 5))
    index.save(tmp_path / "a")
    index.add(more(rng, 3))
    index.save(tmp_path / "a")
    again = Flat.load(tmp_path / "a")
    again.add(more(rng, 2))
    assert again.ids.tolist() == list(range(10))


def test_a_log_past_a_tenth_of_the_file_is_folded_into_it(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a"
    index = Flat(100)
    index.add(more(rng, 5000, dim=100))
    index.save(path)
    base = base_of(path)
    assert base > 2_000_000
    sizes = []
    while base_of(path) == base:
        index.add(more(rng, 90, dim=100))
        index.save(path)
        sizes.append(path.stat().st_size)
    assert_same(Flat.load(path), index)
    assert path.stat().st_size == base_of(path)
    assert base * 1.07 < sizes[-2] <= base * 1.1 + 64
    assert len(sizes) == 6


def test_more_rows_than_a_log_takes_are_not_kept_twice(tmp_path):
    rng = np.random.default_rng(0)
    index = Flat(100)
    index.save(tmp_path / "a")
    index.add(more(rng, 100, dim=100))
    assert index._storage._pending
    index.add(more(rng, 200, dim=100))
    assert index._storage._pending is None
    index.save(tmp_path / "a")
    assert (tmp_path / "a").stat().st_size == base_of(tmp_path / "a")
    assert_same(Flat.load(tmp_path / "a"), index)


def test_a_new_graph_and_another_place_are_written_whole(tmp_path):
    rng = np.random.default_rng(0)
    one, two = tmp_path / "one", tmp_path / "two"
    index = make(Fanng)
    index.save(one)
    index.build(seed=5)
    index.save(one)
    assert one.stat().st_size == base_of(one)
    index.add(more(rng, 2), np.array([5000, 5001]))
    index.save(two)
    assert two.stat().st_size == base_of(two)
    index.add(more(rng, 2), np.array([6000, 6001]))
    index.save(two)
    assert two.stat().st_size > base_of(two)
    index.save(one)  # no longer its file: replaced
    assert one.stat().st_size == base_of(one)
    assert_same(Fanng.load(one), Fanng.load(two))


def test_saving_what_did_not_change_leaves_the_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "a"
    index = make(Fanng)
    index.save(path)
    before = path.stat()
    index.save(path)
    again = Fanng.load(path)
    again.save(str(path))
    monkeypatch.chdir(tmp_path)
    again.save("a")
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_refused_change_is_not_kept_and_a_caller_may_reuse_arrays(tmp_path):
    rows, ids = np.ones((2, 9), np.float32), np.array([5000, 5001])
    index = make(Flat)
    index.save(tmp_path / "a")
    with pytest.raises(ValueError, match="unique"):
        index.add(rows, np.array([5000, 5000]))
    index.add(rows, ids)
    rows[:], ids[:] = 7, 7
    index.save(tmp_path / "a")
    again = Flat.load(tmp_path / "a")
    assert_same(again, index)
    assert again.ids[-2:].tolist() == [5000, 5001]
    assert (again.vectors[-2:] == 1).all()


def test_what_another_wrote_is_never_undone(tmp_path):
    path = tmp_path / "a"
    make(Flat).save(path)
    one, two, three = (Flat.load(path) for _ in range(3))
    row = np.ones((1, 9), np.float32)
    one.add(row, np.array([5000]))
    one.save(path)
    two.add(row, np.array([6000]))
    before = path.read_bytes()
    for changed in (two, three):  # also one with nothing to add, and one that would write it whole
        with pytest.raises(files.FileChangedError, match="load it again, save to another path"):
            changed.save(path)
    two.add(np.ones((3000, 9), np.float32), np.arange(3000) + 10_000)
    assert two._storage._pending is None
    with pytest.raises(files.FileChangedError, match="a was changed since"):
        two.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    two.save(path, rewrite=True)
    assert_same(Flat.load(path), two)
    with pytest.raises(files.FileChangedError):
        one.save(path)
    path.write_bytes(b"something else")
    with pytest.raises(files.FileChangedError):
        two.save(path)
    path.unlink()
    two.save(path)
    assert_same(Flat.load(path), two)


def test_a_copy_has_no_file_of_its_own(tmp_path):
    index = make(Fanng)
    index.save(tmp_path / "a")
    for copied in (copy.deepcopy(index), pickle.loads(pickle.dumps(index))):
        assert copied._storage._home is None
        copied.add(np.ones((1, 9), np.float32), np.array([5000]))
        assert_same(Fanng.load(tmp_path / "a"), index)
    assert 5000 not in index.ids


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to("there")
    index = make(Flat)
    index.save(tmp_path / "link")
    index.add(np.ones((1, 9), np.float32), np.array([5000]))
    index.save(tmp_path / "there")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").stat().st_size > base_of(tmp_path / "there")
    assert_same(Flat.load(tmp_path / "link"), index)


def test_a_save_that_finds_the_disk_full_is_made_up_for_by_the_next(tmp_path, monkeypatch):
    path = tmp_path / "a"
    index = make(Fanng)
    index.save(path)
    before = path.read_bytes()
    index.add(np.ones((1, 9), np.float32), np.array([5000]))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/a'"):
        index.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    index.add(np.ones((1, 9), np.float32), np.array([5001]))
    index.save(path)
    assert base_of(path) == len(before) < path.stat().st_size
    assert_same(Fanng.load(path), index)


def test_a_file_cut_anywhere_in_its_last_record_is_the_one_before(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a"
    index = make(Flat, n=20)
    states, ends = [], []
    for i in range(3):
        index.save(path)
        states.append(copy.deepcopy(index))
        ends.append(path.stat().st_size)
        index.add(more(rng, 3), np.arange(3) + 10 * i + 5000)
    raw = path.read_bytes()
    last = ends[1] - 64
    for length in (*range(last, last + 500, 5), *range(last + 500, len(raw) - 64, 99)):
        path.write_bytes(raw[:length])
        assert_same(Flat.load(path), states[1])
    cut = Flat.load(path)
    cut.add(more(rng, 1), np.array([7000]))
    cut.save(path)
    assert_same(Flat.load(path), cut)
    path.write_bytes(raw)
    assert_same(Flat.load(path), states[2])


def test_a_damaged_record_before_the_end_is_an_error_with_its_byte(tmp_path):
    path = tmp_path / "a"
    index = make(Flat)
    index.save(path)
    for id_ in (5000, 5001):
        index.add(np.ones((1, 9), np.float32), np.array([id_]))
        index.save(path)
    raw = bytearray(path.read_bytes())
    base = base_of(path)
    raw[base + 100] ^= 4
    path.write_bytes(raw)
    with pytest.raises(
        files.FileFormatError, match=rf"a: record 1 of the log .*\(at byte {base}\)"
    ):
        Flat.load(path)


@pytest.mark.parametrize("kind", [Flat, Fanng])
def test_a_change_of_no_rows_is_kept_and_read(kind, tmp_path):
    path = tmp_path / "a"
    index = make(kind)
    index.save(path)
    index.add(np.empty((0, 9), np.float32))
    index.update(np.empty(0, np.int64), np.empty((0, 9), np.float32))
    index.remove(np.empty(0, np.int64))
    index.save(path)
    assert_same(kind.load(path), index)


def test_threads_that_add_while_one_saves_lose_nothing(tmp_path, monkeypatch):
    appended = []

    def append(handle, tail, payload):
        appended.append(len(payload))
        return append_record(handle, tail, payload)

    append_record = files.append_record
    monkeypatch.setattr(files, "append_record", append)
    path = tmp_path / "a"
    index = Flat(4)
    index.save(path)
    done = threading.Event()

    def add(first):
        for i in range(40):
            index.add(np.full((1, 4), i, np.float32), np.array([first + i]))

    def save():
        while not done.is_set():
            index.save(path)

    saver = threading.Thread(target=save)
    adders = [threading.Thread(target=add, args=(1000 * i,)) for i in range(3)]
    for thread in (saver, *adders):
        thread.start()
    for thread in adders:
        thread.join()
    done.set()
    saver.join()
    index.save(path)
    assert len(index) == 120
    assert appended  # the log was used, whether or not the file was written anew later
    assert_same(Flat.load(path), index)


def search_and_save(index, path, found):
    found.put(index.search(index.vectors[:9], 3, threads=2).ids.tolist())
    index.add(np.ones((1, 9), np.float32), np.array([5000]))
    index.save(path)


@pytest.mark.parametrize("mmap", [False, True])
def test_a_forked_child_searches_and_saves_and_the_parent_is_told(tmp_path, mmap):
    path = tmp_path / "a"
    make(Fanng).save(path)
    index = Fanng.load(path, mmap)
    expected = index.search(index.vectors[:9], 3, threads=2).ids.tolist()
    fork = multiprocessing.get_context("fork")
    found = fork.SimpleQueue()
    child = fork.Process(target=search_and_save, args=(index, path, found))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert found.get() == expected
    assert 5000 in load(path).ids
    assert 5000 not in index.ids
    with pytest.raises(files.FileChangedError):
        index.save(path)


def operation(kind, count, *parts):
    head = kind.to_bytes(4, "little") + bytes(4) + count.to_bytes(8, "little")
    whole = head + b"".join(parts)
    return whole + bytes(-len(whole) % 8)


ID, ROW = np.array([5000]).tobytes(), np.ones(9, np.float32).tobytes()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"1234567", "an operation needs 16 bytes, 7 are left"),
        (operation(0, 1, ID, ROW), "unknown operation 0"),
        (operation(77, 1, ID, ROW), "unknown operation 77"),
        (b"\1\0\0\0\1" + operation(1, 1, ROW)[5:], "unknown operation 1"),
        (operation(2, 2, ID, ROW), "claims 88 bytes, 48 are left"),
        (operation(2, 2**64 - 1, ID, ROW), "an operation claims"),
        (operation(1, 2**62, ID, ROW), "an operation claims"),
        (operation(2, 1, np.array([-1]).tobytes(), ROW), "id -1 is"),
        (operation(2, 1, ID, np.full(9, np.nan, np.float32).tobytes()), "holds NaN"),
        (operation(2, 1, ID, ROW) * 2, "unique"),
        (operation(5, 2, b"[]"), "must be a JSON object"),
        (operation(5, 2, b"{ "), "are no JSON"),
        (operation(5, 200_000, b"[" * 200_000), "nested too deeply"),
    ],
    ids=lambda value: value if isinstance(value, str) else "record",
)
def test_forged_records_with_right_checksums_are_refused(tmp_path, record, reason):
    path = tmp_path / "a"
    make(Fanng).save(path)

    def append(payload):
        with files.locked(path, "append") as handle, path.open("rb") as file:
            header = files.read_header(file, kind="index", version=2)
            _, tail = files.read_log(file, files.Tail(header.identity, header.end))
            files.append_record(handle, tail, payload)

    append(operation(2, 1, np.array([4000]).tobytes(), ROW))
    assert 4000 in Fanng.load(path).ids  # the forger's hand is good
    append(record)
    with pytest.raises(files.FileFormatError, match=rf"a: record 2 of the log.*({reason})"):
        Fanng.load(path)
