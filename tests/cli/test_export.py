"""``bitgrove export``, as a person types it."""

import numpy as np
import onnx
import onnxruntime
import pytest

from bitgrove import runtime
from bitgrove.cli._app import run

from ..runtime.conftest import make_artifact


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.grove"
    make_artifact().save(path)
    return path


def test_export_writes_a_file_that_runs_elsewhere(model, tmp_path, capsys):
    out = tmp_path / "m.onnx"
    assert run(["export", str(model), "--onnx", str(out)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{out}: plain ONNX, {out.stat().st_size:,} bytes"
    assert second == f"its 60 examples stay in {model}: ONNX gives embeddings"
    x = np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32)
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], {"image": x})[0]
    np.testing.assert_allclose(logits, runtime.load(model).run(x), rtol=1e-5, atol=1e-5)


def test_export_writes_qonnx_for_one_image(model, tmp_path, capsys):
    out = tmp_path / "m.onnx"
    arguments = ["export", str(model), "--onnx", str(out), "--dialect", "qonnx", "--batch", "1"]
    assert run(arguments) == 0
    assert "QONNX" in capsys.readouterr().out
    graph = onnx.load(out).graph
    assert "BipolarQuant" in {node.op_type for node in graph.node}
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_a_model_without_examples_has_none_to_speak_of(model, tmp_path, capsys):
    artifact = make_artifact()
    artifact.examples = None
    artifact.save(model)
    assert run(["export", str(model), "--onnx", str(tmp_path / "m.onnx")]) == 0
    assert "stay in" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{model}"], 2, "--onnx"),
        (["--onnx", "{out}"], 2, "requires"),
        (["{model}", "--onnx", "{out}", "--dialect", "tflite"], 2, "qonnx"),
        (["{model}", "--onnx", "{out}", "--batch", "0"], 2, ">= 1"),
        (["{folder}/none.grove", "--onnx", "{out}"], 1, "none.grove: No such file"),
        (["{folder}", "--onnx", "{out}"], 1, "Is a directory"),
        (["{folder}/damaged.grove", "--onnx", "{out}"], 1, "at byte"),
        (["{model}", "--onnx", "{folder}/no/m.onnx"], 1, "/no: no such folder to write to"),
        (["{model}", "--onnx", "{folder}"], 1, "name a file in it"),
        (["{model}", "--onnx", "{model}"], 1, "path is the model itself"),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing(model, tmp_path, capsys, arguments, code, message):
    (tmp_path / "damaged.grove").write_bytes(model.read_bytes()[:-5])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    out = tmp_path / "m.onnx"
    filled = [a.format(model=model, folder=tmp_path, out=out) for a in arguments]
    assert run(["export", *filled]) == code
    err = capsys.readouterr().err
    assert message in err
    assert len([line for line in err.splitlines() if line.startswith("bitgrove:")]) == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_older_export_survives_a_failure(model, tmp_path, capsys):
    out = tmp_path / "m.onnx"
    out.write_bytes(b"older")
    model.write_bytes(b"damaged")
    assert run(["export", str(model), "--onnx", str(out)]) == 1
    assert out.read_bytes() == b"older"
