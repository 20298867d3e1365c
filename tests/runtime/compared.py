"""Comparison of a packed network with its meaning and with itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bitgrove.runtime import Graph, run_graph

from .reference import answer

Values = dict[int, npt.NDArray[np.float32]]


def all_values(graph: Graph, x: npt.NDArray[np.float32]) -> Values:
    """Every value, of a network that keeps them all and so fuses next to nothing."""
    numbers = list(range(len(graph.nodes) + 1))
    return run_graph(graph.build(numbers), graph, numbers, x, 1)


def check_meaning(graph: Graph, values: Values) -> Counter[str]:
    """Every node gives what it should, of what it was given: exactly, or to float rounding.

    Returns:
        How many numbers were compared ``"exactly"`` and how many ``"nearly"``.
    """
    compared: Counter[str] = Counter()
    for number, node in enumerate(graph.nodes, 1):
        got = values[number].astype(np.float64)
        expected = answer(node, [values[i] for i in node.inputs])
        wanted = expected.value.numpy()
        assert got.shape == wanted.shape, node
        if expected.is_exact():
            compared["exactly"] += got.size
            assert np.array_equal(got, wanted), (number, node, np.argwhere(got != wanted)[:3])
            continue
        compared["nearly"] += got.size
        error = np.abs(got - wanted)
        allowed = 1e-5 * np.broadcast_to(expected.size.numpy(), got.shape) + 1e-30
        assert (error <= allowed).all(), (number, node, np.argwhere(~(error <= allowed))[:3])
    return compared


def check_fused(
    graph: Graph, x: npt.NDArray[np.float32], values: Values, threads: tuple[int, ...]
) -> None:
    """The network that keeps its outputs alone gives them bit for bit, however it is run."""
    network = graph.build(graph.outputs)
    for count in threads:
        for images in (1, len(x)):
            got = run_graph(network, graph, graph.outputs, x[:images], count)
            for number in graph.outputs:
                expected = values[number][:images]
                assert np.array_equal(got[number], expected), (
                    number,
                    graph.nodes[number - 1].op,
                    f"threads={count} images={images}",
                    np.argwhere(got[number] != expected)[:3],
                )


def with_outputs(graph: Graph, logits: int, embedding: int) -> Graph:
    return replace(graph, logits=logits, embedding=embedding)
