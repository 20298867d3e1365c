import hashlib
import io
import json
import zlib

import numpy as np
import pytest

from bitgrove import files

ARRAYS = {
    "rows": np.arange(35, dtype=np.float32).reshape(7, 5),
    "none": np.zeros((0, 4), np.int64),
    "bytes": np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8),
    "one": np.array(7, np.uint16),
}
SETTINGS = {"name": "été", "nested": {"a": [1, 2.5, None]}}


def written(arrays=ARRAYS):
    file = io.BytesIO()
    files.write_sections(file, arrays, SETTINGS, kind="index", version=2)
    return file.getvalue()


def read(raw):
    file = io.BytesIO(raw)
    header = files.read_header(file, kind="index", version=2)
    return files.read_arrays(file, header), header.metadata


def with_header(raw, edit):
    """Change the JSON header as a hostile hand would: with checksums that fit."""
    head = json.loads(raw[64 : 64 + int.from_bytes(raw[16:24], "little")])
    edit(head)
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return with_text(raw, text)


def with_text(raw, text, *, length=None, end=None):
    start = 64 + int.from_bytes(raw[16:24], "little")
    text = text.ljust(-(-(64 + len(text)) // 4096) * 4096 - 64)
    whole = 64 + len(text) + len(raw) - start
    preamble = (
        raw[:16]
        + (len(text) if length is None else length).to_bytes(8, "little")
        + (whole if end is None else end).to_bytes(8, "little")
        + hashlib.blake2b(text, digest_size=16).digest()
        + bytes(12)
    )
    return preamble + zlib.crc32(preamble).to_bytes(4, "little") + text + raw[start:]


def test_what_was_written_is_read():
    arrays, settings = read(written())
    assert settings == SETTINGS
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
    assert written() == written()


def test_sections_begin_at_pages_and_hold_the_bytes_of_the_array():
    raw = written()
    header = files.read_header(io.BytesIO(raw), kind="index", version=2)
    assert len(raw) == header.end == header.sections[-1].offset + 4096
    for section, array in zip(header.sections, ARRAYS.values(), strict=True):
        assert section.offset % 4096 == 0
        assert raw[section.offset : section.offset + array.nbytes] == array.tobytes()


def test_a_flipped_bit_in_any_byte_is_refused():
    raw = written()
    header = int.from_bytes(raw[16:24], "little")
    for at in (*range(600), *range(600, header, 9), *range(header, len(raw), 5)):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(files.FileFormatError, match="at byte"):
            read(bytes(damaged))


def test_every_truncation_is_refused():
    raw = written()
    for length in range(0, len(raw), 7):
        with pytest.raises(files.FileFormatError, match=r"truncated.*at byte"):
            read(raw[:length])


def test_damage_is_named_by_section_and_block():
    arrays = {"a": np.zeros(10, np.uint8), "b": np.zeros((3 << 20) + 5, np.uint8)}
    raw = bytearray(written(arrays))
    start = files.read_header(io.BytesIO(raw), kind="index", version=2).sections[1].offset
    place = start + (1 << 20) + 17
    raw[place] = 1
    message = rf"section 'b' \(bytes {start + (1 << 20)} to {start + (2 << 20)}\) does not match"
    file = io.BytesIO(raw)
    header = files.read_header(file, kind="index", version=2)
    for check in (files.read_arrays, files.check_sections):
        with pytest.raises(files.FileFormatError, match=message):
            check(file, header)


def test_a_mapped_array_takes_changes_that_the_file_never_sees(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(written() + b"what follows")
    with path.open("rb") as file:
        arrays = files.map_arrays(file, files.read_header(file, kind="index", version=2))
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].shape == array.shape
        assert arrays[name].ctypes.data % 4096 == 0 or not array.size
    arrays["rows"][:] = -1
    assert (arrays["rows"] == -1).all()
    assert path.read_bytes() == written() + b"what follows"
    path.unlink()  # or replaced: the map keeps the old content
    np.testing.assert_array_equal(arrays["bytes"], ARRAYS["bytes"])


def edit_section(place, value):
    return lambda head: head["sections"][0].__setitem__(place, value)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda h: h.pop("kind"), "the header must have"),
        (lambda h: h.update(more=1), "the header must have"),
        (lambda h: h.update(kind=2), "kind must be of type str"),
        (lambda h: h.update(version=True), "version must be of type int"),
        (lambda h: h.update(version=3), "written in version 3.*versions 1 to 2"),
        (lambda h: h.update(version=0), "written in version 0"),
        (lambda h: h.update(kind="grove"), "kind 'grove', not 'index'"),
        (lambda h: h.update(sections={}), "sections must be of type list"),
        (lambda h: h["sections"].append(7), "a section must be"),
        (lambda h: h["sections"].append(h["sections"][1]), "two sections have one name"),
        (lambda h: h["sections"].pop(), "sections end at byte"),
        (edit_section(0, 7), "a section must be"),
        (edit_section(1, "bool"), "unknown dtype 'bool'"),
        (edit_section(1, "object"), "unknown dtype"),
        (edit_section(2, [2**70]), "impossible shape"),
        (edit_section(2, [2**40, 2**40]), "impossible shape"),
        (edit_section(2, [0, 2**45, 2**45]), "impossible shape"),
        (edit_section(2, [-1, 5]), "impossible shape"),
        (edit_section(2, [True, 5]), "impossible shape"),
        (edit_section(2, [1.0]), "impossible shape"),
        (edit_section(2, [1] * 9), "impossible shape"),
        (edit_section(2, [2**30, 5]), "needs 20480 checksums"),
        (edit_section(2, [7000, 5]), "sections end at byte"),
        (edit_section(3, []), "needs 1 checksums"),
        (edit_section(3, [1, 2]), "needs 1 checksums"),
        (edit_section(3, [2**32]), "needs 1 checksums"),
        (edit_section(3, [None]), "needs 1 checksums"),
        (edit_section(3, [5]), "section 'rows' .* does not match its checksum"),
    ],
)
def test_a_forged_header_with_right_checksums_is_refused_with_the_reason(edit, reason):
    read(with_header(written(), lambda head: None))  # the forger's hand is good
    with pytest.raises(files.FileFormatError, match=reason):
        read(with_header(written(), edit))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "truncated: 0 bytes"),
        (bytes(100), "no file of bitgrove with sections"),
        (with_text(written(), b"["), "no JSON"),
        (with_text(written(), b"[" * 200_000), "nested too deeply"),
        (with_text(written(), b"[]"), "no JSON object"),
        (with_text(written(), b"{}", length=2**63), "more than 67108864"),
        (with_text(written(), b"{}", length=2**20), "truncated"),
        (with_text(written(), b"{}", end=2**60), "truncated"),
        (with_text(written(), b"{}", end=64), "truncated"),
    ],
)
def test_a_file_that_is_none_is_refused(raw, reason):
    with pytest.raises(files.FileFormatError, match=reason):
        read(raw)


def test_the_kind_of_either_container_can_be_peeked(tmp_path):
    files.write(tmp_path / "a", ARRAYS, SETTINGS, kind="grove", version=3)
    (tmp_path / "b").write_bytes(written())
    assert files.peek(tmp_path / "a") == ("grove", 3)
    assert files.peek(tmp_path / "b") == ("index", 2)
    assert [files.is_sectioned(tmp_path / name) for name in "ab"] == [False, True]
    (tmp_path / "b").write_bytes(written()[:70])
    with pytest.raises(files.FileFormatError, match="b: truncated"):
        files.peek(tmp_path / "b")


def test_arrays_and_settings_that_cannot_be_stored_are_refused():
    with pytest.raises(TypeError, match="array 'z' is of complex128"):
        written({"z": np.zeros(2, complex)})
    with pytest.raises(ValueError, match="JSON"):
        files.write_sections(io.BytesIO(), {}, {"x": float("nan")}, kind="index", version=1)
    swapped = np.arange(5, dtype=">f4")[::-1]
    np.testing.assert_array_equal(read(written({"x": swapped}))[0]["x"], swapped)
