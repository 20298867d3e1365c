"""Forests in ONNX against the packed session, and against trees walked one step at a time."""

import json

import numpy as np
import onnx
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestRegressor

from bitgrove import export, runtime
from bitgrove.runtime import Artifact

from ..runtime.trees import outputs_of, random_trees
from .onnx_files import DIALECTS, FLATTEN, assert_near, compared, graph_of, run, written


def forest(tensors):
    return ("forest", None, {}, tensors)


def stump(threshold):
    return {
        "feature": np.int32([0]),
        "threshold": np.float32([threshold]),
        "children": np.int32([[~0, ~1]]),
        "root": np.int32([0]),
        "leaf": np.float32([[1], [2]]),
    }


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("outs", [1, 3])
@pytest.mark.parametrize("shape", [(5, 1), (5, 7), (4, 1, 1), (4, 3, 5), (3, 2, 2, 3)])
def test_every_pixel_goes_the_way_that_loops_go(shape, outs, dialect, tmp_path):
    rng = np.random.default_rng(outs)
    tensors = random_trees(rng, shape[0], outs, trees=7, depth=6, thresholds=np.arange(-3, 4) / 2)
    x = np.round(rng.standard_normal((3, *shape)) * 2).astype(np.float32) / 2  # many ties
    got, packed = compared(graph_of(shape, forest(tensors)), x, tmp_path, dialect)
    assert_near(got, packed)
    pixels = np.moveaxis(x, 1, -1).reshape(-1, shape[0])
    expected = outputs_of(tensors, pixels).reshape(3, *shape[1:], outs)
    expected = np.moveaxis(expected, -1, 1)
    assert_near(got.reshape(expected.shape), expected)


def test_equal_goes_left_and_the_next_number_goes_right(tmp_path):
    t = np.float32(0.1)
    x = np.float32([t, np.nextafter(t, np.float32(1)), -np.inf, np.inf]).reshape(4, 1, 1)
    got, packed = compared(graph_of((1, 1), forest(stump(t))), x, tmp_path)
    assert got.ravel().tolist() == packed.ravel().tolist() == [1, 2, 1, 2]


@pytest.mark.parametrize("classes", [(3, 5, 9), ("a", "b", "c"), None])
def test_link_and_classes_are_metadata(classes, tmp_path):
    tensors = random_trees(np.random.default_rng(0), 4, 3)
    packed = runtime.Forest(4, **tensors, link="normalise", classes=classes)
    model = onnx.load(written(packed.artifact(), tmp_path))
    props = {p.key: json.loads(p.value) for p in model.metadata_props}
    assert props["link"] == "normalise"
    assert props.get("classes") == (None if classes is None else list(classes))
    plain = runtime.Forest(4, **tensors, link="softmax").artifact()
    assert not onnx.load(written(plain, tmp_path)).metadata_props


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_tree_may_be_a_leaf_and_leaves_may_be_shared(dialect, tmp_path):
    tensors = stump(0) | {"children": np.int32([[~0, ~0]]), "root": np.int32([~1, 0, ~1])}
    x = np.float32([-1, 1]).reshape(2, 1, 1)
    got, packed = compared(graph_of((1, 1), forest(tensors)), x, tmp_path, dialect)
    assert got.tolist() == packed.tolist() == [[5], [5]]


@pytest.mark.parametrize(("missing", "expected"), [(None, 1), (0, 1), (1, 2)])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_nan_goes_where_the_node_says(missing, expected, dialect, tmp_path):
    """Infinity times 0 is NaN, which a session takes inside a network."""
    tensors = stump(0) | ({} if missing is None else {"missing": np.uint8([missing])})
    zeros = {"scale": np.zeros(1, np.float32), "bias": np.zeros(1, np.float32)}
    artifact = graph_of((1, 1), ("affine", None, {}, zeros), forest(tensors))
    x = np.full((1, 1, 1), np.inf, np.float32)
    with np.errstate(invalid="ignore"):
        got, packed = compared(artifact, x, tmp_path, dialect)
    assert got.item() == packed.item() == expected


