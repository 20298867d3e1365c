"""The log: what was acknowledged stays, whatever a crash leaves; damage is told from that."""

import io
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from bitgrove import files

PAYLOADS = [b"first", bytes(5000), b"third" * 100, b"4"]
BASE = 8192


def tail_of(raw):
    header = files.read_header(io.BytesIO(raw), kind="index", version=2)
    return files.Tail(header.identity, header.end)


def start(path):
    """A file with sections and no log."""
    with path.open("wb") as file:
        arrays = {"x": np.arange(9)}
        header = files.write_sections(file, arrays, {}, kind="index", version=2)
    assert header.end == BASE
    return files.Tail(header.identity, header.end)


def append(path, tail, payload):
    with files.locked(path, "append") as handle:
        return files.append_record(handle, tail, payload)


def records(raw):
    return files.read_log(io.BytesIO(raw), tail_of(raw))[0]


@pytest.fixture
def log(tmp_path):
    """A file with four records, and where each ends."""
    path = tmp_path / "log"
    tail = start(path)
    ends = [tail.end]
    for payload in PAYLOADS:
        tail = append(path, tail, payload)
        ends.append(tail.end)
    return path, ends


def test_records_come_back_in_order_and_the_tail_with_them(log):
    path, ends = log
    raw = path.read_bytes()
    assert records(raw) == PAYLOADS
    assert [end % 4096 for end in ends] == [0] * 5
    _, tail = files.read_log(io.BytesIO(raw), tail_of(raw))
    assert (tail.end, tail.sequence) == (ends[-1], 5)
    append(path, tail, b"fifth")
    assert records(path.read_bytes()) == [*PAYLOADS, b"fifth"]


def test_the_same_records_give_the_same_bytes(log, tmp_path):
    path, _ = log
    tail = start(tmp_path / "again")
    for payload in PAYLOADS:
        tail = append(tmp_path / "again", tail, payload)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_log_that_is_cut_anywhere_loses_the_cut_record_only(log):
    path, ends = log
    raw = path.read_bytes()
    for length in (*range(BASE, ends[-2], 7), *range(ends[-2], len(raw) + 1)):
        whole = sum(length >= end for end in ends[1:])
        assert records(raw[:length]) == PAYLOADS[:whole], length


def test_any_damage_before_the_end_is_an_error_that_names_the_record(log):
    path, ends = log
    raw = path.read_bytes()
    for at in range(BASE, ends[-1], 5):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << at % 8
        record = sum(at >= end for end in ends)
        with pytest.raises(files.FileFormatError) as error:
            records(bytes(damaged))
        assert f"record {record} of the log does not match" in str(error.value)
        assert f"at byte {ends[record - 1]})" in str(error.value)


def test_damage_behind_the_last_record_is_passed_over(log):
    path, ends = log
    raw = path.read_bytes()
    assert len(raw) == ends[-1] + 64
    for at in range(ends[-1], len(raw)):
        damaged = bytearray(raw)
        damaged[at] ^= 0x81
        assert records(bytes(damaged)) == PAYLOADS
    assert records(raw + os.urandom(10_000)) == PAYLOADS


@pytest.mark.parametrize("junk", [b"", b"\x93LOG", bytes(4096), b"\xff" * 9000])
def test_a_record_goes_over_what_a_crash_left(log, junk):
    path, ends = log
    raw = path.read_bytes()[: ends[-1]] + junk
    path.write_bytes(raw)
    _, tail = files.read_log(io.BytesIO(raw), tail_of(raw))
    append(path, tail, b"next")
    assert records(path.read_bytes()) == [*PAYLOADS, b"next"]
    assert len(path.read_bytes()) == ends[-1] + 4096 + 64


def test_a_record_of_another_log_is_refused(log, tmp_path):
    path, ends = log
    raw = path.read_bytes()
    cut = raw[:BASE] + raw[ends[1] :]
    with pytest.raises(files.FileFormatError, match=r"number 2 of another log, expected 1"):
        records(cut)
    tail = files.Tail(bytes(16), BASE)
    append(path, tail, b"of other sections")
    with pytest.raises(files.FileFormatError, match="of another log"):
        records(path.read_bytes())


def test_a_log_knows_whether_it_was_appended_to_or_shortened(log):
    path, ends = log
    raw = path.read_bytes()
    _, tail = files.read_log(io.BytesIO(raw), tail_of(raw))
    longer = path.parent / "longer"
    longer.write_bytes(raw)
    append(longer, tail, b"more")
    torn = longer.read_bytes()[: ends[-1] + 90]
    for same in (raw, raw[: ends[-1]], torn):
        assert files.is_at(io.BytesIO(same), tail)
    other = raw[: ends[2]] + raw[ends[3] :]
    for changed in (longer.read_bytes(), raw[: ends[-2]], raw[: ends[-1] - 1], raw[:BASE], other):
        assert not files.is_at(io.BytesIO(changed), tail)


