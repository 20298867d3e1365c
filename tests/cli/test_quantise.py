"""``bitgrove quantise``, as a person types it."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from bitgrove import export, runtime
from bitgrove.cli._app import run

from ..runtime.conftest import make_artifact, pictures


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.grove"
    make_artifact().save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "pictures"
    inside.mkdir()
    for i, pixels in enumerate(pictures(40, seed=5)):
        Image.fromarray(pixels).save(inside / f"{i:02}.png")
    return inside


def test_a_model_becomes_one_in_8_bits(model, folder, tmp_path, capsys):
    out = tmp_path / "q.grove"
    assert run(["quantise", str(model), str(folder), "--out", str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[:2]] == ["stem", "head"]
    assert printed[2].endswith("% of 10 pictures held out")
    assert printed[-1].startswith(f"{out}: {out.stat().st_size:,} bytes")
    before, after = runtime.load(model), runtime.load(out)
    assert {n.op for n in after.artifact.graph.nodes} >= {"byte_conv2d", "binary_conv2d"}
    x = before.preprocessing(pictures(30, seed=6))
    assert (before.run(x) != after.run(x)).any()
    same = [a.label == b.label for a, b in zip(before.classify(x), after.classify(x), strict=True)]
    assert np.mean(same) > 0.9
    after.teach("new", pictures(3), list("abc"))  # the examples came along


def test_layers_and_pictures_can_be_chosen(model, folder, tmp_path, capsys):
    out = tmp_path / "q.grove"
    arguments = ["quantise", str(model), str(folder), "--out", str(out)]
    assert run([*arguments, "--layer", "head", "--most", "9"]) == 0
    assert "of 2 pictures held out" in capsys.readouterr().out
    ops = {node.name: node.op for node in runtime.load(out).artifact.graph.nodes}
    assert (ops["stem"], ops["head"]) == ("conv2d", "byte_conv2d")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--layer", "stam"], 1, "'stam' is no real convolution of the model; there are: stem"),
        (["--most", "3"], 1, "4 or more"),
        (["--most", "0"], 2, ">= 1"),
        (["--threads", "0"], 2, ">= 1"),
        (["--threads", "1025"], 2, "<= 1024"),
        (["--least-agreement", "2"], 2, "<= 1"),
    ],
)  # fmt: skip
def test_mistakes_get_one_line_and_nothing_is_written(
    model, folder, tmp_path, capsys, arguments, code, message
):
    out = tmp_path / "q.grove"
    assert run(["quantise", str(model), str(folder), "--out", str(out), *arguments]) == code
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_model_that_answers_otherwise_is_not_written(model, folder, tmp_path, capsys):
    session = runtime.load(model)
    head = session.artifact.graph.nodes[-1].tensors["weight"]
    head[:, 0, 0, 0] = 1e4  # the same for all classes, and it takes the levels of the others
    session.artifact.examples = None
    session.artifact.save(model)
    out = tmp_path / "q.grove"
    assert run(["quantise", str(model), str(folder), "--out", str(out)]) == 1
    assert "less than least_agreement=0.98; layer 'head' costs most" in capsys.readouterr().err
    assert not out.exists()


def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_used(
    model, folder, tmp_path, capsys
):
    (folder / "07.png").write_bytes(b"no picture")
    out = tmp_path / "q.grove"
    assert run(["quantise", str(model), str(folder), "--out", str(out)]) == 1
    printed = capsys.readouterr()
    assert printed.err == f"bitgrove: {folder}/07.png: not a picture that can be read\n"
    assert "of 9 pictures held out" in printed.out
    runtime.load(out)


def test_without_a_readable_picture_nothing_is_written(model, tmp_path, capsys):
    bad, out = tmp_path / "a.png", tmp_path / "q.grove"
    bad.write_bytes(b"no picture")
    assert run(["quantise", str(model), str(bad), "--out", str(out)]) == 1
    assert "none of the 1 pictures can be read" in capsys.readouterr().err
    assert not out.exists()


def test_out_is_refused_before_the_work(model, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export, "quantise", None)
    link = tmp_path / "link.grove"
    link.symlink_to(model)
    picture = folder / "39.png"
    for out, message in [
        (model, "--out is the model itself"),
        (link, "--out is the model itself"),
        (picture, "--out is one of the pictures"),
        (folder, "is a folder; name a file in it"),
        (tmp_path / "no" / "q.grove", "/no: no such folder to write to"),
    ]:
        before = model.read_bytes(), picture.read_bytes()
        assert run(["quantise", str(model), str(folder), "--most", "8", "--out", str(out)]) == 1
        assert message in capsys.readouterr().err
        assert (model.read_bytes(), picture.read_bytes()) == before


def test_quantising_needs_no_torch(model, folder, tmp_path):
    out = tmp_path / "q.grove"
    code = (
        "import sys; sys.modules['torch'] = None; from bitgrove.cli._app import run;"
        f"sys.exit(run(['quantise', {str(model)!r}, {str(folder)!r}, '--out', {str(out)!r}]))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert out.exists()
