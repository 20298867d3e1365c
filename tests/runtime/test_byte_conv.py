"""Convolutions in 8 bits against their definition in FORMAT.md, in plain loops."""

import itertools

import numpy as np
import pytest

from bitgrove import files, runtime
from bitgrove.runtime import Artifact, Graph, Node, Session, run_graph

POINT = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1}


def node(weight, scale, bias=None, *, step=0.25, zero=128, **changes):
    axes = weight.ndim - 2
    attributes = {key: [value[0]] * axes if value != 1 else 1 for key, value in POINT.items()}
    tensors = {"weight": weight, "scale": scale} | ({} if bias is None else {"bias": bias})
    return Node(
        f"byte_conv{axes}d", "n", (0,), attributes | {"step": step, "zero": zero} | changes, tensors
    )


def run(n, x, threads=1):
    graph = Graph(x.shape[1:], (n,), 1, 1)
    return run_graph(graph.build([1]), graph, [1], x, threads)[1]


def bytes_of(x, step, zero):
    with np.errstate(over="ignore"):
        whole = np.rint((x / np.float32(step)).astype(np.float32))
    return (np.clip(whole, -zero, 255 - zero) + zero).astype(np.int64)


def sums_by_definition(n, x):
    """Oracle: every product in 64-bit integers."""
    weight, a = n.tensors["weight"].astype(np.int64), n.attributes
    axes = weight.ndim - 2
    border = [(0, 0), (0, 0)] + [(p, p) for p in a["padding"]]
    q = np.pad(bytes_of(x, a["step"], a["zero"]) - a["zero"], border)  # 0 stands for 0
    kernel = weight.shape[1:-1]
    sides = [
        (size - d * (k - 1) - 1) // s + 1
        for size, d, k, s in zip(q.shape[2:], a["dilation"], kernel, a["stride"], strict=True)
    ]
    out = np.zeros((len(x), len(weight), *sides), np.int64)
    per_in, per_out = weight.shape[-1], len(weight) // a["groups"]
    for o, at in itertools.product(range(len(weight)), np.ndindex(*sides)):
        first = o // per_out * per_in
        for tap in np.ndindex(*kernel):
            pixel = [at[i] * a["stride"][i] + tap[i] * a["dilation"][i] for i in range(axes)]
            seen = q[(slice(None), slice(first, first + per_in), *pixel)]
            out[(slice(None), o, *at)] += seen @ weight[(o, *tap)]
    return out


def random_case(channels, out, kernel, *, seed=0, **changes):
    rng = np.random.default_rng(seed)
    groups = changes.get("groups", 1)
    weight = rng.integers(-127, 128, (out, *kernel, channels // groups)).astype(np.int8)
    scale = rng.uniform(-0.02, 0.02, out).astype(np.float32)
    bias = rng.standard_normal(out).astype(np.float32)
    return node(weight, scale, bias, **changes)


def agree(n, x):
    tensors = n.tensors
    columns = (-1, *[1] * (x.ndim - 2))
    sums = sums_by_definition(n, x)
    expected = sums.astype(np.float32) * tensors["scale"].reshape(columns)
    expected += tensors["bias"].reshape(columns)
    got = run(n, x)
    assert len(np.unique(sums)) > 3
    np.testing.assert_array_equal(got, expected)  # the product and the sum are rounded apart


@pytest.mark.parametrize("channels", [(1, 8), (3, 5), (16, 16), (70, 33)])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3)])
def test_a_convolution_is_its_definition(simd_level, channels, stride, padding, kernel):
    changes = {"stride": [stride] * 2, "padding": [min(padding, kernel[0] - 1)] * 2}
    x = np.random.default_rng(1).standard_normal((2, channels[0], 7, 6)).astype(np.float32) * 20
    agree(random_case(*channels, kernel, step=0.17, zero=100, **changes), x)


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("dilation", [[1, 1], [2, 1]])
def test_groups_and_dilation_are_their_definition(simd_level, groups, dilation):
    x = np.random.default_rng(2).standard_normal((2, 12, 8, 7)).astype(np.float32) * 3
    agree(random_case(12, 6, (3, 2), groups=groups, dilation=dilation, padding=[1, 1]), x)