def test_a_record_that_fails_is_taken_back(log, monkeypatch):
    path, ends = log
    raw = path.read_bytes()
    _, tail = files.read_log(io.BytesIO(raw), tail_of(raw))
    write = os.pwrite
    room = 5000

    def fill_the_disk(handle, content, at):
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        written = write(handle, content[:room], at)
        room -= written
        return written

    monkeypatch.setattr(os, "pwrite", fill_the_disk)
    with pytest.raises(OSError, match=r"No space left on device: '.*/log'"):
        append(path, tail, bytes(9000))
    monkeypatch.undo()
    assert path.read_bytes() == raw[: ends[-1]]
    append(path, tail, b"next")
    assert records(path.read_bytes()) == [*PAYLOADS, b"next"]


class Disk:
    """Records writes, truncations and flushes, to replay what a power cut may leave of them."""

    def __init__(self, monkeypatch):
        self.events = []
        for name in ("pwrite", "ftruncate", "fsync"):
            monkeypatch.setattr(os, name, self.recorder(name, getattr(os, name)))

    def recorder(self, name, function):
        def record(handle, *arguments):
            kept = [bytes(a) if isinstance(a, memoryview) else a for a in arguments]
            self.events.append((name, *kept))
            return function(handle, *arguments)

        return record


def apply(image, event):
    match event:
        case ("pwrite", content, at):
            image.extend(bytes(max(0, at + len(content) - len(image))))
            image[at : at + len(content)] = content
        case ("ftruncate", size):
            del image[size:]
            image.extend(bytes(size - len(image)))


def in_sectors(event):
    """A write as the pieces that reach the disk one by one."""
    if event[0] != "pwrite":
        return [event]
    _, content, at = event
    return [("pwrite", content[i : i + 512], at + i) for i in range(0, len(content), 512)]


def test_a_power_cut_loses_nothing_acknowledged(tmp_path, monkeypatch):
    """Whatever part of the writes since the last flush reaches the disk, and in whatever order."""
    path = tmp_path / "log"
    tail = start(path)
    disk = Disk(monkeypatch)
    acknowledged = []  # events so far when each record was
    payloads = []
    for i in range(5):
        payloads.append(bytes([65 + i]) * (700 * i + 1))
        tail = append(path, tail, payloads[-1])
        last_flush = max(at for at, event in enumerate(disk.events) if event[0] == "fsync")
        acknowledged.append(last_flush + 1)
        if i == 2:  # what the crash of another left: taken away by the next record
            with path.open("r+b") as file:
                os.pwrite(file.fileno(), os.urandom(7000), tail.end)
    monkeypatch.undo()
    rng = np.random.default_rng(0)
    base = path.read_bytes()[:BASE]
    durable, waiting = bytearray(base), []
    outcomes = set()
    for done in range(len(disk.events) + 1):
        least = sum(done >= count for count in acknowledged)
        for trial in range(40):
            image = bytearray(durable)
            pieces = [piece for event in waiting for piece in in_sectors(event)]
            chance = (0.0, 1.0, 0.5, 0.9)[trial % 4]
            for piece in pieces:
                if rng.random() < chance:
                    apply(image, piece)
            found = records(bytes(image))
            assert found == payloads[: len(found)]
            assert least <= len(found) <= least + 1
            outcomes.add((len(found) - least, len(pieces) > 0))
        if done < len(disk.events):
            waiting.append(disk.events[done])
            if disk.events[done][0] == "fsync":
                for event in waiting:
                    apply(durable, event)
                waiting = []
    assert outcomes == {(0, False), (0, True), (1, True)}  # whole, torn, and whole but not told


def test_who_waits_for_a_file_that_is_replaced_gets_the_new_one(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    found = []

    def wait():
        with files.locked(path, "append") as handle:
            found.append(os.pread(handle, 9, 0))

    thread = threading.Thread(target=wait)
    with files.locked(path, "replace"):
        thread.start()
        thread.join(0.2)
        assert not found
        with files.replacing(path) as file:
            file.write(b"new")
    thread.join(10)
    assert found == [b"new"]


def test_readers_share_the_lock_and_a_map_does_not_keep_it(tmp_path):
    path = tmp_path / "a"
    start(path)
    with files.locked(path, "read") as one, files.locked(path, "read") as two:
        assert one != two
        with open(one, "rb", closefd=False) as file:
            header = files.read_header(file, kind="index", version=2)
            arrays = files.map_arrays(file, header)
    lock = "import sys; from bitgrove import files; files.locked(sys.argv[1], 'append').__enter__()"
    subprocess.run([sys.executable, "-c", lock, path], check=True, timeout=20)
    assert arrays["x"].tolist() == list(range(9))


def test_a_missing_file_and_a_failing_block_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'.*/no'"), files.locked(tmp_path / "no", "read"):
        pass
    (tmp_path / "a").touch()
    with (
        pytest.raises(OSError, match=r"disk on fire: '.*/a'"),
        files.locked(tmp_path / "a", "append"),
    ):
        raise OSError(5, "disk on fire")