def test_a_node_says_so_for_itself(tmp_path):
    """Trees with both kinds of nodes, of which a pixel meets many."""
    rng = np.random.default_rng(3)
    tensors = random_trees(rng, 4, 2, trees=5, missing=True)
    assert set(tensors["missing"]) == {0, 1}
    scale = {"scale": np.zeros(4, np.float32), "bias": np.zeros(4, np.float32)}
    artifact = graph_of((4, 9), ("affine", None, {}, scale), forest(tensors))
    x = np.where(rng.random((3, 4, 9)) < 0.5, np.inf, 1).astype(np.float32)
    assert_near(*compared(artifact, x, tmp_path))


def test_a_long_chain_is_walked_to_its_end(tmp_path):
    depth = 1000
    tensors = {
        "feature": np.zeros(depth, np.int32),
        "threshold": np.arange(depth, dtype=np.float32),
        "children": np.stack([~np.arange(depth), np.arange(1, depth + 1)], 1).astype(np.int32),
        "root": np.int32([0]),
        "leaf": np.arange(depth + 1, dtype=np.float32)[:, None],
    }
    tensors["children"][-1, 1] = ~depth
    x = np.float32([-1, 0.5, 500, 998.5, 1e9]).reshape(5, 1, 1)
    got, packed = compared(graph_of((1, 1), forest(tensors)), x, tmp_path)
    assert got.ravel().tolist() == packed.ravel().tolist() == [0, 1, 500, 999, 1000]


def test_it_runs_on_flattened_values_and_before_other_operators(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4, 3, 2)).astype(np.float32)
    tensors = random_trees(rng, 24, 5)
    assert_near(*compared(graph_of(x.shape[1:], FLATTEN, forest(tensors)), x, tmp_path))
    tensors = random_trees(rng, 4, 5)
    last = ("adaptive_avg_pool", None, {"size": [1, 1]}, {})
    assert_near(*compared(graph_of(x.shape[1:], forest(tensors), last), x, tmp_path))


def test_leaves_in_float16_are_added_in_float32(tmp_path):
    rng = np.random.default_rng(0)
    tensors = random_trees(rng, 6, 4)
    artifact = graph_of((6, 1), forest(tensors)).with_real_dtype("float16")
    assert artifact.graph.nodes[0].tensors["leaf"].dtype == np.float16
    x = rng.standard_normal((9, 6, 1)).astype(np.float32)
    assert_near(*compared(artifact, x, tmp_path))


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("shape", [(3, 1), (3, 4)])
def test_the_domain_of_trees_is_declared_where_there_are_trees(shape, batch, tmp_path):
    artifact = graph_of(shape, forest(stump(0)))
    path = written(artifact, tmp_path, batch=batch)
    opsets = {o.domain: o.version for o in onnx.load(path).opset_import}
    assert opsets == {"": 11, "ai.onnx.ml": 1}
    assert run(path, np.ones((2, *shape), np.float32))["logits"].tolist() == (
        runtime.Session(artifact).run(np.ones((2, *shape), np.float32)).tolist()
    )
    path = written(graph_of(shape, ("relu", None, {}, {})), tmp_path)
    assert [o.domain for o in onnx.load(path).opset_import] == [""]


def test_trees_count_among_the_weights_of_a_file(tmp_path, monkeypatch):
    tensors = random_trees(np.random.default_rng(0), 6, 4, trees=20)
    artifact = graph_of((6, 1), forest(tensors))
    size = written(artifact, tmp_path).stat().st_size
    monkeypatch.setattr(export._onnx, "_MOST_BYTES", size // 2)
    with pytest.raises(ValueError, match="past the 2 GiB"):
        export.to_onnx(artifact, tmp_path / "n.onnx")
    monkeypatch.setattr(export._onnx, "_MOST_BYTES", 2 * size)
    export.to_onnx(artifact, tmp_path / "n.onnx")


def test_a_forest_of_another_library_comes_through(tmp_path):
    X, y = load_digits(return_X_y=True)
    model = RandomForestRegressor(10, max_depth=9, random_state=0).fit(X, y)
    packed = export.import_forest(model)
    path = tmp_path / "forest.grove"
    packed.save(path)
    artifact = Artifact.load(path)
    x = X[:200].astype(np.float32)[..., None]
    got, expected = compared(artifact, x, tmp_path)
    assert_near(got, expected)
    assert_near(got[:, 0], model.predict(X[:200]).astype(np.float32))