@pytest.mark.parametrize("axes", [1, 3])
def test_series_and_volumes_are_their_definition(axes):
    x = np.random.default_rng(3).standard_normal((2, 5, *[5] * axes)).astype(np.float32) * 9
    agree(random_case(5, 4, (3,) * axes, padding=[1] * axes, step=0.125, zero=7), x)


def sums(weight, x, **changes):
    """With scales of 1, the integers themselves."""
    return run(node(weight, np.ones(len(weight), np.float32), **changes), x)


def test_integers_are_exact_where_products_of_bytes_do_not_fit_16_bits(simd_level):
    """255 * 127 + 255 * 127 is past 32,767, and the sum of 517 such products is below 2**24."""
    x = np.full((1, 517, 1, 1), 1e9, np.float32)
    for sign in (1, -1):
        weight = np.full((3, 1, 1, 517), 127 * sign, np.int8)
        got = sums(weight, x, zero=0)
        assert (got == sign * 517 * 127 * 255).all()


def test_the_longest_filter_does_not_overflow(simd_level):
    x = np.full((1, 1 << 16, 1, 1), 1e9, np.float32)
    weight = np.full((2, 1, 1, 1 << 16), 127, np.int8)
    weight[1] = -127
    got = sums(weight, x, zero=0).ravel()
    expected = np.float32(127 * 255 << 16)
    np.testing.assert_array_equal(got, [expected, -expected])
    got = sums(weight, -x, zero=255).ravel()
    np.testing.assert_array_equal(got, [-expected, expected])


@pytest.mark.parametrize("zero", [0, 1, 128, 254, 255])
@pytest.mark.parametrize("step", [0.5, 0.3])
def test_numbers_become_bytes_by_the_nearest_even_and_are_clipped(simd_level, zero, step):
    halves = (np.arange(-600, 600) / 2).astype(np.float32) * np.float32(step)
    extremes = np.float32([3e38, -3e38, 1e-40, -0.0, 2.0**31 * step, -(2.0**31) * step, 2.0**33])
    x = np.concatenate([halves, extremes, np.nextafter(halves, np.float32(1e9))])
    x = x.reshape(1, 1, 1, -1)
    got = sums(np.ones((1, 1, 1, 1), np.int8), x, step=step, zero=zero)
    np.testing.assert_array_equal(got, bytes_of(x, step, zero) - zero)


@pytest.mark.parametrize("zero", [0, 77, 255])
def test_the_border_counts_as_nothing(simd_level, zero):
    x = np.zeros((1, 3, 4, 4), np.float32)
    weight = np.random.default_rng(4).integers(-127, 128, (5, 3, 3, 3)).astype(np.int8)
    assert not sums(weight, x, zero=zero, padding=[2, 2]).any()


def test_infinite_numbers_are_clipped_too(simd_level):
    """They arise inside a network only: a session refuses nothing but NaN."""
    x = np.float32([np.inf, -np.inf]).reshape(1, 1, 1, 2)
    got = sums(np.ones((1, 1, 1, 1), np.int8), x, zero=100)
    np.testing.assert_array_equal(got.ravel(), [155, -100])


def test_results_do_not_depend_on_threads_or_batch():
    n = random_case(6, 9, (3, 3), padding=[1, 1])
    x = np.random.default_rng(5).standard_normal((7, 6, 9, 9)).astype(np.float32)
    expected = np.concatenate([run(n, image[None]) for image in x])
    np.testing.assert_array_equal(run(n, x), expected)
    np.testing.assert_array_equal(run(n, x, threads=3), expected)


def test_a_model_in_8_bits_survives_its_file(tmp_path):
    graph = Graph((6, 9, 9), (random_case(6, 9, (3, 3)),), 1, 1)
    path = tmp_path / "m.grove"
    Artifact(graph).save(path)
    assert files.peek(path) == ("grove", 3)
    x = np.random.default_rng(6).standard_normal((2, 6, 9, 9)).astype(np.float32)
    np.testing.assert_array_equal(runtime.load(path).run(x), Session(Artifact(graph)).run(x))


