"""Real numbers in float16: half the room, the same choice after every trip, nothing damaged."""

from dataclasses import replace

import numpy as np
import pytest

from bitgrove import files, runtime
from bitgrove.runtime import Artifact, Graph, Node, Session

from .conftest import pictures


def rounded(artifact: Artifact) -> Artifact:
    """Oracle: every real tensor but the thresholds through float16 and back, by hand."""
    nodes = [
        replace(
            node,
            tensors={
                role: array.astype(np.float16).astype(np.float32)
                if array.dtype == np.float32 and role != "threshold"
                else array
                for role, array in node.tensors.items()
            },
        )
        for node in artifact.graph.nodes
    ]
    return Artifact(replace(artifact.graph, nodes=tuple(nodes)))


def affine(scale, bias=0.5):
    tensors = {"scale": np.float32([scale]), "bias": np.float32([bias])}
    return Artifact(Graph((1, 2, 2), (Node("affine", "a", (0,), {}, tensors),), 1, 1))


def filters(*rows):
    attributes = {k: [1, 1] for k in ("stride", "dilation")} | {"padding": [0, 0], "groups": 1}
    weight = np.float32(rows).reshape(len(rows), 1, -1, 1)
    node = Node("conv2d", "c", (0,), attributes | {"pad_value": 0}, {"weight": weight})
    return Artifact(Graph((1, 4, 4), (node,), 1, 1))


def dtypes(artifact):
    return {
        f"{node.name}.{role}": array.dtype.name
        for node in artifact.graph.nodes
        for role, array in node.tensors.items()
    }


def test_a_float16_model_computes_with_the_rounded_numbers(artifact):
    halved = artifact.with_real_dtype("float16")
    x = Session(artifact).preprocessing(pictures(20))
    expected = Session(rounded(artifact)).run(x)
    np.testing.assert_array_equal(Session(halved).run(x), expected)
    assert (expected != Session(artifact).run(x)).any()  # rounding did something


def test_all_real_tensors_but_thresholds_are_halved(artifact):
    before, after = dtypes(artifact), dtypes(artifact.with_real_dtype("float16"))
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"stem.weight", "layer.scale", "layer.bias", "head.weight", "head.bias"}
    assert {after[name] for name in changed} == {"float16"}


def test_the_original_is_left_alone_and_its_examples_are_copied(artifact):
    before = dtypes(artifact)
    halved = artifact.with_real_dtype("float16")
    Session(halved).teach("new", pictures(2), ["a", "b"])
    assert dtypes(artifact) == before
    assert (len(artifact.examples), len(halved.examples)) == (60, 62)


def test_a_taught_float16_model_stays_float16_in_the_file(artifact, tmp_path):
    path = tmp_path / "m.grove"
    artifact.save(path)
    large = path.stat().st_size
    artifact.with_real_dtype("float16").save(path)
    halved = path.stat().st_size
    numbers = 16 * 9 + 16 + 16 + 3 * 16 + 3
    assert large - halved == pytest.approx(2 * numbers, abs=32)  # the headers are about the same
    before = Session(artifact.with_real_dtype("float16")).predict(pictures(10))
    session = runtime.load(path)
    assert session.predict(pictures(10)) == before
    session.teach("new", pictures(3), list("abc"))
    session.artifact.save(path)
    assert dtypes(runtime.load(path).artifact) == dtypes(artifact.with_real_dtype("float16"))


