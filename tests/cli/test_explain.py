"""``bitgrove explain``: a picture, or one line that says what to give."""

import numpy as np
import pytest
import torch
from PIL import Image

import bitgrove as bg
from bitgrove.cli._app import run


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    options = {"width": 2, "trees": 2, "depth": 3, "num_classes": 3}
    preprocessing = bg.runtime.Preprocessing(12, 12, 1, (0.5,), (0.5,))
    bg.models.save(
        tmp_path / "model.safetensors",
        bg.models.create("ndf", **options),
        name="ndf",
        options=options,
        labels=["cat", "dog", "cow"],
        preprocessing=preprocessing,
    )
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(tmp_path / "photo.png")
    return tmp_path


def explain(*arguments):
    return run(["explain", *map(str, arguments)])


@pytest.mark.parametrize("model", ["", "model.safetensors"])
def test_it_draws_the_path_and_prints_it(folder, capsys, model):
    out = folder / "path.png"
    assert explain(folder / model, folder / "photo.png", "-o", out, "--tree", 2) == 0
    said = capsys.readouterr().out
    assert "tree 2 of 2" in said
    assert "node 0    reached 100.0%, goes" in said
    with Image.open(out) as picture:
        assert min(picture.size) > 300
        assert np.asarray(picture.convert("L")).std() > 10


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.grove", b"x", "is a packed model: its trees are hard and have no gradients"),
        ("best.ckpt", b"x", "is a checkpoint, which has weights but no network"),
        ("m.safetensors", b"x", "is damaged, or no file of bitgrove.models.save"),
        ("none", None, "no such file or folder"),
    ],
)
def test_other_models_are_refused_with_the_way_out(folder, capsys, name, content, message):
    if content is not None:
        (folder / name).write_bytes(content)
    out = folder / "path.png"
    assert explain(folder / name, folder / "photo.png", "-o", out) == 1
    said = capsys.readouterr().err
    assert message in " ".join(said.lower().split()) or message in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_mistakes_are_explained_in_one_line(folder, capsys):
    out, photo = folder / "path.png", folder / "photo.png"
    (folder / "empty").mkdir()
    (folder / "text.png").write_text("no picture")
    for arguments, message in [
        ((folder, photo, "-o", folder / "path.gif"), "must end in .png, .pdf or .svg"),
        ((folder, photo, "-o", out, "--tree", 3), "--tree must be 1 to 2"),
        ((folder / "empty", photo, "-o", out), "holds no model.safetensors"),
        ((folder.parent, photo, "-o", out), "holds no model.safetensors"),
        ((folder, folder / "text.png", "-o", out), "text.png"),
        ((folder, folder / "missing.png", "-o", out), "missing.png"),
        ((folder, photo, "-o", folder / "nowhere" / "path.png"), "nowhere"),
    ]:
        assert explain(*arguments) == 1
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
    assert not out.exists()


def test_networks_without_a_forest_are_refused(folder, capsys):
    options = {"width": 2, "head": "linear"}
    preprocessing = bg.runtime.Preprocessing(12, 12, 1, (0.5,), (0.5,))
    bg.models.save(
        folder / "model.safetensors", bg.models.create("ndf", **options), name="ndf",
        options=options, preprocessing=preprocessing,
    )  # fmt: skip
    assert explain(folder, folder / "photo.png", "-o", folder / "path.png") == 1
    assert "holds no NeuralDecisionForest" in capsys.readouterr().err
