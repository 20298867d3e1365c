"""Omniglot from both forms of its files, split by alphabet, and the authors' one-shot runs."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from bitgrove import data
from bitgrove.data import DataError

ALPHABETS = ("Tagalog", "Greek", "Balinese", "Latin", "Korean", "Sanskrit", "Early", "Japanese")
SMALL = "images_background_small{}.zip"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path))
    (tmp_path / "omniglot").mkdir()
    return tmp_path / "omniglot"


def png(ink):
    made = io.BytesIO()
    Image.fromarray(~ink).convert("1").save(made, "PNG")
    return made.getvalue()


def drawings():
    """(alphabet, character, person) and ink: eight alphabets of two characters, three people."""
    rng = np.random.default_rng(0)
    return [
        ((alphabet, f"character{c:02d}", person), rng.random((105, 105)) < 0.1)
        for alphabet in ALPHABETS
        for c in (1, 2)
        for person in (1, 2, 3)
    ]


def write_zips(folder):
    for part in (0, 1):
        with zipfile.ZipFile(folder / SMALL.format(part + 1), "w") as archive:
            for number, ((alphabet, character, person), ink) in enumerate(drawings()):
                if (alphabet in ALPHABETS[:4]) == (part == 0):
                    name = f"{alphabet}/{character}/{900 - number // 3:04d}_{person:02d}.png"
                    archive.writestr(f"images_background_small{part + 1}/{name}", png(ink))
            archive.writestr("__MACOSX/x/._0900_01.png", b"no picture")


def write_pack(folder):
    names = [f"{alphabet}/{character}" for (alphabet, character, _), _ in drawings()]
    kinds = list(dict.fromkeys(names))
    np.savez(
        folder / "omniglot_small.npz",
        bits=np.packbits(np.stack([ink.ravel() for _, ink in drawings()]), axis=1),
        char=np.array([kinds.index(name) for name in names], np.uint16),
        drawer=np.array([person for (*_, person), _ in drawings()], np.uint8),
        char_names=np.array(kinds),
    )


@pytest.mark.parametrize("write", [write_zips, write_pack])
def test_both_forms_of_the_files_give_the_same_pictures(folder, write):
    write(folder)
    loaded = data.load("omniglot")
    assert loaded.images.shape == (48, 105, 105, 1)
    assert loaded.classes == tuple(
        sorted(f"{alphabet}/character{c:02d}" for alphabet in ALPHABETS for c in (1, 2))
    )
    ink = {f"omniglot/{a}/{c}/{p:02d}": pixels for (a, c, p), pixels in drawings()}
    assert list(loaded.names) == sorted(ink)
    for name, label, image in zip(loaded.names, loaded.labels, loaded.images, strict=True):
        assert name.removeprefix("omniglot/").rpartition("/")[0] == loaded.classes[label]
        np.testing.assert_array_equal(image[..., 0], np.where(ink[name], 0, 255))


def test_alphabets_are_kept_apart(folder):
    write_pack(folder)
    parts = data.omniglot_by_alphabet()
    alphabets = [{name.partition("/")[0] for name in part.classes} for part in parts]
    assert alphabets == [
        {"Balinese", "Early", "Greek", "Japanese", "Korean"},
        {"Latin"},
        {"Sanskrit", "Tagalog"},
    ]
    for part, own in zip(parts, alphabets, strict=True):
        assert {name.split("/")[1] for name in part.names} == own
        assert sorted(set(part.labels)) == list(range(len(part.classes)))
    assert [len(part) for part in parts] == [30, 6, 12]
    pictures = [image.tobytes() for part in parts for image in part.images]
    assert len(set(pictures)) == 48


def test_the_plain_split_has_every_class_in_every_part(folder):
    write_pack(folder)
    assert [len(part) for part in data.load_splits("omniglot")] == [16, 16, 16]
    assert data.describe("omniglot").classes == 242


def write_runs(folder):
    """Two runs of two images; run 2's answers are the other way round."""
    rng = np.random.default_rng(1)
    kept = {}
    with zipfile.ZipFile(folder / "all_runs.zip", "w") as archive:
        for run in (1, 2):
            for i in (1, 2):
                for name in (f"training/class{i:02d}", f"test/item{i:02d}"):
                    kept[run, name] = rng.random((105, 105)) < 0.1
                    archive.writestr(f"run0{run}/{name}.png", png(kept[run, name]))
            other = {1: (1, 2), 2: (2, 1)}[run]
            lines = [
                f"run0{run}/test/item0{i}.png run0{run}/training/class0{j}.png"
                for i, j in zip((1, 2), other, strict=True)
            ]
            archive.writestr(f"run0{run}/class_labels.txt", "\n".join(lines) + "\n")
    return kept


def test_one_shot_runs_have_an_example_for_each_image(folder):
    kept = write_runs(folder)
    runs = data.omniglot_one_shot()
    assert [run.answers.tolist() for run in runs] == [[0, 1], [1, 0]]
    for number, run in enumerate(runs, start=1):
        for i in (0, 1):
            for images, name in ((run.images, "test/item"), (run.examples, "training/class")):
                ink = kept[number, f"{name}{i + 1:02d}"]
                np.testing.assert_array_equal(images[i, ..., 0], np.where(ink, 0, 255))


@pytest.mark.parametrize("name", ["omniglot_small.npz", SMALL.format(1), "all_runs.zip"])
def test_a_damaged_file_is_named(folder, name):
    write_zips(folder)
    (write_pack if name.endswith("npz") else write_runs)(folder)
    whole = (folder / name).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"nothing", b""):
        (folder / name).write_bytes(damaged)
        if not name.endswith("npz"):
            (folder / "omniglot_small.npz").unlink(missing_ok=True)
        with pytest.raises(DataError, match=rf"{name} is damaged .*; fetch it again"):
            data.omniglot_one_shot() if name == "all_runs.zip" else data.load("omniglot")


def test_a_picture_of_another_size_is_refused(folder):
    write_zips(folder)
    with zipfile.ZipFile(folder / SMALL.format(1), "a") as archive:
        archive.writestr("x/Greek/character01/0001_04.png", png(np.zeros((9, 9), bool)))
    with pytest.raises(DataError, match=r"0001_04.png has \(9, 9\) pixels, not 105 x 105"):
        data.load("omniglot")


def test_what_is_missing_is_named(folder, monkeypatch):
    with pytest.raises(DataError, match=r"lacks images_background_small1\.zip, images_"):
        data.load("omniglot")
    with pytest.raises(DataError, match=r"lacks all_runs\.zip"):
        data.omniglot_one_shot()
    monkeypatch.setattr("bitgrove.data._omniglot.local_folder", lambda name: None)
    with pytest.raises(DataError, match="Omniglot is not at hand: set BITGROVE_DATA"):
        data.load("omniglot")


def test_the_real_files_have_the_published_counts(shared_data, monkeypatch):
    if not (shared_data / "omniglot").is_dir():
        pytest.skip(f"{shared_data} has no omniglot")
    monkeypatch.setenv("BITGROVE_DATA", str(shared_data))
    parts = data.omniglot_by_alphabet()
    assert [len(part) for part in parts] == [3140, 520, 1180]
    assert [len(part.classes) for part in parts] == [157, 26, 59]
    assert {count for part in parts for count in part.counts().values()} == {20}
    for run in data.omniglot_one_shot():
        assert run.images.shape == run.examples.shape == (20, 105, 105, 1)
        assert sorted(run.answers) == list(range(20))
