"""Every network of bitgrove in both dialects, run without bitgrove."""

import numpy as np
import onnx
import pytest
import torch

from bitgrove import runtime

from ..models import small
from .networks import SMALL, make
from .onnx_files import assert_near, evaluate, pack, run, written


def check(outputs, artifact, x):
    session = runtime.Session(artifact)
    assert_near(outputs["logits"], session.run(x), 1e-4)
    if artifact.graph.embedding != artifact.graph.logits:
        assert_near(outputs["embedding"], session.embed(x), 1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_a_network_gives_the_same_answers_in_onnxruntime(name, tmp_path):
    model, x = make(name)
    artifact = pack(model, x.numpy())
    check(run(written(artifact, tmp_path), x.numpy()), artifact, x.numpy())


@pytest.mark.parametrize("name", small.SMALL)
def test_a_variant_gives_the_same_answers_in_onnxruntime(name, tmp_path):
    model, x = small.make(name)
    artifact = pack(small.warmed(model, x), x.numpy())
    check(run(written(artifact, tmp_path, batch=len(x)), x.numpy()), artifact, x.numpy())


@pytest.mark.parametrize("name", [name for name in SMALL if name != "birealnet152"])
def test_a_network_gives_the_same_answers_as_qonnx(name, tmp_path):
    model, x = make(name)
    artifact, x = pack(model, x.numpy()), x.numpy()[:1]
    path = written(artifact, tmp_path, dialect="qonnx", batch=1)
    check(evaluate(path, x), artifact, x)
    quantised = [n for n in onnx.load(path).graph.node if n.op_type == "BipolarQuant"]
    kinds = ("sign", "binarise", "binary")
    binary = sum(node.op.startswith(kinds) for node in artifact.graph.nodes)
    assert len(quantised) == binary
    assert (binary == 0) == (name == "fernnet")  # all of look-ups: nothing for QONNX to mark


@pytest.mark.parametrize("dialect", ["plain", "qonnx"])
def test_the_signs_inside_a_network_are_equal_one_by_one(dialect, tmp_path):
    """Bits on the way are outputs of no session, so a network is cut behind each of its signs."""
    model, x = make("birealnet_small")
    whole = pack(model, x.numpy()).graph
    signs = [number for number, node in enumerate(whole.nodes, 1) if node.op == "sign"]
    evaluators = {"plain": run, "qonnx": evaluate}
    for number in signs:
        graph = runtime.Graph(whole.input, whole.nodes[:number], number, number)
        artifact = runtime.Artifact(graph)
        got = evaluators[dialect](written(artifact, tmp_path, dialect=dialect), x.numpy())["logits"]
        assert set(np.unique(got)) == {-1, 1}
        np.testing.assert_array_equal(got, runtime.Session(artifact).run(x.numpy()))
    assert len(signs) > 3


def test_float16_numbers_are_written_as_they_are_computed_with(tmp_path):
    torch.manual_seed(0)
    model, x = make("birealnet_small")
    artifact = pack(model, x.numpy())
    artifact.graph = artifact.graph.with_real_dtype("float16")
    assert any(a.dtype == np.float16 for a in artifact.graph.arrays().values())
    check(run(written(artifact, tmp_path), x.numpy()), artifact, x.numpy())
