"""A packed graph as an ONNX graph, operator by operator."""

from __future__ import annotations

from math import prod

from ..runtime import Graph
from ._onnx_builder import Builder, Dialect, Value
from ._onnx_fern_conv import fern_conv
from ._onnx_ferns import ferns
from ._onnx_forest import forest
from ._onnx_layers import binary_conv, byte_conv, conv, input_scale
from ._onnx_pointwise import (
    Convert,
    add,
    affine,
    clip,
    concat,
    flatten,
    function,
    multiply,
    prelu,
    scale_map,
)
from ._onnx_pools import adaptive_avg_pool, avg_pool, max_pool
from ._onnx_resize import pad, upsample
from ._onnx_signs import sign

CONVERTERS: dict[str, Convert] = {
    "conv": conv,
    "binary_weight_conv": binary_conv,
    "binary_conv": binary_conv,
    "byte_conv": byte_conv,
    "fern_conv": fern_conv,
    "sign": sign,
    "binarise": sign,
    "affine": affine,
    "scale_map": scale_map,
    "input_scale": input_scale,
    "multiply": multiply,
    "add": add,
    "concat": concat,
    "relu": function("Relu"),
    "sigmoid": function("Sigmoid"),
    "clip": clip,
    "prelu": prelu,
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "adaptive_avg_pool": adaptive_avg_pool,
    "upsample": upsample,
    "pad": pad,
    "flatten": flatten,
    "forest": forest,
    "ferns": ferns,
}
"""By the operator's name, without the number of axes."""

INPUT, LOGITS, EMBEDDING = "image", "logits", "embedding"


def convert(graph: Graph, dialect: Dialect) -> Builder:
    """Write every node of a packed graph in ONNX.

    Raises:
        ValueError: shapes do not fit, or an operator has no ONNX form.
    """
    network = graph.build(graph.outputs)  # checks the shapes, and knows them
    image = Value(INPUT, graph.input)
    build = Builder(dialect, image, [LOGITS, EMBEDDING])
    values = [image]
    for number, node in enumerate(graph.nodes, 1):
        operator = node.op.removesuffix(f"{graph.axes}d")
        try:
            if operator not in CONVERTERS:
                raise ValueError(f"has no ONNX form; those that have: {', '.join(CONVERTERS)}")
            inputs = [values[i] for i in node.inputs]
            shape = tuple(network.shape(number))
            values.append(build.known(CONVERTERS[operator](build, node, inputs, shape)))
        except ValueError as error:
            raise ValueError(f"node '{node.name}' ({node.op}): {error}") from None
    logits = values[graph.logits]
    outputs = {LOGITS: build.flat(logits) if prod(logits.shape[1:]) == 1 else logits}
    if graph.embedding != graph.logits:
        outputs[EMBEDDING] = build.flat(values[graph.embedding])
    build.set_outputs(outputs)
    return build
