"""A packed model as an ONNX file, for runtimes and compilers that are not ours."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from .. import __version__, require
from ..files import check_writable, replacing
from ..interfaces import describe
from ..runtime import Artifact
from ._onnx_builder import ML_DOMAIN, QONNX_DOMAIN, Dialect, OnnxNode
from ._onnx_graph import INPUT, convert

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET, IR_VERSION = 11, 6
"""The first in which ``Clip`` and ``Pad`` take their numbers as inputs, as they do to this day; all
else is older. Runtimes since the end of 2019 read it, and QONNX's tools prefer it."""

_MOST_BYTES = (1 << 31) - (1 << 20)
"""Of constants: a protocol buffer ends at 2 GiB."""


def to_onnx(
    artifact: Artifact | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    dialect: Dialect = "plain",
    batch: int | None = None,
) -> None:
    """Write a packed model as an ONNX file.

    The input ``image`` is ``float32[batch, c, h, w]`` (or a series, or a volume). The output
    ``logits`` is what :meth:`bitgrove.runtime.Session.run` returns, and ``embedding``, if it is
    another value, what ``embed`` returns. Labels, preprocessing, and, where the model has them,
    ``link`` (how logits become probabilities, if that is no softmax) and ``classes`` (of a forest
    on rows) are JSON texts under those names in the ``metadata_props`` of the file; remembered
    examples stay behind. The arithmetic is that of the packed model: integers and signs are equal,
    and real values to float rounding. So are signs of NaN, which infinite numbers may leave inside
    a network, but for flipped channels in ``qonnx``, whose quantiser makes -1 of it.

    Two dialects. ``plain`` is opset 11 of ONNX, and version 1 of its domain ``ai.onnx.ml`` where
    there are forests of trees, and nothing else: binary weights are the floats +1 and -1, 32 bits
    each, and a sign is a comparison with its threshold. ``qonnx`` marks binary weights and signs
    with ``BipolarQuant`` of the domain ``qonnx.custom_op.general`` (scale 1, 0 becomes +1), for
    FINN and other readers of QONNX (Pappalardo et al., "QONNX: Representing Arbitrary-Precision
    Quantized Neural Networks", 2022); a scale is a ``Mul`` behind its layer. Ferns and forests are
    the same in both.

    Args:
        artifact: a packed model, or the path of a ``.grove`` file.
        path: where to write; an existing file is replaced at the very end.
        dialect: ``"plain"`` or ``"qonnx"``.
        batch: images at once, at least 1; None for any number. FINN wants 1.

    Raises:
        FileFormatError: the ``.grove`` file is damaged.
        ImportError: ``onnx`` is missing; ``pip install 'bitgrove[onnx]'`` brings it.
        OSError: a file cannot be read or written.
        TypeError: ``artifact`` or ``batch`` is of another kind.
        ValueError: ``dialect`` or ``batch`` is none of the above, ``path`` is the ``.grove`` file
            itself, an operator has no ONNX form, or the weights are past the 2 GiB of an ONNX file.

    >>> import tempfile, onnx
    >>> from bitgrove.runtime import Graph, Node
    >>> model = Artifact(Graph((1, 8, 8), (Node("sign", "bits", (0,), {"groups": 1}),), 1, 1))
    >>> out = Path(tempfile.mkdtemp()) / "m.onnx"
    >>> to_onnx(model, out)
    >>> [node.op_type for node in onnx.load(out).graph.node]
    ['Greater', 'Equal', 'Or', 'Where']
    >>> to_onnx(model, out, dialect="qonnx")
    >>> [node.op_type for node in onnx.load(out).graph.node]
    ['BipolarQuant']
    """
    if dialect not in get_args(Dialect):
        raise ValueError(f"dialect must be 'plain' or 'qonnx', got {dialect!r}")
    if batch is not None and type(batch) is not int:
        raise TypeError(f"batch must be a whole number or None, got {describe(batch)}")
    if batch is not None and batch < 1:
        raise ValueError(f"batch must be at least 1, or None for any number, got {batch}")
    require("onnx", extra="onnx", needed_for="bitgrove.export.to_onnx")
    target = Path(path)
    check_writable(target)
    model = _model(_artifact(artifact, target), dialect, batch)
    content = model.SerializeToString()
    with replacing(target) as file:
        file.write(content)


def _artifact(given: object, target: Path) -> Artifact:
    if isinstance(given, Artifact):
        return given
    if not isinstance(given, str | os.PathLike):
        raise TypeError(
            f"artifact must be what pack returned or the path of a .grove file, "
            f"got {describe(given)}"
        )
    if target.exists() and target.samefile(given):
        raise ValueError(f"path is the model itself, {target}; name another file")
    return Artifact.load(given)


def _model(artifact: Artifact, dialect: Dialect, batch: int | None) -> ModelProto:
    from onnx import TensorProto, helper, numpy_helper

    build = convert(artifact.graph, dialect)
    size = sum(array.nbytes for array in build.constants.values())
    size += sum(_bytes(node) for node in build.nodes)
    if size > _MOST_BYTES:
        raise ValueError(f"{size:,} bytes of weights are past the 2 GiB that an ONNX file holds")

    def described(name: str, dims: tuple[int, ...]) -> Any:
        rows = "batch" if batch is None else batch
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, *dims])

    graph = helper.make_graph(
        [
            helper.make_node(
                node.op,
                node.inputs,
                [node.output],
                node.output,
                domain=node.domain,
                **node.attributes,
            )
            for node in build.nodes
        ],
        "bitgrove",
        [described(INPUT, build.image.dims)],
        [described(name, dims) for name, dims in build.outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in build.constants.items()],
        value_info=[
            described(name, dims) for name, dims in build.dims.items() if name not in build.outputs
        ],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    if dialect == "qonnx":
        opsets.append(helper.make_opsetid(QONNX_DOMAIN, 1))
    if any(node.domain == ML_DOMAIN for node in build.nodes):
        opsets.append(helper.make_opsetid(ML_DOMAIN, 1))
    model = helper.make_model(
        graph,
        opset_imports=opsets,
        ir_version=IR_VERSION,
        producer_name="bitgrove",
        producer_version=__version__,
    )
    helper.set_model_props(model, _metadata(artifact))
    return model


def _bytes(node: OnnxNode) -> int:
    """What the lists among a node's attributes take in the file: the trees of a forest."""
    lists = [value for value in node.attributes.values() if isinstance(value, list) and value]
    return sum(len(each) * max(map(_bytes_of, (min(each), max(each)))) for each in lists)


def _bytes_of(element: str | float) -> int:
    """Of an element with its tag: a text, a float32, or an integer of 7 bits to a byte."""
    if isinstance(element, str):
        return len(element) + 2
    return 5 if isinstance(element, float) else 2 + element.bit_length() // 7


def _metadata(artifact: Artifact) -> dict[str, str]:
    values: dict[str, Any] = {"labels": artifact.labels}
    if artifact.preprocessing:
        values["preprocessing"] = artifact.preprocessing.to_dict()
    if artifact.link != "softmax":
        values["link"] = artifact.link
    values["classes"] = artifact.classes
    return {key: json.dumps(value) for key, value in values.items() if value is not None}
