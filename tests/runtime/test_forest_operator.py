"""The operator `forest` against loops, and files that would lead it astray."""

import numpy as np
import pytest

from bitgrove import files, kernels, runtime
from bitgrove.runtime import Artifact, Graph, Node, Session, run_graph

from .trees import outputs_of, random_trees


@pytest.fixture(params=kernels.simd_levels())
def level(request):
    before = kernels.simd_level()
    kernels.set_simd_level(request.param)
    yield request.param
    kernels.set_simd_level(before)


def run(tensors, x, threads=1):
    graph = Graph(x.shape[1:], (Node("forest", "f", (0,), {}, tensors),), 1, 1)
    return run_graph(graph.build([1]), graph, [1], x, threads)[1]


@pytest.mark.parametrize("outs", [1, 3, 10, 16, 21])
@pytest.mark.parametrize("shape", [(5, 1), (64, 1), (70, 3, 7), (3, 2, 2, 3)])
def test_every_pixel_goes_the_way_that_loops_go(level, shape, outs):
    rng = np.random.default_rng(outs)
    tensors = random_trees(rng, shape[0], outs, trees=7, depth=8)
    x = rng.standard_normal((3, *shape)).astype(np.float32)
    x[0] = np.round(x[0])
    pixels = np.moveaxis(x, 1, -1).reshape(-1, shape[0])
    expected = outputs_of(tensors, pixels).reshape(3, *shape[1:], outs)
    for threads in (1, 3):
        np.testing.assert_array_equal(np.moveaxis(run(tensors, x, threads), 1, -1), expected)


def test_equal_goes_left_and_the_next_number_goes_right(level):
    t = np.float32(0.1)
    tensors = stump(t)
    x = np.float32([t, np.nextafter(t, np.float32(1)), -np.inf, np.inf]).reshape(4, 1, 1)
    assert run(tensors, x).ravel().tolist() == [1, 2, 1, 2]
    zero = np.float32([0.0, -0.0]).reshape(2, 1, 1)
    assert run(stump(-0.0), zero).ravel().tolist() == [1, 1]
    assert run(stump(0.0), zero).ravel().tolist() == [1, 1]


def test_a_tree_may_be_a_leaf_and_leaves_may_be_shared(level):
    tensors = stump(0)
    tensors["children"] = np.int32([[~0, ~0]])
    tensors["root"] = np.int32([~1, 0, ~1])
    assert run(tensors, np.zeros((1, 1, 1), np.float32)).item() == 5


def test_a_chain_as_deep_as_it_has_nodes_is_walked_to_its_end(level):
    depth = 5000
    tensors = {
        "feature": np.zeros(depth, np.int32),
        "threshold": np.arange(depth, dtype=np.float32),
        "children": np.stack([~np.arange(depth), np.arange(1, depth + 1)], 1).astype(np.int32),
        "root": np.int32([0]),
        "leaf": np.arange(depth + 1, dtype=np.float32)[:, None],
    }
    tensors["children"][-1, 1] = ~depth
    x = np.float32([-1, 0.5, 2500, 4998.5, 1e9]).reshape(5, 1, 1)
    assert run(tensors, x).ravel().tolist() == [0, 1, 2500, 4999, 5000]


def test_inner_values_may_be_nan_and_go_where_the_node_says(level):
    """Infinity times 0 is NaN, which a session takes inside a network."""
    for missing, expected in ((None, 1), (0, 1), (1, 2)):
        tensors = stump(0)
        if missing is not None:
            tensors["missing"] = np.uint8([missing])
        affine = {"scale": np.zeros(1, np.float32), "bias": np.zeros(1, np.float32)}
        nodes = (
            Node("affine", "a", (0,), {}, affine),
            Node("forest", "f", (1,), {}, tensors),
        )
        graph = Graph((1, 1), nodes, 2, 2)
        x = np.full((1, 1, 1), np.inf, np.float32)
        assert run_graph(graph.build([2]), graph, [2], x, 1)[2].item() == expected


def stump(threshold):
    return {
        "feature": np.int32([0]),
        "threshold": np.float32([threshold]),
        "children": np.int32([[~0, ~1]]),
        "root": np.int32([0]),
        "leaf": np.float32([[1], [2]]),
    }


