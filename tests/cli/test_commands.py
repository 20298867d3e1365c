"""The commands that need no torch, as a person types them."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from bitgrove import export, files, nn, runtime
from bitgrove.cli._app import run
from bitgrove.search import Fanng

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
    for i, pixels in enumerate(pictures(6, seed=5)):
        Image.fromarray(pixels).save(inside / f"{i}.png")
    return inside


def test_predict_prints_label_confidence_and_neighbours(model, folder, capsys):
    assert run(["predict", str(model), str(folder / "0.png"), "--k", "2"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{folder}/0.png: class-")
    assert first.endswith("%)")
    assert second.count("ü/") == 2


def test_predict_json_prints_one_object_a_line(model, folder, capsys):
    assert run(["predict", str(model), str(folder), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["path"] for row in rows] == [f"{folder}/{i}.png" for i in range(6)]
    answers = runtime.load(model).predict([folder / f"{i}.png" for i in range(6)])
    for row, answer in zip(rows, answers, strict=True):
        assert row.keys() == {"path", "label", "confidence", "neighbours"}
        assert row["label"] == answer.label
        assert row["confidence"] == pytest.approx(answer.confidence, abs=1e-6)
        assert [near["name"] for near in row["neighbours"]] == [n.name for n in answer.neighbours]


def test_predict_goes_on_after_an_unreadable_picture_and_says_so(model, folder, capsys):
    (folder / "2.png").write_bytes(b"no picture")
    assert run(["predict", str(model), str(folder), "--json"]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 5
    assert "2.png: not a picture" in err


def test_teach_adds_a_class_to_the_file(model, folder, capsys):
    Image.new("L", (30, 20), 255).save(folder / "white.png")
    assert run(["teach", str(model), "white", str(folder / "white.png")]) == 0
    assert "knows 'white' from 1 example (1 new)" in capsys.readouterr().out
    assert run(["predict", str(model), str(folder / "white.png"), "--json"]) == 0
    near = json.loads(capsys.readouterr().out)["neighbours"][0]
    assert near["name"] == str(folder / "white.png")
    assert near["label"] == "white"


def test_teach_leaves_the_file_alone_if_a_picture_cannot_be_read(model, folder, capsys):
    before = model.read_bytes()
    (folder / "bad.png").write_bytes(b"")
    assert run(["teach", str(model), "new", str(folder)]) == 1
    assert "bad.png" in capsys.readouterr().err
    assert model.read_bytes() == before


def test_inspect_shows_layers_classes_and_sizes(model, capsys):
    assert run(["inspect", str(model)]) == 0
    out = capsys.readouterr().out
    assert f"{model.stat().st_size:,} bytes" in out
    for text in ("stem", "binary_conv2d", "2,304", "class-2", "8x8 grey"):
        assert text in out


def test_inspect_shows_what_was_taught(model, folder, capsys):
    run(["teach", str(model), "extra", str(folder)])
    capsys.readouterr()
    assert run(["inspect", str(model)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "(taught)" in line]
    assert [line.split() for line in lines] == [["extra", "6", "(taught)"]]


def test_inspect_shows_an_index_too(tmp_path, capsys):
    index = Fanng(4)
    index.add(np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32))
    index.build()
    index.save(tmp_path / "i.index")
    assert run(["inspect", str(tmp_path / "i.index")]) == 0
    out = capsys.readouterr().out
    assert "index, format version 2" in out
    assert "vectors" in out


def test_doctor_names_level_versions_and_extras(capsys):
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    for text in ("simd", "scalar", "numpy", "torch", "train"):
        assert text in out


def test_data_lists_the_built_in_sets(capsys):
    assert run(["data"]) == 0
    assert "fashion-mnist" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["predict"], 2, "requires"),
        (["predikt"], 2, "predikt"),
        (["predict", "{model}", "{folder}", "--k", "0"], 2, ">= 1"),
        (["predict", "{model}", "{folder}", "--k", "x"], 2, "int"),
        (["predict", "{model}", "{folder}", "--colour"], 2, "colour"),
        (["predict", "{model}", "{folder}", "--threads", str(10**23)], 2, "<= 1024"),
        (["fit", "digits", "--out", "{empty}", "--resume", "--overwrite"], 2, "exclude each other"),
        (["reproduce", "digits", "--out", "{empty}", "--resume"], 1, "no run to resume"),
        (["predict", "none.grove", "{folder}"], 1, "none.grove: No such file"),
        (["predict", "{folder}", "{folder}"], 1, "Is a directory"),
        (["predict", "{folder}/0.png", "{folder}"], 1, "0.png: "),
        (["predict", "{model}", "none.png"], 1, "none.png: no such file"),
        (["predict", "{model}", "{empty}"], 1, "no pictures in this folder"),
        (["teach", "{model}", " ", "{folder}"], 1, "class name"),
        (["teach", "{model}", "x", "{empty}"], 1, "no pictures"),
        (["inspect", "{folder}/0.png"], 1, "0.png: "),
        (["reproduce", "digit"], 1, "Did you mean 'digits'"),
        (["fit", "none", "--out", "{empty}/run"], 1, "neither a folder nor a built-in"),
        (["fit", "digits"], 2, "--out"),
    ],
)
def test_mistakes_get_one_line_and_the_conventional_code(
    model, folder, tmp_path, capsys, arguments, code, message
):
    empty = tmp_path / "empty"
    empty.mkdir()
    filled = [a.format(model=model, folder=folder, empty=empty) for a in arguments]
    assert run(filled) == code
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("bitgrove:")]
    assert len(lines) == 1


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_truncated_model_is_refused_in_one_line(model, folder, capsys, keep):
    model.write_bytes(model.read_bytes()[:keep])
    assert run(["predict", str(model), str(folder)]) == 1
    err = capsys.readouterr().err
    assert "at byte" in err
    assert err.count("\n") == 1


def test_names_with_control_characters_are_escaped(model, tmp_path, capsys):
    path = tmp_path / "a\x1b[2J\nb.png"
    Image.new("L", (8, 8)).save(path)
    assert run(["predict", str(model), str(path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "a\\x1b[2J\\nb.png" in out


def test_help_exits_well_and_lists_the_commands(capsys):
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    for command in ("fit", "predict", "teach", "inspect", "doctor", "reproduce", "data"):
        assert command in out


def test_a_reader_that_leaves_early_causes_no_traceback(model, folder):
    command = f"'{sys.executable}' -m bitgrove.cli predict {model} {folder} --json | head -n 1"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert ran.stdout.count("\n") == 1
    assert "Traceback" not in ran.stderr


def test_importing_bitgrove_is_cheap_and_brings_no_torch():
    code = "import sys, bitgrove; assert not {'torch', 'numpy', 'cyclopts'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import bitgrove"],
        capture_output=True,
        text=True,
        check=True,
    )
    last = next(line for line in ran.stderr.splitlines() if line.endswith("| bitgrove"))
    assert int(last.split("|")[1]) < 150_000  # microseconds


def test_asking_for_a_trillion_neighbours_shows_those_there_are(model, folder, capsys):
    assert run(["predict", str(model), str(folder / "0.png"), "--k", str(10**12), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["neighbours"]) == 60


def test_hidden_folders_and_other_files_are_no_pictures(model, folder, capsys):
    (folder / ".old").mkdir()
    (folder / "0.png").rename(folder / ".old" / "0.png")
    (folder / "notes.pdf").write_bytes(b"%PDF")
    assert run(["predict", str(model), str(folder), "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_what_a_file_says_cannot_reach_the_terminal(tmp_path, capsys):
    path = tmp_path / "x.grove"
    files.write(path, {"a": np.zeros(1)}, {}, kind="\x1b]0;owned\x07", version=1)
    assert run(["inspect", str(path)]) == 1
    printed = "".join(capsys.readouterr())
    assert "\x1b" not in printed
    assert "\\x1b]0;owned" in printed


def test_an_index_that_makes_no_sense_is_not_shown(tmp_path, capsys):
    path = tmp_path / "x.index"
    files.write(path, {"vectors": np.zeros(3)}, {"type": "fanng"}, kind="index", version=1)
    assert run(["inspect", str(path)]) == 1
    assert "x.index" in capsys.readouterr().err


def test_inspect_counts_the_bits_of_sequences_and_volumes_too(tmp_path, capsys):
    layers = {1: nn.BinaryConv1d(24, 5, 3), 3: nn.BinaryConv3d(24, 6, 3, groups=2)}
    for sides, layer in layers.items():
        x = torch.zeros(1, 24, *[4] * sides)
        export.pack(torch.nn.Sequential(layer, torch.nn.Flatten()), x).save(tmp_path / "m.grove")
        assert run(["inspect", str(tmp_path / "m.grove")]) == 0
        lines = capsys.readouterr().out.splitlines()
        total = next(line for line in lines if line.startswith("all layers"))
        assert total.split()[2] == f"{layer.weight.numel():,}"
