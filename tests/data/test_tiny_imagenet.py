"""Tiny ImageNet: what is read, and its parts."""

import io

import numpy as np
import pytest
from PIL import Image

from bitgrove import data
from bitgrove.data import DataError


@pytest.fixture
def pack(tmp_path, monkeypatch):
    """Thirty flat pictures of two classes, every third to test."""
    folder = tmp_path / "tiny_imagenet"
    folder.mkdir()
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path))
    raw = []
    for shade in range(0, 240, 8):
        out = io.BytesIO()
        colour = (shade, 255 - shade, 40)
        Image.new("RGB", (64, 64), colour).save(out, "JPEG", quality=95, subsampling=0)
        raw.append(out.getvalue())
    arrays = {
        "header": np.zeros(0, np.uint8),
        "scans": np.frombuffer(b"".join(raw), np.uint8),
        "offsets": np.cumsum([0, *map(len, raw)]).astype(np.uint32),
        "labels": np.repeat(np.arange(2, dtype=np.uint8), 15),
        "is_val": (np.arange(30) % 3 == 0).astype(np.uint8),
        "wnids": np.array(["n001", "n002"]),
    }

    def write(**changes):
        np.savez(folder / "tiny_imagenet_subset_jpeg.npz", **(arrays | changes))

    write()
    return write


def test_the_official_validation_images_are_the_test(pack):
    splits = data.load_splits("tiny-imagenet")
    assert [len(part) for part in splits] == [18, 2, 10]
    assert {int(name[-5:]) % 3 for name in splits.test.names} == {0}
    every = data.load("tiny-imagenet")
    assert every.classes == ("n001", "n002")
    assert every.images.shape == (30, 64, 64, 3)
    reds = every.images[:, 32, 32, 0].astype(int)
    np.testing.assert_allclose(reds, np.arange(0, 240, 8), atol=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.zeros(29, np.uint8)}, "differ in length"),
        ({"labels": np.full(30, 2, np.uint8)}, "unknown labels"),
        ({"scans": np.zeros(9, np.uint8)}, "damaged"),
    ],
)
def test_a_damaged_pack_is_refused(pack, changes, message):
    pack(**changes)
    with pytest.raises(DataError, match=message):
        data.load("tiny-imagenet")


def test_what_is_not_at_hand_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("bitgrove.data._tiny_imagenet.local_folder", lambda name: None)
    with pytest.raises(DataError, match="set BITGROVE_DATA"):
        data.load("tiny-imagenet")
