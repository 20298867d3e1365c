"""Faces: nobody in two parts, damaged files refused."""

import io

import numpy as np
import pytest
from PIL import Image

from bitgrove import data
from bitgrove.data import DataError


def write(folder, *, people=20, each=3, side=96, **changes):
    """A file in the format, of grey squares whose level is the picture's number."""
    scans, ends = b"", [0]
    for number in range(people * each):
        out = io.BytesIO()
        Image.fromarray(np.full((side, side), 2 * number, np.uint8)).save(out, "JPEG")
        scans += out.getvalue()
        ends.append(len(scans))
    n = people * each
    identity = np.repeat(np.arange(people), each)
    arrays = {
        "header": np.empty(0, np.uint8),
        "scans": np.frombuffer(scans, np.uint8),
        "offsets": np.array(ends, np.uint32),
        "keypoints": np.arange(n * 136, dtype=np.float32).reshape(n, 68, 2),
        "identity": identity.astype(np.int16),
        "is_test": (identity % 5 == 0).astype(np.uint8),
    }
    (folder / "faces").mkdir(exist_ok=True)
    np.savez(folder / "faces" / "facial_keypoints_96_jpeg.npz", **(arrays | changes))


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path))
    return tmp_path


def test_nobody_is_in_two_parts_and_nobody_is_lost(place):
    write(place)
    splits = data.load_faces(validation=0.25)
    people = [set(part.identity.tolist()) for part in splits]
    assert [len(p) for p in people] == [12, 4, 4]
    assert set.union(*people) == set(range(20))
    assert people[2] == {0, 5, 10, 15}
    for part in splits:
        np.testing.assert_allclose(
            part.images.mean((1, 2, 3)), part.keypoints[:, 0, 0] / 68, atol=2
        )
        assert part.images.shape == (len(part), 96, 96, 1)
        assert part.identity.dtype == np.int64


def test_the_seed_chooses_the_validation_people(place):
    write(place)
    first, second, other = (data.load_faces(seed=seed).validation.identity for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert np.array_equal(
        data.load_faces(seed=1).test.identity, data.load_faces(seed=2).test.identity
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"side": 95},
        {"keypoints": np.zeros((60, 5, 2), np.float32)},
        {"identity": np.zeros(3, np.int16)},
        {"scans": np.zeros(100, np.uint8)},
    ],
)
def test_damaged_files_are_refused(place, changes):
    write(place, **changes)
    with pytest.raises(DataError, match="is damaged"):
        data.load_faces()


def test_missing_and_wrong_are_explained(place):
    (place / "faces").mkdir()
    with pytest.raises(DataError, match="set BITGROVE_DATA to a folder that holds faces/"):
        data.load_faces()
    (place / "faces" / "facial_keypoints_96_jpeg.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="is damaged"):
        data.load_faces()
    with pytest.raises(ValueError, match="validation must be above 0 and below 1, got 1"):
        data.load_faces(validation=1)
