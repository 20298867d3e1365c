"""Tensors that are the same are stored once."""

import numpy as np
import pytest

from bitgrove import files, runtime
from bitgrove.runtime import Artifact, Graph, Node, Session, _sharing

CONV = {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "pad_value": 0}


def tied(calls=3, *, bias=True):
    """One convolution that is called several times, with a bias of its own each time."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((8, 3, 3, 8)).astype(np.float32) / 8
    nodes = []
    for i in range(calls):
        tensors = {"weight": weight.copy()}
        if bias:
            tensors["bias"] = rng.standard_normal(8).astype(np.float32)
        nodes.append(Node("conv2d", f"conv{i}", (i,), CONV, tensors))
    return Artifact(Graph((8, 5, 5), tuple(nodes), calls, calls))


def forge(path, edit):
    tensors, metadata = files.read(path, kind="grove", version=3)
    edit(tensors, metadata["network"]["nodes"])
    files.write(path, tensors, metadata, kind="grove", version=3)


def test_a_layer_that_is_called_three_times_is_stored_once(tmp_path):
    artifact, path = tied(), tmp_path / "m.grove"
    artifact.save(path)
    tensors, _ = files.read(path, kind="grove", version=3)
    assert tensors.keys() == {"conv0.weight", "conv0.bias", "conv1.bias", "conv2.bias"}
    x = np.random.default_rng(1).standard_normal((4, 8, 5, 5)).astype(np.float32)
    expected = Session(artifact).run(x)
    np.testing.assert_array_equal(runtime.load(path).run(x), expected)
    runtime.load(path).artifact.save(path)  # and again
    assert files.read(path, kind="grove", version=3)[0].keys() == tensors.keys()


def test_what_differs_in_dtype_shape_or_one_bit_is_not_shared():
    same = np.zeros(4, np.float32)
    other = same.copy()
    other[3] = -0.0
    named = [
        ("a", same),
        ("shape", same.reshape(2, 2)),
        ("dtype", same.view(np.int32)),
        ("bit", other),
        ("same", same.copy()),
    ]
    assert _sharing.find_shared(named) == {"same": "a"}


def test_sizes_count_what_is_shared_once():
    size = 8 * 3 * 3 * 8 * 4
    assert f"bytes={size}," in repr(tied(4, bias=False))


def test_nothing_is_shared_past_the_limit(monkeypatch, tmp_path):
    monkeypatch.setattr(_sharing, "LIMIT", 2 * 8 * 9 * 8 * 4)
    artifact, path = tied(5, bias=False), tmp_path / "m.grove"
    artifact.save(path)
    assert files.read(path, kind="grove", version=3)[0].keys() == {
        "conv0.weight",
        "conv3.weight",
        "conv4.weight",
    }
    runtime.load(path)
    monkeypatch.setattr(_sharing, "LIMIT", 8 * 9 * 8 * 4)
    with pytest.raises(files.FileFormatError, match="share more than"):
        runtime.load(path)


@pytest.mark.parametrize(
    ("shared", "message"),
    [
        ({"weight": "conv9.weight"}, "in error"),
        ({"weight": "conv1.weight"}, "in error"),  # which is shared itself
        ({"weight": ["conv0.weight"]}, "incomplete"),
        ({"weight": "conv0.bias"}, "must be float32"),
        ({"weight": "conv0.weight", "bias": "conv0.bias"}, "in error"),  # it has one of its own
        ({"weight": "conv0.weight", "odd": "conv0.bias"}, "unknown"),
        (7, "incomplete"),
        ("conv0.weight", "m.grove"),
    ],
)
def test_a_forged_share_is_refused(tmp_path, shared, message):
    path = tmp_path / "m.grove"
    tied().save(path)

    def edit(tensors, nodes):
        assert nodes[1]["shared"] == {"weight": "conv0.weight"}
        nodes[1]["shared"] = shared

    forge(path, edit)
    with pytest.raises(files.FileFormatError, match=message):
        runtime.load(path)


def test_ten_thousand_nodes_cannot_make_a_large_network_of_a_small_file(tmp_path):
    path = tmp_path / "m.grove"
    artifact = tied(2, bias=False)
    artifact.graph.nodes[0].tensors["weight"] = np.zeros((8, 3, 3, 8 * 1024), np.float32)
    artifact.save(path)

    def edit(tensors, nodes):
        shared = {**nodes[0], "tensors": [], "shared": {"weight": "conv0.weight"}}
        nodes[1:] = [{**shared, "name": f"n{i}", "inputs": [0]} for i in range(9_999)]

    forge(path, edit)
    with pytest.raises(files.FileFormatError, match="share more than"):
        runtime.load(path)