def test_back_in_float32_the_numbers_are_the_rounded_ones(artifact):
    back = artifact.with_real_dtype("float16").with_real_dtype("float32")
    assert dtypes(back) == dtypes(artifact)
    for mine, theirs in zip(back.graph.nodes, rounded(artifact).graph.nodes, strict=True):
        for role, array in mine.tensors.items():
            np.testing.assert_array_equal(array, theirs.tensors[role])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (65504.0, "float16"),
        (65505.0, "float32"),  # would be rounded down, or become infinite a little above
        (-1e9, "float32"),
        (2.0**-14, "float16"),
        (6e-5, "float32"),
        (1e-9, "float32"),  # would become 0
        (-1e-40, "float32"),
        (0.0, "float16"),
        (-0.0, "float16"),
    ],
)
def test_a_number_that_float16_would_damage_keeps_its_tensor_in_float32(value, expected):
    model = affine(value).with_real_dtype("float16")
    assert dtypes(model) == {"a.scale": expected, "a.bias": "float16"}  # each for itself
    kept = model.graph.nodes[0].widened()["scale"]
    assert abs(float(kept[0]) - np.float32(value)) <= 2.0**-11 * abs(value)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1.0, 1e-9], [0.0, 0.0]], "float16"),  # 1e-9 is nothing beside 1
        ([[1.0, 2.0], [1e-9, 1e-8]], "float32"),  # all that the second filter has
        ([[1.0, 2.0], [1e9, 1.0]], "float32"),
    ],
)
def test_a_filter_is_as_exact_as_its_largest_weight(rows, expected):
    assert dtypes(filters(*rows).with_real_dtype("float16")) == {"c.weight": expected}


def test_a_filter_keeps_eleven_bits_of_its_largest_weight_or_eight_if_that_is_small(artifact):
    rng = np.random.default_rng(0)
    values = (10.0 ** rng.uniform(-12, 9, (300, 4)) * rng.choice([-1, 1], (300, 4))).astype("f4")
    halved = 0
    for row in values:
        model = filters(row).with_real_dtype("float16")
        kept = model.graph.nodes[0].widened()["weight"].ravel()
        halved += dtypes(model) == {"c.weight": "float16"}
        largest = np.abs(row).max()
        bits = 11 if largest >= 2.0**-14 else 8
        assert np.abs(kept - row).max() <= 2.0**-bits * largest
    assert 50 < halved < 250  # both kinds came up


@pytest.mark.parametrize("dtype", ["bfloat16", "half", None, np.float16])
def test_another_dtype_is_refused(artifact, dtype):
    with pytest.raises(ValueError, match="must be 'float32' or 'float16'"):
        artifact.with_real_dtype(dtype)


@pytest.mark.parametrize(
    ("role", "message"),
    [("threshold", "must be float32"), ("weight", "must be uint8"), ("flip", "must be uint8")],
)
def test_thresholds_and_bits_in_float16_are_refused(role, message):
    op = "binary_conv2d" if role == "weight" else "sign"
    attributes = {"groups": 1}
    if role == "weight":
        attributes |= {k: [1, 1] for k in ("stride", "padding", "dilation")} | {"pad_value": 0}
    shape = (1, 1, 1, 1) if role == "weight" else (1,)
    node = Node(op, "n", (0,), attributes, {role: np.zeros(shape, np.float16)})
    with pytest.raises(ValueError, match=message):
        Graph((1, 8, 8), (node,), 1, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_float16_that_is_not_finite_is_refused(value):
    tensors = {"scale": np.float16([value]), "bias": np.float16([0])}
    with pytest.raises(ValueError, match="NaN or infinite"):
        Graph((1, 2, 2), (Node("affine", "a", (0,), {}, tensors),), 1, 1)


def test_a_file_says_version_3_only_where_it_must(artifact, tmp_path):
    path = tmp_path / "m.grove"
    artifact.save(path)
    assert files.peek(path) == ("grove", 2)
    artifact.with_real_dtype("float16").save(path)
    assert files.peek(path) == ("grove", 3)
    with pytest.raises(files.FileFormatError, match="versions 1 to 2: update bitgrove"):
        files.read(path, kind="grove", version=2)  # what the program before did


def test_a_file_of_a_version_to_come_is_refused(model_path):
    tensors, metadata = files.read(model_path, kind="grove", version=2)
    files.write(model_path, tensors, metadata, kind="grove", version=5)
    with pytest.raises(files.FileFormatError, match=r"version 5.*update bitgrove"):
        runtime.load(model_path)
