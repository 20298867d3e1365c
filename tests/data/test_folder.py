import io
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from bitgrove import data
from bitgrove.data import DataError


def picture(seed, shape=(12, 10, 3)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Two classes of six colour pictures of 10x12 pixels."""
    for label, name in enumerate(["cat", "dog"]):
        (tmp_path / name).mkdir()
        for i in range(6):
            picture(10 * label + i).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_images_labels_and_names_belong_together(folder):
    loaded = data.load(folder, size=(12, 10), channels=3)
    assert loaded.classes == ("cat", "dog")
    assert loaded.counts() == {"cat": 6, "dog": 6}
    for image, label, name in zip(loaded.images, loaded.labels, loaded.names, strict=True):
        expected = np.asarray(Image.open(folder / name))
        np.testing.assert_array_equal(image, expected)
        assert name.startswith(loaded.classes[label] + "/")


def test_folders_inside_a_class_count_and_hidden_or_other_files_do_not(folder):
    (folder / "cat" / "more" / "deep").mkdir(parents=True)
    picture(50).save(folder / "cat" / "more" / "deep" / "x.JPG", format="JPEG")
    for ignored in ("cat/.hidden.png", "cat/notes.txt", "cat/Thumbs.db", "dog/._0.png"):
        (folder / ignored).write_bytes(b"nothing")
    (folder / ".git").mkdir()
    (folder / "__MACOSX").mkdir()
    loaded = data.load(folder)
    assert loaded.counts() == {"cat": 7, "dog": 6}
    assert "cat/more/deep/x.JPG" in loaded.names
    assert loaded.skipped == ()


def test_links_are_followed_and_a_circle_ends(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    picture(60).save(elsewhere / "far.png")
    (folder / "cat" / "link").symlink_to(elsewhere, target_is_directory=True)
    (folder / "cat" / "circle").symlink_to(folder / "cat", target_is_directory=True)
    loaded = data.load(folder)
    assert loaded.counts() == {"cat": 7, "dog": 6}
    assert "cat/link/far.png" in loaded.names


def bomb():
    """A small PNG that claims 30,000 x 30,000 pixels."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def test_files_that_cannot_be_read_are_listed_with_the_reason(folder):
    whole = io.BytesIO()
    picture(1).save(whole, "PNG")
    bad = {
        "cat/empty.png": b"",
        "cat/half.png": whole.getvalue()[:200],
        "dog/text.jpg": b"no picture at all",
        "dog/bomb.png": bomb(),
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    picture(2).save(folder / "montage.png")
    filters = list(warnings.filters)
    loaded = data.load(folder)
    assert warnings.filters == filters
    reasons = dict(loaded.skipped)
    assert set(reasons) == {*bad, "montage.png"}
    assert "empty" in reasons["cat/empty.png"]
    assert "pixels" in reasons["dog/bomb.png"]
    assert "beside the class folders" in reasons["montage.png"]
    assert not any(str(folder) in reason for reason in reasons.values())
    assert loaded.counts() == {"cat": 6, "dog": 6}
    assert loaded.split().train.skipped == loaded.skipped


@pytest.mark.parametrize("threads", [1, 3])
def test_a_folder_loads_the_same_with_any_number_of_threads(folder, threads, monkeypatch):
    monkeypatch.setattr(sys.modules["bitgrove.data._folder"], "_CHUNK", 2)
    calls = []
    loaded = data.load(folder, threads=threads, progress=lambda *call: calls.append(call))
    assert loaded.fingerprint() == data.load(folder).fingerprint()
    assert calls == [(done, 12) for done in range(2, 13, 2)]


def test_every_mode_of_picture_becomes_grey_or_colour(folder):
    base = picture(3, (12, 10, 3))
    for mode in ("L", "P", "1", "CMYK", "RGBA", "LA", "I;16"):
        suffix = "tif" if mode in ("CMYK", "I;16") else "png"
        made = (
            Image.fromarray(np.full((12, 10), 40_000, np.uint16))
            if mode == "I;16"
            else base.convert(mode)
        )
        assert made.mode == mode
        made.save(folder / "cat" / f"mode{mode.replace(';', '')}.{suffix}")
    for channels in (1, 3):
        loaded = data.load(folder, channels=channels, size=10)
        assert loaded.skipped == ()
        assert loaded.images.shape == (19, 10, 10, channels)
        deep = loaded.images[loaded.names.index("cat/modeI16.tif")]
        assert (deep == round(40_000 / 257)).all()


def test_a_turned_picture_is_turned_back(folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter, clockwise
    upright = picture(4, (10, 10))
    upright.transpose(Image.Transpose.ROTATE_90).save(folder / "cat" / "turned.png", exif=exif)
    loaded = data.load(folder, size=10, channels=1)
    np.testing.assert_array_equal(
        loaded.images[loaded.names.index("cat/turned.png"), :, :, 0], np.asarray(upright)
    )


def test_a_class_with_too_few_images_is_named_with_the_count(folder):
    for i in range(3):
        (folder / "dog" / f"{i}.png").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"class 'dog' has 3 \(3 more cannot be read\); at least 5"):
        data.load(folder)
    loaded = data.load(folder, min_per_class=3)
    assert loaded.counts() == {"cat": 6, "dog": 3}
    (folder / "bird").mkdir()
    with pytest.raises(DataError, match="class 'bird' has 0; at least 5 are needed"):
        data.load(folder)


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no folders; it needs one sub-folder"):
        data.load(tmp_path)
    picture(1).save(tmp_path / "1.png")
    with pytest.raises(DataError, match="holds 1 pictures and no folders"):
        data.load(tmp_path)


def test_one_class_is_refused_with_a_hint_one_level_down(folder, tmp_path_factory):
    outer = tmp_path_factory.mktemp("outer")
    (outer / "unzipped").symlink_to(folder, target_is_directory=True)
    with pytest.raises(DataError, match=r"one class only, 'unzipped'.*did you mean .*2 folders"):
        data.load(outer)


def test_a_missing_folder_is_told_from_a_misspelt_name(tmp_path):
    with pytest.raises(DataError, match="Did you mean 'fashion-mnist'"):
        data.load("fashion_mnist")
    with pytest.raises(DataError, match="neither a folder nor a built-in"):
        data.load(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is not a folder"):
        data.load(tmp_path / "file")


def test_splits_of_a_folder_are_a_partition_and_match_split_by_split(folder):
    splits = data.load_splits(folder, seed=3)
    names = [name for part in splits for name in part.names]
    assert sorted(names) == sorted(data.load(folder).names)
    for part, loaded in zip(("train", "validation", "test"), splits, strict=True):
        alone = data.load(folder, split=part, seed=3)
        assert alone.names == loaded.names
        assert alone.fingerprint() == loaded.fingerprint()


def divided(root, **counts):
    for part, count in counts.items():
        for name in ("cat", "dog"):
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                picture(i).save(root / part / name / f"{i}.png")
    return root


@pytest.mark.parametrize("name", ["val", "validation"])
def test_a_divided_folder_keeps_its_parts(tmp_path, name):
    divided(tmp_path, train=6, test=2, **{name: 3})
    splits = data.load_splits(tmp_path)
    assert [len(part) for part in splits] == [12, 6, 4]
    for part, prefix in zip(splits, ("train", name, "test"), strict=True):
        assert all(n.startswith(prefix + "/") for n in part.names)
    assert splits.train.classes == ("cat", "dog")


def test_a_missing_part_is_taken_from_the_training_images(tmp_path):
    splits = data.load_splits(divided(tmp_path, train=10, test=2))
    assert [len(part) for part in splits] == [18, 2, 4]
    assert all(name.startswith("train/") for name in splits.validation.names)


def test_classes_named_train_and_test_stay_classes(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
        for i in range(5):
            picture(i).save(tmp_path / name / f"{i}.png")
    assert data.load(tmp_path).classes == ("test", "train")


def test_a_class_of_the_test_part_that_is_not_trained_is_refused(tmp_path):
    divided(tmp_path, train=6, test=2)
    (tmp_path / "test" / "bird").mkdir()
    with pytest.raises(DataError, match=r"test has the class 'bird', which .*train does not have"):
        data.load(tmp_path)


@pytest.mark.parametrize(
    ("sides", "expected"),
    [((5, 6), 8), ((28, 28), 28), ((30, 300), 28), ((64, 70), 64), ((900, 900), 64)],
)
def test_the_guessed_side_does_not_enlarge(tmp_path, sides, expected):
    for i in range(3):
        picture(i, (*sides, 3)).save(tmp_path / f"{i}.png")
    assert data.guess_size(sorted(tmp_path.iterdir())) == (expected, 3)


def test_pictures_that_are_grey_but_stored_in_colour_get_one_channel(folder):
    for path in folder.rglob("*.png"):
        Image.open(path).convert("L").convert("RGB").save(path)
    assert data.guess_size(folder) == (8, 1)
    assert data.load(folder).images.shape == (12, 8, 8, 1)
    picture(9).save(folder / "cat" / "colour.png")
    assert data.guess_size(folder) == (8, 3)


def test_guess_size_refuses_when_nothing_can_be_read(tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(DataError, match="none of 1 pictures"):
        data.guess_size([tmp_path / "x.png"])


@pytest.mark.parametrize(
    "wrong", [{"split": "all"}, {"channels": 2}, {"min_per_class": 0}, {"threads": 0}]
)
def test_load_refuses_options_out_of_range(folder, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        data.load(folder, **wrong)