def test_a_file_keeps_it_and_says_version_4(tmp_path):
    rng = np.random.default_rng(0)
    tensors = random_trees(rng, 6, 4, missing=True)
    graph = Graph((6, 1), (Node("forest", "f", (0,), {}, tensors),), 1, 1)
    path = tmp_path / "m.grove"
    Artifact(graph).save(path)
    assert files.peek(path) == ("grove", 4)
    x = rng.standard_normal((9, 6, 1)).astype(np.float32)
    np.testing.assert_array_equal(runtime.load(path).run(x), outputs_of(tensors, x[..., 0]))


def test_leaves_in_float16_are_added_in_float32():
    rng = np.random.default_rng(0)
    tensors = random_trees(rng, 6, 4)
    graph = Graph((6, 1), (Node("forest", "f", (0,), {}, tensors),), 1, 1)
    halved = Artifact(graph).with_real_dtype("float16")
    kept = halved.graph.nodes[0].tensors
    assert kept["leaf"].dtype == np.float16
    assert kept["threshold"].dtype == np.float32
    x = rng.standard_normal((9, 6, 1)).astype(np.float32)
    np.testing.assert_array_equal(Session(halved).run(x), outputs_of(kept, x[..., 0]))


def edited(role, value):
    """Two trees of two nodes each over three channels, with one tensor put in another's place."""
    tensors = {
        "feature": np.int32([0, 1, 2, 0]),
        "threshold": np.zeros(4, np.float32),
        "children": np.int32([[1, ~0], [~1, ~2], [~3, 3], [~4, ~5]]),
        "root": np.int32([0, 2]),
        "leaf": np.ones((6, 2), np.float32),
    }
    return tensors | {role: value}


@pytest.mark.parametrize(
    ("role", "value", "reason"),
    [
        ("feature", np.int32([0, 1, 3, 0]), "channel 0 to 2, got 3"),
        ("feature", np.int32([0, -1, 2, 0]), "channel 0 to 2, got -1"),
        ("feature", np.int32([0, 1, 2]), "threshold must have one number per node"),
        ("feature", np.float32([0, 1, 2, 0]), "'feature' must be int32"),
        ("threshold", np.float32([0, 1, np.inf, 0]), "NaN or infinite"),
        ("threshold", np.zeros(4, np.float16), "'threshold' must be float32"),
        ("children", np.int32([[1, ~0], [~1, 0], [~3, 3], [~4, ~5]]), "two parents or is a cycle"),
        ("children", np.int32([[~0, ~0], [1, ~2], [~3, 3], [~4, ~5]]), "are a cycle"),
        ("children", np.int32([[~0, ~0], [~1, ~2], [~3, 3], [~4, ~5]]), "node 1 belongs to no"),
        ("children", np.int32([[1, ~6], [~1, ~2], [~3, 3], [~4, ~5]]), "past the leaves"),
        ("children", np.int32([[1, -(2**31)], [~1, ~2], [~3, 3], [~4, ~5]]), "past the leaves"),
        ("children", np.int32([[4, ~0], [~1, ~2], [~3, 3], [~4, ~5]]), "past the nodes"),
        ("children", np.int32([[1, 2**31 - 1], [~1, ~2], [~3, 3], [~4, ~5]]), "past the nodes"),
        ("children", np.int32([[1, ~0], [~1, ~2], [~3, 3]]), r"shape \(nodes, 2\)"),
        ("children", np.zeros((2, 4), np.int32), r"shape \(nodes, 2\)"),
        ("root", np.int32([0, 0]), "two parents"),
        ("root", np.int32([0, 4]), "past the nodes"),
        ("root", np.int32([0, 2, ~6]), "past the leaves"),
        ("root", np.int32([0]), "belongs to no tree"),
        ("leaf", np.float32([[1, np.nan]] * 6), "NaN or infinite"),
        ("leaf", np.ones((5, 2), np.float32), "past the leaves"),
        ("bias", np.ones(3, np.float32), "bias must have one number"),
        ("missing", np.uint8([0, 1, 2, 0]), "missing must be 0 or 1"),
        ("missing", np.uint8([0, 1, 1]), "missing must have one"),
    ],
)
def test_what_no_walk_could_survive_is_refused(role, value, reason):
    run(edited("bias", np.zeros(2, np.float32)), np.zeros((1, 3, 1), np.float32))
    with pytest.raises(ValueError, match=reason):
        run(edited(role, value), np.zeros((1, 3, 1), np.float32))


def test_bits_are_refused():
    nodes = (
        Node("sign", "s", (0,), {"groups": 1}),
        Node("forest", "f", (1,), {}, edited("bias", np.zeros(2, np.float32))),
    )
    with pytest.raises(ValueError, match="must be real"):
        Graph((3, 1), nodes, 2, 2).build([2])
