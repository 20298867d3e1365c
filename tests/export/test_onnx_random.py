"""Operators of random networks in ONNX, each given what it was given."""

from random import Random

import numpy as np

from bitgrove.runtime import Artifact, Graph, Session

from ..runtime.compared import all_values
from ..runtime.random_graphs import random_graph
from .onnx_files import assert_near, run, written


def test_operators_of_random_networks_are_equal_to_rounding(tmp_path):
    """Alone, so that no rounding before a threshold is taken for an error behind it."""
    operators = set()
    for seed in range(40):
        graph, x = random_graph(Random(seed))
        values = all_values(graph, x)
        for node in graph.nodes:
            name = node.op.rstrip("123d")
            if len(node.inputs) > 1 or name == "binary_conv":  # of bits: no image is
                continue
            x = values[node.inputs[0]]
            alone = type(node)(node.op, node.name, (0,), node.attributes, node.tensors)
            artifact = Artifact(Graph(x.shape[1:], (alone,), 1, 1))
            got = run(written(artifact, tmp_path), x)["logits"]
            expected = Session(artifact).run(x)
            if name in ("fern_conv", "sign", "binarise"):
                np.testing.assert_array_equal(got, expected)
            assert_near(got, expected)
            operators.add(name)
    assert operators >= {"fern_conv", "forest", "ferns"}, operators
