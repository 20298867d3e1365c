"""``bitgrove quantise``, as a person types it."""

import numpy as np
import pytest
from PIL import Image

from bitgrove import runtime
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
