import io

import numpy as np
import pytest
from PIL import Image

from bitgrove import data
from bitgrove.data import DataError, SegmentationData

PARTS = ("train", "val", "test")


def scene(number, height=180, width=240):
    grey = np.full((height, width, 3), 20 * number, np.uint8)
    labels = np.full((height, width), number, np.uint8)
    labels[0] = 11
    return grey, labels


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path))
    (tmp_path / "camvid").mkdir()
    return tmp_path / "camvid"


def as_pack(home, damage=0):
    files, labels = [], []
    for number in range(4):
        file = io.BytesIO()
        grey, truth = scene(number)
        Image.fromarray(grey).save(file, "JPEG")
        files.append(file.getvalue())
        labels.append(truth)
    np.savez(
        home / "camvid_240x180_jpeg.npz",
        jpeg=np.frombuffer(b"".join(files)[damage:], np.uint8),
        offsets=np.cumsum([0, *map(len, files)]),
        labels=np.stack(labels),
        split=np.array([0, 0, 1, 2], np.uint8),
        names=["a", "b", "c", "d"],
    )


def as_folders(home):
    for number, (part, name) in enumerate(
        (("train", "a"), ("train", "b"), ("val", "c"), ("test", "d"))
    ):
        grey, truth = scene(number, 360, 480)
        truth[1] = 11
        for folder, pixels in ((part, grey), (f"{part}annot", truth)):
            (home / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(home / folder / f"{name}.png")


@pytest.mark.parametrize("lay", [as_pack, as_folders])
def test_scenes_are_read_from_a_pack_or_the_official_folders(home, lay):
    lay(home)
    whole = data.load("camvid")
    assert isinstance(whole, SegmentationData)
    assert whole.names == ("camvid/train/a", "camvid/train/b", "camvid/val/c", "camvid/test/d")
    assert whole.images.shape == (4, 180, 240, 3)
    assert [int(image[90, 9, 1]) for image in whole.images] == [0, 20, 40, 60]
    assert [int(truth[5, 9]) for truth in whole.labels] == [0, 1, 2, 3]
    assert (whole.labels[:, 0] == whole.void).all()
    assert (whole.labels[:, 1:] != whole.void).all()
    parts = [data.load("camvid", split=part) for part in ("train", "validation", "test")]
    assert [part.names for part in parts] == [whole.names[:2], whole.names[2:3], whole.names[3:]]
    assert parts[1].shares() == {name: float(name == "Pole") for name in whole.classes}


def test_colours_are_averaged_and_labels_are_not(home):
    as_folders(home)
    pixels = np.array(Image.open(home / "val" / "c.png"))
    pixels[0:2, 0:2, 0] = [[0, 1], [2, 4]]
    Image.fromarray(pixels).save(home / "val" / "c.png")
    assert data.load("camvid", split="validation").images[0, 0, 0, 0] == 2  # of 1.75


def test_what_is_absent_or_damaged_is_named(home, monkeypatch):
    with pytest.raises(DataError, match="train holds no PNG files"):
        data.load("camvid")
    as_folders(home)
    (home / "testannot" / "d.png").unlink()
    with pytest.raises(DataError, match=r"d\.png or its labels cannot be read"):
        data.load("camvid")
    as_pack(home, damage=100)
    with pytest.raises(DataError, match=r"jpeg\.npz is damaged"):
        data.load("camvid")
    (home / "camvid_240x180_jpeg.npz").write_bytes(b"no zip file")
    with pytest.raises(DataError, match=r"jpeg\.npz is damaged"):
        data.load("camvid")
    monkeypatch.setattr("bitgrove.data._camvid.local_folder", lambda name: None)
    with pytest.raises(DataError, match="CamVid is not at hand: set BITGROVE_DATA"):
        data.load("camvid")


def test_what_is_for_labelled_images_is_refused(home):
    with pytest.raises(DataError, match="label for every pixel and none for an image"):
        data.load_splits("camvid")
    with pytest.raises(ValueError, match="size and channels are for folders"):
        data.load("camvid", size=32)
    assert "701 images of 180x240x3, 11 classes" in data.list()["camvid"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"labels": np.zeros((2, 3, 4), int)}, TypeError, "labels must be a uint8 array"),
        ({"labels": np.zeros((2, 3, 3), np.uint8)}, ValueError, "a label for each pixel"),
        ({"labels": np.full((2, 3, 4), 7, np.uint8)}, ValueError, r"0 to 1 or 9 for void, got \[7"),
        ({"void": 1}, ValueError, "void must be 2 to 255, got 1"),
        ({"classes": ("a", "a")}, ValueError, "classes must be distinct"),
        ({"images": np.zeros((2, 3, 4), np.uint8)}, ValueError, "images must have shape"),
    ],
)
def test_arrays_that_do_not_fit_are_named(changes, error, message):
    values = {
        "images": np.zeros((2, 3, 4, 3), np.uint8),
        "labels": np.zeros((2, 3, 4), np.uint8),
        "classes": ("a", "b"),
        "names": ("x", "y"),
        "void": 9,
    }
    with pytest.raises(error, match=message):
        SegmentationData(**(values | changes))


def test_the_real_scenes_are_as_described(shared_data):
    if not (shared_data / "camvid").is_dir():
        pytest.skip(f"{shared_data} has no camvid")
    whole = data.load("camvid")
    assert len(whole) == 701
    assert sum(name.startswith("camvid/test/") for name in whole.names) == 233
    shares = whole.shares()
    assert max(shares, key=shares.__getitem__) == "Road"
    assert 0.02 < (whole.labels == whole.void).mean() < 0.06
