"""Exports packed models and runs the files without bitgrove: onnxruntime, and the definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from bitgrove import export, runtime


def pack(model, x: np.ndarray) -> runtime.Artifact:
    return export.pack(model.eval(), torch.from_numpy(x))


def written(artifact: runtime.Artifact, folder: Path, **options: Any) -> Path:
    """The ONNX file of a packed model, checked by ``onnx``."""
    path = folder / "m.onnx"
    export.to_onnx(artifact, path, **options)
    onnx.checker.check_model(path, full_check=True)
    return path


def run(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of a plain file by name, from onnxruntime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": x}), strict=True))


class BipolarQuant(OpRun):
    """As QONNX defines it: +scale from 0 on, -scale below."""

    op_domain = "qonnx.custom_op.general"

    def _run(self, x, scale):
        assert scale == 1, "a scale would hide the type BIPOLAR"
        return (np.where(x >= 0, scale, -scale).astype(np.float32),)


def evaluate(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of a QONNX file by name, operator by operator as ONNX and QONNX define them."""
    evaluator = ReferenceEvaluator(onnx.load(path), new_ops=[BipolarQuant])
    return dict(zip(evaluator.output_names, evaluator.run(None, {"image": x}), strict=True))


RUN = {"plain": run, "qonnx": evaluate}
DIALECTS = list(RUN)

CONV = {"stride": [1, 1], "dilation": [1, 1], "groups": 1, "pad_value": 0}
FLATTEN = ("flatten", None, {}, {})


def assert_near(got: np.ndarray, expected: np.ndarray, tolerance: float = 1e-5) -> None:
    """Equal but for rounding, against the largest number."""
    assert got.shape == expected.shape
    size = np.abs(expected).max(initial=1e-30)
    np.testing.assert_allclose(got / size, expected / size, rtol=0, atol=tolerance)


def compared(artifact, x, folder, dialect="plain"):
    """Logits of the file and of the packed session, the embeddings having been found equal."""
    got = RUN[dialect](written(artifact, folder, dialect=dialect), x)
    session = runtime.Session(artifact)
    if "embedding" in got:
        assert_near(got["embedding"], session.embed(x))
    return got["logits"], session.run(x)


def graph_of(shape, *nodes):
    """A network of nodes that read the one before them, unless they say what they read."""
    made = tuple(
        runtime.Node(op, f"n{i}", inputs if inputs else (i,), attributes, tensors)
        for i, (op, inputs, attributes, tensors) in enumerate(nodes)
    )
    return runtime.Artifact(runtime.Graph(shape, made, len(made), len(made)))


def vector(n, seed):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)
