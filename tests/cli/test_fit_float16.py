"""``bitgrove fit --real-dtype float16``."""

from bitgrove import runtime
from bitgrove.cli._app import run


def test_a_model_is_proved_and_stored_in_float16(tmp_path, capsys):
    arguments = ["fit", "digits", "--out", str(tmp_path), "--epochs", "1", "--width", "4"]
    assert run([*arguments, "--threads", "1", "--real-dtype", "float16"]) == 0
    assert "integers of binary layers are equal one by one" in capsys.readouterr().err
    graph = runtime.load(tmp_path / "model.grove").artifact.graph
    assert graph.nodes[0].tensors["weight"].dtype == "float16"
    assert "--real-dtype float16" in (tmp_path / "report.html").read_text()


def test_a_dtype_that_is_none_is_wrong_usage(tmp_path, capsys):
    assert run(["fit", "digits", "--out", str(tmp_path), "--real-dtype", "int8"]) == 2
    assert "int8" in capsys.readouterr().err
