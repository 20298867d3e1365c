"""Every operator in random networks: equal to its meaning, and fused equal to not fused."""

import itertools
import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st

from bitgrove.runtime import Artifact, Graph, Node, Session, run_graph

from .compared import all_values, check_fused, check_meaning
from .random_graphs import random_graph

EXAMPLES = int(os.environ.get("BITGROVE_EXAMPLES", "40"))
"""Networks for each level; thousands find what a dozen misses."""

many = hypothesis.settings(
    max_examples=EXAMPLES,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@hypothesis.given(st.randoms(use_true_random=False))
@many
def test_random_networks_give_what_their_operators_mean_however_they_are_fused(simd_level, random):
    """Oracles: torch in float64 for each operator; the network that stores every value."""
    graph, x = random_graph(random)
    values = all_values(graph, x)
    check_meaning(graph, values)
    check_fused(graph, x, values, (1, 2))
    last = len(graph.nodes)
    both = replace(graph, logits=random.randint(0, last), embedding=random.randint(0, last))
    check_fused(both, x, values, (1, 5))


def test_the_comparison_is_of_exact_numbers_and_of_all_operators():
    """A few fixed networks, so that what is drawn stays what it should be."""
    operators, exactly, nearly = set(), 0, 0
    for seed in range(60):
        graph, x = random_graph(Random(seed))
        compared = check_meaning(graph, all_values(graph, x))
        operators |= {node.op.rstrip("123d") for node in graph.nodes}
        exactly += compared["exactly"]
        nearly += compared["nearly"]
    assert exactly > nearly > 0
    assert len(operators) == 25, sorted(operators)


def conv(axes: int = 2, **changes):
    attributes = {
        "stride": [1] * axes,
        "padding": [0] * axes,
        "dilation": [1] * axes,
        "groups": 1,
        "pad_value": 0,
    }
    return attributes | changes


def pool(kernel, stride, padding):
    return {"kernel": kernel, "stride": stride, "padding": padding, "ceil": False}


def normal(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def check(input, nodes, threads=(1,), outputs=None):
    logits, embedding = outputs or (len(nodes), len(nodes))
    graph = Graph(input, nodes, logits, embedding)
    x = normal(3, *input)
    values = all_values(graph, x)
    check_meaning(graph, values)
    check_fused(graph, x, values, threads)


@pytest.mark.parametrize("groups", [2, 3, 64])
@pytest.mark.parametrize("make", ["conv2d", "binary_conv2d"])
def test_signs_in_groups_are_taken_of_whole_pixels(simd_level, make, groups):
    """Wide filters make their tiles 64 channels at a time."""
    weight = normal(192, 3, 3, 64)
    if make == "binary_conv2d":
        weight = np.packbits(weight > 0, -1)
    first = (
        Node("sign", "s", (0,), {"groups": 1})
        if make == "binary_conv2d"
        else Node("relu", "s", (0,))
    )
    check(
        (64, 7, 6),
        (
            first,
            Node(make, "c", (1,), conv(padding=[1, 1]), {"weight": weight}),
            Node("sign", "t", (2,), {"groups": groups}, {"threshold": normal(192)}),
        ),
        (1, 2),
    )


def test_a_sum_is_not_made_in_a_place_that_a_streamed_row_still_reads():
    """Several workers read the rows around their own."""
    nodes = (
        Node("relu", "r", (0,)),
        Node("conv2d", "c", (0,), conv(), {"weight": normal(16, 1, 1, 16)}),
        Node("add", "a", (2, 1)),
        Node("max_pool2d", "p", (3,), pool([3, 3], [1, 1], [1, 1])),
        Node("add", "b", (4, 1)),
    )
    for _ in range(5):
        check((16, 61, 20), nodes, (1, 2, 5))


def test_planes_that_a_pool_adds_are_not_streamed():
    nodes = (
        Node("conv3d", "c", (0,), conv(3), {"weight": normal(4, 1, 1, 1, 3)}),
        Node("max_pool3d", "p", (1,), pool([2, 2, 2], [1, 1, 1], [1, 0, 0])),
    )
    check((3, 1, 4, 5), nodes, (1, 2))


@pytest.mark.parametrize(
    "last",
    [
        Node("multiply", "b", (1, 0)),
        Node("scale_map", "b", (1,), {}, {"map": np.full((1, 1, 1), 3, np.float32)}),
        Node("binarise", "b", (1,), {}, {"threshold": np.ones(8, np.float32)}),
        Node("sigmoid", "b", (1,)),
        Node("prelu", "b", (1,), {}, {"slope": normal(8)}),
    ],
    ids=lambda node: node.op,
)
def test_a_stored_value_keeps_its_numbers_when_its_tile_goes_on(simd_level, last):
    nodes = (Node("relu", "r", (0,)), last, Node("relu", "e", (2,)))
    check((8, 5, 6), nodes, outputs=(1, 2))
    check((8, 5, 6), nodes, outputs=(3, 1))
    signs = (*nodes[:2], Node("sign", "s", (2,), {"groups": 1}))
    check((8, 5, 6), signs, outputs=(1, 3))


@pytest.mark.parametrize("sides", [1, 2, 3])
def test_a_border_past_the_limits_is_refused_before_memory_is_taken(sides):
    """2^17 channels of 2^45 pixels wrap around to nothing in 64 bits."""
    window = conv(sides, stride=[65536] * sides, padding=[32767] * sides)
    weight = np.ones((1, *[1] * sides, 1 << 17), np.float32)
    graph = Graph(
        (1 << 17, *[1] * sides),
        (Node(f"conv{sides}d", "c", (0,), window, {"weight": weight}),),
        1,
        1,
    )
    with pytest.raises(ValueError, match="with the border around it would need"):
        graph.build([1])


def long_graph() -> tuple[Graph, np.ndarray]:
    """A random network that is not small."""
    drawn = (random_graph(Random(seed)) for seed in itertools.count())
    return next((graph, x) for graph, x in drawn if len(graph.nodes) > 12)


def session(threads: int) -> tuple[Session, np.ndarray, np.ndarray]:
    graph, x = long_graph()
    return Session(Artifact(graph), threads), x, Session(Artifact(graph)).run(x)


def test_callers_with_crews_of_several_sizes_agree():
    """A worker that is not wanted wakes up all the same, perhaps in the next job."""
    graph, x = long_graph()
    network, number = graph.build(graph.outputs), graph.logits
    expected = run_graph(network, graph, graph.outputs, x, 1)[number]

    def call(i: int):
        return run_graph(network, graph, graph.outputs, x[: 1 + i % 3], 1 + i % 7)[number]

    with ThreadPoolExecutor(3) as callers:
        for i, got in enumerate(callers.map(call, range(150))):
            np.testing.assert_array_equal(got, expected[: 1 + i % 3])


def _run_in_child(queue, held: Session, x: np.ndarray) -> None:
    queue.put(held.run(x))


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process that has threads")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_goes_on_with_a_session_that_was_used():
    held, x, expected = session(threads=2)
    np.testing.assert_array_equal(held.run(x[:1]), expected[:1])
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_run_in_child, args=(queue, held, x))
    child.start()
    np.testing.assert_array_equal(queue.get(timeout=60), expected)
    child.join(60)
    assert child.exitcode == 0
    np.testing.assert_array_equal(held.run(x), expected)


def test_infinities_run_through_every_operator(simd_level):
    for seed in range(12):
        graph, x = random_graph(Random(seed))
        x.flat[::3] = np.inf
        x.flat[::5] = -np.inf
        got = run_graph(graph.build(graph.outputs), graph, graph.outputs, x, 2)
        assert set(got) == set(graph.outputs)


def test_no_image_is_no_work_and_nan_is_refused():
    held, x, _ = session(threads=2)
    assert held.run(x[:0]).shape[0] == 0
    x[1].flat[0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        held.run(x)
