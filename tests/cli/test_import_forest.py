"""``bitgrove import-forest`` and what ``inspect`` says of its files, as a person types it."""

import json

import numpy as np

from bitgrove.cli._app import run
from bitgrove.runtime import Forest

from ..export.test_import_forest import TEXT


def test_a_text_becomes_a_file_that_runs_and_is_described(tmp_path, capsys):
    text, out = tmp_path / "model.txt", tmp_path / "m.grove"
    text.write_text(TEXT.replace("=regression", "=binary sigmoid:1"))
    assert run(["import-forest", str(text), "--out", str(out), "--quantise"]) == 0
    assert capsys.readouterr().out == f"{out}: 2 trees, 2 nodes, {out.stat().st_size:,} bytes\n"
    assert Forest.load(out).predict(np.zeros((1, 3), np.float32)).tolist() == [1]
    assert run(["inspect", str(out)]) == 0
    said = capsys.readouterr().out
    assert "answers         sigmoid of the scores" in said
    assert "trees           2 of 2 nodes and 4 leaves, 2 features compared, NaN is taken" in said
    assert "labels          0, 1" in said
    assert run(["inspect", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["link"] == "sigmoid"


def test_what_is_no_model_is_explained_in_one_line(tmp_path, capsys):
    text = tmp_path / "model.txt"
    text.write_text("hello")
    out = tmp_path / "m.grove"
    assert run(["import-forest", str(text), "--out", str(out)]) == 1
    assert "no trained LightGBM model" in capsys.readouterr().err
    assert run(["import-forest", str(tmp_path / "none"), "--out", str(out)]) == 1
    assert run(["import-forest", str(text), "--out", str(tmp_path / "no" / "m.grove")]) == 1
    assert "no such folder" in capsys.readouterr().err
    assert not out.exists()
