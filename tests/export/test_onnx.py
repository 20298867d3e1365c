"""The file that to_onnx writes: its inputs, outputs and metadata, and what it refuses."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest

from bitgrove import export, runtime
from bitgrove.files import FileFormatError
from bitgrove.runtime import Artifact, Graph, Node

from ..runtime.conftest import make_artifact
from .conftest import images
from .onnx_files import FLATTEN, graph_of, run, written


def dims(values):
    return {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in values
    }


@pytest.mark.parametrize("batch", [None, 1, 5])
def test_the_batch_is_an_axis_or_a_number(batch, tmp_path):
    path = written(make_artifact(), tmp_path, batch=batch)
    graph, rows = onnx.load(path).graph, batch or "batch"
    assert dims(graph.input) == {"image": [rows, 1, 8, 8]}
    assert dims(graph.output) == {"logits": [rows, 3], "embedding": [rows, 16]}
    x = images(batch or 7, 1, 8, 8)
    assert run(path, x)["logits"].shape == (len(x), 3)


def test_a_file_is_written_from_a_file(tmp_path):
    make_artifact().save(tmp_path / "m.grove")
    export.to_onnx(make_artifact(), tmp_path / "a.onnx")
    export.to_onnx(tmp_path / "m.grove", tmp_path / "b.onnx")
    export.to_onnx(str(tmp_path / "m.grove"), str(tmp_path / "c.onnx"))
    contents = [(tmp_path / f"{name}.onnx").read_bytes() for name in "abc"]
    assert contents[0] == contents[1] == contents[2]
    assert {path.name for path in tmp_path.iterdir()} == {"m.grove", "a.onnx", "b.onnx", "c.onnx"}


def test_labels_and_preprocessing_are_metadata(tmp_path):
    artifact = make_artifact()
    artifact.labels = ["é", "\ud800", "c"]
    props = {p.key: p.value for p in onnx.load(written(artifact, tmp_path)).metadata_props}
    assert json.loads(props["labels"]) == artifact.labels
    prep = json.loads(props["preprocessing"])
    assert runtime.Preprocessing.from_dict(prep) == artifact.preprocessing
    assert props.keys() == {"labels", "preprocessing"}
    bare = written(Artifact(artifact.graph), tmp_path)
    assert not onnx.load(bare).metadata_props


def test_the_versions_are_low_enough_for_old_runtimes(tmp_path):
    model = onnx.load(written(make_artifact(), tmp_path))
    assert (model.ir_version, model.producer_name) == (6, "bitgrove")
    assert {o.domain: o.version for o in model.opset_import} == {"": 11}
    model = onnx.load(written(make_artifact(), tmp_path, dialect="qonnx"))
    assert {o.domain: o.version for o in model.opset_import} == {
        "": 11,
        "qonnx.custom_op.general": 1,
    }


@pytest.mark.parametrize("dialect", ["plain", "qonnx"])
def test_every_value_has_its_shape_in_the_file(dialect, tmp_path):
    """A reader who does not know BipolarQuant could not infer them."""
    graph = onnx.load(written(make_artifact(), tmp_path, dialect=dialect, batch=2)).graph
    known = dims(graph.value_info) | dims(graph.output)
    assert known["stem"] == known["layer.sign"] == known["sum"] == [2, 16, 8, 8]
    assert known["logits"] == [2, 3]


def test_binary_weights_are_plus_and_minus_one(tmp_path):
    graph = onnx.load(written(make_artifact(), tmp_path)).graph
    weight = next(t for t in graph.initializer if t.name == "layer.weight")
    array = onnx.numpy_helper.to_array(weight)
    assert array.dtype == np.float32
    assert array.shape == (16, 16, 3, 3)
    assert set(np.unique(array)) == {-1, 1}
    assert "Sign" not in {node.op_type for node in graph.node}


IMAGE = [(0, 1), (1, 0), (0, 0), (1, 1)]


@pytest.mark.parametrize(("logits", "embedding"), IMAGE)
@pytest.mark.parametrize("shape", [(3, 4), (5, 1)])
def test_the_image_itself_may_leave_and_no_value_leaves_twice(logits, embedding, shape, tmp_path):
    artifact = Artifact(Graph(shape, (Node("relu", "r", (0,)),), logits, embedding))
    x, session = images(2, *shape), runtime.Session(artifact)
    got = run(written(artifact, tmp_path), x)
    np.testing.assert_array_equal(got["logits"], session.run(x))
    assert ("embedding" in got) == (logits != embedding)
    np.testing.assert_array_equal(got.get("embedding", session.embed(x)), session.embed(x))


def test_two_outputs_that_are_the_same_tensor_both_leave(tmp_path):
    artifact = graph_of((6, 1), FLATTEN, ("flatten", None, {}, {}))
    artifact = Artifact(Graph((6, 1), artifact.graph.nodes, 2, 1))
    x = images(2, 6, 1)
    got = run(written(artifact, tmp_path), x)
    np.testing.assert_array_equal(got["logits"], x[:, :, 0])
    np.testing.assert_array_equal(got["embedding"], x[:, :, 0])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dialect": "onnx"}, ValueError, "dialect must be 'plain' or 'qonnx', got 'onnx'"),
        ({"dialect": None}, ValueError, "got None"),
        ({"batch": 0}, ValueError, "batch must be at least 1, or None for any number, got 0"),
        ({"batch": 2.0}, TypeError, "whole number or None, got float"),
        ({"batch": True}, TypeError, "got bool"),
    ],
)
def test_wrong_arguments_are_refused(options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        export.to_onnx(make_artifact(), tmp_path / "m.onnx", **options)
    assert not list(tmp_path.iterdir())


def test_what_is_no_model_is_refused(tmp_path):
    out = tmp_path / "m.onnx"
    with pytest.raises(TypeError, match=r"artifact must be what pack returned .*, got Session"):
        export.to_onnx(runtime.Session(make_artifact()), out)  # pyright: ignore[reportArgumentType]
    with pytest.raises(FileNotFoundError, match=r"none\.grove"):
        export.to_onnx(tmp_path / "none.grove", out)
    model = tmp_path / "m.grove"
    make_artifact().save(model)
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(FileFormatError, match="at byte"):
        export.to_onnx(model, out)
    assert [path.name for path in tmp_path.iterdir()] == ["m.grove"]


def test_a_place_where_no_file_can_be_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such folder to write to: .*missing'"):
        export.to_onnx(make_artifact(), tmp_path / "missing" / "m.onnx")
    with pytest.raises(IsADirectoryError, match="name a file in it"):
        export.to_onnx(make_artifact(), tmp_path)


def test_the_model_itself_is_never_overwritten(tmp_path):
    make_artifact().save(tmp_path / "m.grove")
    before = (tmp_path / "m.grove").read_bytes()
    (tmp_path / "link.onnx").symlink_to(tmp_path / "m.grove")
    for name in ("m.grove", "link.onnx"):
        with pytest.raises(ValueError, match="path is the model itself"):
            export.to_onnx(tmp_path / "m.grove", tmp_path / name)
    assert (tmp_path / "m.grove").read_bytes() == before


def test_an_operator_without_an_onnx_form_is_named(tmp_path, monkeypatch):
    monkeypatch.delitem(export._onnx_graph.CONVERTERS, "add")
    with pytest.raises(ValueError, match=r"node 'sum' \(add\): has no ONNX form; .*binary_conv"):
        export.to_onnx(make_artifact(), tmp_path / "m.onnx")


def test_a_model_past_two_gigabytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(export._onnx, "_MOST_BYTES", 9000)
    with pytest.raises(ValueError, match=r"10,\d+ bytes of weights are past the 2 GiB"):
        export.to_onnx(make_artifact(), tmp_path / "m.onnx")


def test_importing_export_needs_no_onnx_and_writing_says_what_to_install(tmp_path):
    make_artifact().save(tmp_path / "m.grove")
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "from bitgrove import export\n"
        "try: export.to_onnx(sys.argv[1], 'm.onnx')\n"
        "except ImportError as error: print(error)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.grove")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert ran.stdout == (
        "bitgrove.export.to_onnx needs 'onnx'. Install it with: pip install 'bitgrove[onnx]'\n"
    )
