import io

import numpy as np
import pytest
from PIL import Image

from bitgrove import data
from bitgrove.data import _bsds500


def jpeg(grey, size=(48, 32)):
    file = io.BytesIO()
    Image.new("RGB", size, (grey, grey, grey)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path))
    return tmp_path


def as_folder(home):
    for part, name, grey in (("val", "7", 70), ("train", "9", 90), ("train", "10", 10)):
        folder = home / "bsds500" / "images" / part
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.jpg").write_bytes(jpeg(grey))


def as_pack(home, damage=0):
    (home / "sift").mkdir()
    files = [jpeg(10), jpeg(90), jpeg(70, (32, 48))]
    np.savez(
        home / "sift" / "bsds500_images_jpeg.npz",
        jpeg=np.frombuffer(b"".join(files)[damage:], np.uint8),
        offsets=np.cumsum([0, *map(len, files)]),
        names=["train/10.jpg", "train/9.jpg", "val/7.jpg"],
    )


@pytest.mark.parametrize("lay", [as_folder, as_pack])
def test_photographs_are_read_from_a_folder_or_a_pack(home, lay):
    lay(home)
    photographs = data.load_bsds500()
    assert photographs.names == ("train/10.jpg", "train/9.jpg", "val/7.jpg")
    assert [round(float(image.mean())) for image in photographs.images] == [10, 90, 70]
    assert photographs.images[0].shape == (32, 48, 3)
    assert photographs.images[0].dtype == np.uint8
    assert data.load_bsds500(2).names == ("train/10.jpg", "train/9.jpg")
    with pytest.raises(data.DataError, match="4 photographs asked for, but only 3"):
        data.load_bsds500(4)
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        data.load_bsds500(0)


def test_what_is_absent_or_damaged_is_named(home, monkeypatch):
    def only_home(name):  # not the data beside a checkout
        return home / name if (home / name).is_dir() else None

    monkeypatch.setattr(_bsds500, "local_folder", only_home)
    with pytest.raises(data.DataError, match=r"set BITGROVE_DATA .* bsds500/images"):
        data.load_bsds500()
    as_pack(home, damage=100)
    with pytest.raises(data.DataError, match=r"train/10\.jpg is damaged"):
        data.load_bsds500(1)
    (home / "sift" / "bsds500_images_jpeg.npz").write_bytes(b"PK\3\4 not a pack")
    with pytest.raises(data.DataError, match="is damaged"):
        data.load_bsds500()