WEIGHT = np.ones((2, 3, 3, 4), np.int8)
SCALE = np.ones(2, np.float32)
FINE = node(WEIGHT, SCALE)


def with_minus_128():
    weight = WEIGHT.copy()
    weight[1, 2, 0, 3] = -128
    return weight


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (node(WEIGHT, SCALE, step=0), "'step' cannot be 0"),
        (node(WEIGHT, SCALE, step=0.0), "'step' cannot be"),
        (node(WEIGHT, SCALE, step=-1.0), "'step' cannot be"),
        (node(WEIGHT, SCALE, step=float("nan")), "'step' cannot be nan"),
        (node(WEIGHT, SCALE, step=float("inf")), "'step' cannot be inf"),
        (node(WEIGHT, SCALE, step=1e-31), "'step' cannot be"),
        (node(WEIGHT, SCALE, step=1e31), "'step' cannot be"),
        (node(WEIGHT, SCALE, step=10**400), "'step' cannot be"),
        (node(WEIGHT, SCALE, step="1"), "'step' cannot be"),
        (node(WEIGHT, SCALE, step=True), "'step' cannot be"),
        (node(WEIGHT, SCALE, step=None), "'step' cannot be"),
        (node(WEIGHT, SCALE, zero=256), "'zero' cannot be 256"),
        (node(WEIGHT, SCALE, zero=-1), "'zero' cannot be -1"),
        (node(WEIGHT, SCALE, zero=1.0), "'zero' cannot be"),
        (node(WEIGHT, SCALE, zero=True), "'zero' cannot be"),
        (node(WEIGHT, SCALE, pad_value=0), "needs the attributes"),
        (node(WEIGHT, SCALE, groups=-1), "'groups' cannot be"),
        (node(with_minus_128(), SCALE), "-127 to 127, holds -128"),
        (node(WEIGHT.astype(np.uint8), SCALE), "must be int8"),
        (node(WEIGHT.astype(np.float32), SCALE), "must be int8"),
        (node(WEIGHT, SCALE * np.nan), "NaN or infinite"),
        (node(WEIGHT, SCALE.astype(np.float64)), "must be float32"),
        (node(WEIGHT, SCALE.astype(np.float16)), "must be float32"),
        (node(WEIGHT, SCALE, SCALE * np.inf), "NaN or infinite"),
        (node(np.ones((1, 1, 1, (1 << 16) + 1), np.int8), SCALE), "may have 65536 weights"),
        (node(np.ones((0, 1, 1, 4), np.int8), SCALE), "with 4 dimensions"),
        (Node("byte_conv2d", "n", (0,), FINE.attributes, {"weight": WEIGHT}), "lacks the tensors"),
        (Node("byte_conv", "n", (0,)), "unknown operator"),
    ],
)  # fmt: skip
def test_a_forged_node_is_refused(n, message):
    with pytest.raises(ValueError, match=message):
        Graph((4, 8, 8), (n,), 1, 1)


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (node(WEIGHT, SCALE, groups=0), "groups"),
        (node(WEIGHT, SCALE, groups=3), "groups"),
        (node(WEIGHT, SCALE, groups=2), "weight must have shape"),
        (node(WEIGHT, np.ones(3, np.float32)), "one number per"),
        (node(WEIGHT, SCALE, np.ones(1, np.float32)), "one number per"),
        (node(WEIGHT, SCALE, stride=[0, 1]), "stride"),
        (node(WEIGHT, SCALE, dilation=[8, 8]), "does not fit"),
        (node(WEIGHT, SCALE, padding=[60_000, 60_000]), "past the limits|would need"),
    ],
)
def test_a_node_that_does_not_fit_is_refused_by_the_executor(n, message):
    graph = Graph((4, 8, 8), (n,), 1, 1)
    with pytest.raises(ValueError, match=message):
        graph.build([1])


def test_bits_are_refused():
    sign = Node("sign", "s", (0,), {"groups": 1})
    n = Node("byte_conv2d", "n", (1,), FINE.attributes, FINE.tensors)
    with pytest.raises(ValueError, match="must be real"):
        Graph((4, 8, 8), (sign, n), 2, 2).build([2])
