"""``bitgrove inspect``: every byte of a file is somebody's."""

import json

import numpy as np
import pytest
import torch

from bitgrove import export, files, nn, runtime
from bitgrove.cli._app import run
from bitgrove.search import Flat

from ..runtime.conftest import make_artifact
from ..runtime.test_sharing import tied


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "m.grove"
    make_artifact().save(path)
    return path


def inspected(path, capsys):
    assert run(["inspect", str(path), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def table(path, capsys):
    """Rows of the table, by name of the layer, split at blanks."""
    assert run(["inspect", str(path)]) == 0
    lines = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert lines[0].split()[0] == "layer"
    return {line.split("  ")[0]: line.split() for line in lines[1:]}


def total(found):
    parts = sum(layer["bytes"] for layer in found["layers"])
    assert parts == sum(found["stored"].values())
    return parts + found["header"] + found["examples"] + found["unused"]


def test_sizes_of_layers_header_and_examples_add_up_to_the_file(path, capsys):
    found = inspected(path, capsys)
    assert found["bytes"] == path.stat().st_size == total(found)
    assert found["examples"] > 0
    assert found["unused"] == 0


def test_sizes_are_those_counted_by_hand_in_the_order_of_the_graph(path, capsys):
    found = inspected(path, capsys)
    counted = [
        (row["name"], row["operator"], row["binary_weights"], row["real_numbers"], row["stored"])
        for row in found["layers"]
    ]
    assert counted == [
        ("stem", "conv2d", 0, 144, {"float32": 576}),
        ("layer.sign", "sign", 0, 16, {"float32": 64}),
        ("layer", "binary_conv2d", 16 * 16 * 9, 32, {"float32": 128, "bits": 288}),
        ("sum", "add", 0, 0, {}),
        ("pool", "adaptive_avg_pool", 0, 0, {}),
        ("head", "conv2d", 0, 51, {"float32": 204}),
    ]
    assert found["layers"][2]["output"] == [16, 8, 8]
    assert found["labels"] == ["class-0", "class-1", "class-2"]
    assert found["classes"] == dict.fromkeys(found["labels"], 20)


def test_the_table_says_the_same_as_the_json(path, capsys):
    found, rows = inspected(path, capsys), table(path, capsys)
    order = [layer["name"] for layer in found["layers"]]
    assert list(rows) == ["image", *order, "all layers", "header", "examples", "file"]
    for layer in found["layers"]:
        if layer["bytes"]:
            share = f"{layer['bytes'] / found['bytes']:.1%}"
            assert rows[layer["name"]][-2:] == [f"{layer['bytes']:,}", share]
    sizes = [int(rows[name][-2].replace(",", "")) for name in ("all layers", "header", "examples")]
    assert sum(sizes) == int(rows["file"][-2].replace(",", "")) == found["bytes"]
    assert rows["file"][-1] == "100.0%"
    assert "bits+float32" in rows["layer"]


def test_float16_is_shown_and_takes_half(path, capsys):
    before = inspected(path, capsys)["stored"]
    runtime.load(path).artifact.with_real_dtype("float16").save(path)
    found = inspected(path, capsys)
    assert found["stored"] == {"float16": (before["float32"] - 64) // 2, "float32": 64, "bits": 288}
    assert found["bytes"] == total(found) == path.stat().st_size
    assert table(path, capsys)["stem"][4] == "float16"


def test_what_layers_share_counts_once(tmp_path, capsys):
    path = tmp_path / "m.grove"
    tied(3).save(path)
    found = inspected(path, capsys)
    weights, bias = 8 * 9 * 8, 8
    assert [row["real_numbers"] for row in found["layers"]] == [weights + bias, bias, bias]
    assert found["bytes"] == total(found)
    layer = nn.BinaryConv2d(8, 8, 3, padding=1)
    export.pack(torch.nn.Sequential(layer, layer), torch.zeros(1, 8, 6, 6)).save(path)
    counts = [row["binary_weights"] for row in inspected(path, capsys)["layers"]]
    assert counts == [0, 8 * 9 * 8, 0, 0]


def test_tensors_that_nothing_names_are_shown(path, capsys):
    tensors, metadata = files.read(path, kind="grove", version=2)
    tensors["secret"] = np.zeros(1000, np.uint8)
    files.write(path, tensors, metadata, kind="grove", version=2)
    found = inspected(path, capsys)
    assert found["unused"] == 1000
    assert found["bytes"] == total(found)
    assert table(path, capsys)["not used by the model"][-2] == "1,000"


def test_names_cannot_reach_the_terminal(path, capsys):
    tensors, metadata = files.read(path, kind="grove", version=2)
    metadata["network"]["nodes"][3]["name"] = "evil\x1b[2J"
    files.write(path, tensors, metadata, kind="grove", version=2)
    assert run(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "evil\\x1b[2J" in out
    assert inspected(path, capsys)["layers"][3]["name"] == "evil\x1b[2J"  # escaped by JSON


def test_a_model_without_any_tensor_has_a_size_too(tmp_path, capsys):
    path = tmp_path / "m.grove"
    node = runtime.Node("relu", "act", (0,))
    runtime.Artifact(runtime.Graph((1, 8, 8), (node,), 1, 1)).save(path)
    found = inspected(path, capsys)
    assert found["bytes"] == found["header"] == total(found)
    assert found["preprocessing"] is None
    assert found["classes"] is None
    assert list(table(path, capsys)) == ["image", "act", "all layers", "header", "file"]


def test_an_index_is_one_json_object_too(tmp_path, capsys):
    index = Flat(4)
    index.add(np.zeros((20, 4), np.float32))
    index.save(tmp_path / "i.index")
    found = inspected(tmp_path / "i.index", capsys)
    assert found["kind"] == "index"
    assert found["settings"]["dim"] == 4
    sizes = {row["name"]: (row["shape"], row["bytes"]) for row in found["tensors"]}
    assert sizes["vectors"] == ([20, 4], 320)
