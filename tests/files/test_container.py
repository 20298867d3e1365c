import json
import struct
from pathlib import Path

import numpy as np
import pytest

from bitgrove import files


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.grove"
    rng = np.random.default_rng(0)
    tensors = {
        "weights": rng.integers(0, 256, (8, 3, 3, 4), dtype=np.uint8),
        "scale": rng.standard_normal((2, 5)).astype(np.float32),
        "empty": np.zeros((0, 4), np.int64),
    }
    metadata = {"labels": ["été", "b"], "depth": 3, "nested": {"a": [1, 2.5, None]}}
    files.write(path, tensors, metadata, kind="grove", version=1)
    return path, tensors, metadata


def rewrite_header(path, edit):
    """Change the JSON header in place, as a hand-made hostile file would."""
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])
    edit(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


def test_what_was_written_is_read(saved):
    path, tensors, metadata = saved
    arrays, read_metadata = files.read(path, kind="grove", version=1)
    assert read_metadata == metadata
    assert arrays.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_the_same_content_gives_the_same_bytes(saved, tmp_path):
    path, tensors, metadata = saved
    again = tmp_path / "b.grove"
    files.write(again, dict(reversed(tensors.items())), metadata, kind="grove", version=1)
    assert again.read_bytes() == path.read_bytes()


def test_every_truncation_is_refused(saved):
    path, _, _ = saved
    raw = path.read_bytes()
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(files.FileFormatError, match="at byte"):
            files.read(path, kind="grove", version=1)


def test_every_flipped_bit_of_every_byte_is_refused(saved):
    path, _, _ = saved
    raw = path.read_bytes()
    for at in range(len(raw)):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        try:
            files.read(path, kind="grove", version=1)
        except files.FileFormatError:
            continue
        # The only bytes without meaning are the blanks that pad the header.
        assert raw[at : at + 1] == b" ", f"byte {at} was flipped unnoticed"


def test_a_damaged_tensor_is_named_with_its_bytes(saved):
    path, _, _ = saved
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(files.FileFormatError, match=r"tensor '\w+' \(bytes \d+ to \d+\)"):
        files.read(path, kind="grove", version=1)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda h: h["weights"].update(shape=[2**62, 4]), "cannot be read"),
        (lambda h: h["weights"].update(shape=[3, 8, 3, 4]), "does not match its checksum"),
        (lambda h: h["weights"].update(dtype="I8"), "does not match its checksum"),
        (lambda h: h["weights"].update(dtype="X9"), "cannot be read"),
        (lambda h: h["weights"].update(data_offsets=[0, 2**60]), "cannot be read"),
        (lambda h: h.update(weights=7), "not a table of tensors"),
        (lambda h: h.pop("__metadata__"), "no file of bitgrove"),
        (lambda h: h["__metadata__"].update(bitgrove="[" * 100_000), "nested too deeply"),
        (lambda h: h["__metadata__"].update(bitgrove="{}"), "lacks 'kind'"),
        (lambda h: h["__metadata__"].update(bitgrove="9" * 10_000), "no JSON"),
        (lambda h: h["__metadata__"].update(extra=[1]), "cannot be read"),
    ],
)
def test_a_forged_header_is_refused_with_the_reason(saved, edit, reason):
    path, _, _ = saved
    rewrite_header(path, edit)
    with pytest.raises(files.FileFormatError, match=reason):
        files.read(path, kind="grove", version=1)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "truncated: 0 bytes"),
        (struct.pack("<Q", 2**63) + b"{}", "claims 9223372036854775808 bytes"),
        (b"the quick brown fox", r"more than 67108864: this is no file of bitgrove \(at byte 0\)"),
        (struct.pack("<Q", 100) + b"{}", "claims 100 bytes of 2"),
        (struct.pack("<Q", 2) + b"[]", "no JSON object"),
        (struct.pack("<Q", 200_000) + b"[" * 200_000, "nested too deeply"),
        (struct.pack("<Q", 3) + b"\xff\xfe\x00", "no JSON"),
    ],
)
def test_a_file_that_is_no_container_is_refused(tmp_path, raw, reason):
    path = tmp_path / "x.grove"
    path.write_bytes(raw)
    with pytest.raises(files.FileFormatError, match=reason):
        files.read(path, kind="grove", version=1)


def test_another_kind_and_a_newer_version_are_refused(saved):
    path, tensors, metadata = saved
    with pytest.raises(files.FileFormatError, match="kind 'grove', not 'index'"):
        files.read(path, kind="index", version=1)
    files.write(path, tensors, metadata, kind="grove", version=2)
    with pytest.raises(files.FileFormatError, match="version 2 of the format"):
        files.read(path, kind="grove", version=1)


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(saved):
    path, _, _ = saved
    before = path.read_bytes()

    def fail_halfway():
        with files.replacing(path) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_replaced_file_keeps_its_permissions(saved):
    path, tensors, metadata = saved
    path.chmod(0o640)
    files.write(path, tensors, metadata, kind="grove", version=1)
    assert path.stat().st_mode & 0o777 == 0o640


def test_metadata_that_json_cannot_hold_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write(tmp_path / "a", {}, {"x": float("nan")}, kind="grove", version=1)
    assert list(tmp_path.iterdir()) == []


def test_big_endian_arrays_are_stored_and_complex_ones_refused(tmp_path):
    path = tmp_path / "a"
    files.write(path, {"x": np.arange(5, dtype=">f4")}, {}, kind="grove", version=1)
    arrays, _ = files.read(path, kind="grove", version=1)
    np.testing.assert_array_equal(arrays["x"], np.arange(5, dtype=np.float32))
    with pytest.raises(TypeError, match="tensor 'z' is of complex128"):
        files.write(path, {"z": np.zeros(2, complex)}, {}, kind="grove", version=1)


def test_a_place_that_cannot_be_written_is_named_as_it_was_given(tmp_path):
    long = tmp_path / ("n" * 250)
    cases = [
        (tmp_path / "no" / "a", FileNotFoundError, "no such folder to write to: '.*/no'$"),
        (tmp_path, IsADirectoryError, "is a folder; name a file in it: "),
        (Path("/dev/null"), ValueError, "^/dev/null is no ordinary file"),
        (long, OSError, "File name too long: '.*/n{250}'$"),
    ]
    for path, error, message in cases:
        with pytest.raises(error, match=message):
            files.write(path, {}, {}, kind="grove", version=1)
        if path is not long:  # what is written beside it has a longer name
            with pytest.raises(error, match=message):
                files.check_writable(path)
    files.check_writable(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
