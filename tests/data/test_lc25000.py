"""LC25000: what is read, and that no group of copies is on two sides."""

import io

import numpy as np
import pytest
from PIL import Image

from bitgrove import data
from bitgrove.data import DataError
from bitgrove.data._lc25000 import load_lc25000


@pytest.fixture
def pack(tmp_path, monkeypatch):
    """Sixty flat pictures of three classes in groups of four, the last group of each to test."""
    folder = tmp_path / "lc25000"
    folder.mkdir()
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path))
    labels = np.repeat(np.arange(3, dtype=np.uint8), 20)
    group = np.arange(60, dtype=np.int16) // 4
    raw = []
    for i in range(60):
        out = io.BytesIO()
        Image.fromarray(np.full((96, 96, 3), 4 * i, np.uint8)).save(out, "JPEG", quality=90)
        raw.append(out.getvalue())
    arrays = {
        "header": np.zeros(0, np.uint8),
        "scans": np.frombuffer(b"".join(raw), np.uint8),
        "offsets": np.cumsum([0, *map(len, raw)]).astype(np.uint32),
        "labels": labels,
        "is_test": (np.arange(60) % 20 >= 16).astype(np.uint8),
        "group": group,
        "names": np.array([f"lung{i}.jpeg" for i in range(60)]),
    }

    def write(**changes):
        np.savez(folder / "lc25000_lung_96_jpeg.npz", **(arrays | changes))
        return arrays

    write()
    return write


def test_parts_are_made_of_whole_groups(pack):
    splits = data.load_splits("lc25000")
    assert [len(part) for part in splits] == [36, 12, 12]
    groups = [{int(name[12:-5]) // 4 for name in part.names} for part in splits]
    assert not groups[0] & groups[1]
    assert not (groups[0] | groups[1]) & groups[2]
    assert splits.validation.counts() == dict.fromkeys(splits.train.classes, 4)
    again = data.load_splits("lc25000", seed=0)
    assert again.validation.names == splits.validation.names
    assert any(
        data.load_splits("lc25000", seed=seed).validation.names != splits.validation.names
        for seed in range(1, 5)
    )
    assert all(
        data.load_splits("lc25000", seed=seed).test.names == splits.test.names for seed in (1, 2)
    )


def test_small_pictures_are_means_and_tumour_joins_two_classes(pack):
    large, small = data.load("lc25000"), data.load("lc25000-small")
    assert large.images.shape == (60, 96, 96, 3)
    assert small.images.shape == (60, 48, 48, 3)
    fours = large.images.reshape(60, 48, 2, 48, 2, 3).astype(float).mean((2, 4))
    assert np.abs(small.images - fours).max() <= 0.5
    assert small.classes == large.classes == ("benign", "adenocarcinoma", "squamous cell carcinoma")
    tumour = data.load("lc25000-tumour")
    assert tumour.classes == ("no tumour", "tumour")
    np.testing.assert_array_equal(tumour.labels, small.labels > 0)
    assert tumour.names == small.names


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": np.full(60, 3, np.uint8)},
        {"labels": np.zeros(59, np.uint8)},
        {"scans": np.zeros(100, np.uint8)},
        {"offsets": np.zeros(1, np.uint32)},
    ],
    ids=["label", "length", "picture", "none"],
)
def test_damaged_packs_are_refused(pack, changes):
    pack(**changes)
    with pytest.raises(DataError, match=r"lc25000_lung_96_jpeg\.npz is damaged"):
        data.load("lc25000")


def test_missing_pack_says_where_it_is_looked_for(tmp_path, monkeypatch):
    (tmp_path / "lc25000").mkdir()
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path))
    with pytest.raises(DataError, match="set BITGROVE_DATA to a folder that holds lc25000/"):
        load_lc25000(small=True, tumour=True, seed=0)
