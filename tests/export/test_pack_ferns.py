"""Random ferns in a file give the scores of the estimator, to the last bit."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from bitgrove import runtime
from bitgrove.export import pack_ferns
from bitgrove.runtime import Preprocessing, Session
from bitgrove.solvers import RandomFerns

from .onnx_files import DIALECTS, assert_near, compared


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32), y


def logits_of(solver, X):
    """The scores as a column for each class, two classes being 0 and the score."""
    scores = solver.decision_function(X)
    return scores if scores.ndim == 2 else np.stack([np.zeros_like(scores), scores], axis=1)


KINDS = {
    "thresholds": {},
    "pairs": {"tests": "pairs", "rule": "rferns"},
    "float16": {"table_dtype": "float16", "class_prior": "empirical"},
    "int8": {"table_dtype": "int8", "class_prior": "empirical"},
    "deep": {"ferns": 3, "depth": 13},
}


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_file_gives_the_scores_of_the_estimator_exactly(
    digits, kind, classes, tmp_path, simd_level
):
    X, y = digits
    solver = RandomFerns(**{"ferns": 20, "depth": 6} | KINDS[kind]).fit(X, y % classes)
    expected = logits_of(solver, X)
    assert len(np.unique(expected)) > 100
    path = tmp_path / "ferns.grove"
    pack_ferns(solver).save(path)
    session = runtime.load(path)
    np.testing.assert_array_equal(session.run(X[:, :, None]), expected)
    for few in (X[:5], X[5:40]):  # image by image
        np.testing.assert_array_equal(session.run(few[:, :, None]), logits_of(solver, few))
    images = pack_ferns(solver, (1, 8, 8))
    np.testing.assert_array_equal(Session(images).run(X.reshape(-1, 1, 8, 8)), expected)
    stored = session.artifact.graph.nodes[0].tensors
    assert ("codes" if kind == "int8" else "leaf") in stored


def test_every_pixel_of_an_image_is_a_row(digits):
    X, y = digits
    solver = RandomFerns(20, 6).fit(X, y)
    artifact = pack_ferns(solver)
    rows = X[:1500].reshape(2, 750, 64).transpose(0, 2, 1)  # two series of 750 pixels
    node = artifact.graph.nodes[0]
    wide = runtime.Artifact(runtime.Graph((64, 750), (node,), 1, 1))
    expected = solver.decision_function(X[:1500]).reshape(2, 750, 10).transpose(0, 2, 1)
    for threads in (1, 3):
        got = Session(wide, threads).run(np.ascontiguousarray(rows))
        np.testing.assert_array_equal(got, expected)


def test_several_outputs_stand_one_after_the_other(digits):
    X, y = digits
    solver = RandomFerns(20, 6).fit(X, np.stack([y % 2, y % 3, y % 2], axis=1))
    logits = Session(pack_ferns(solver)).run(X[:, :, None])
    first, middle, last = solver.decision_function(X)
    zero = np.zeros_like(first)
    expected = np.column_stack([zero, first, middle, zero, last])
    np.testing.assert_array_equal(logits, expected)


def test_pictures_are_classified_by_the_names_of_the_classes(digits):
    X, y = digits
    pixels = (X * 15).astype(np.uint8)
    solver = RandomFerns(50, 7).fit(pixels, np.array(list("abcdefghij"))[y])
    as_they_are = Preprocessing(8, 8, 1, (0.0,), (1 / 255,))
    session = Session(pack_ferns(solver, (1, 8, 8), preprocessing=as_they_are))
    found = session.predict(list(pixels[:50].reshape(-1, 8, 8)))
    assert [p.label for p in found] == list(solver.predict(pixels[:50]))
    np.testing.assert_allclose(
        [p.confidence for p in found], solver.predict_proba(pixels[:50]).max(1), rtol=1e-6
    )


def test_many_rows_at_once_and_one_after_the_other_give_the_same_bits(digits):
    X, y = digits
    both = np.stack([y % 2, y % 3], axis=1)
    for labels in (y, y % 2, both):
        for dtype in ("float32", "int8"):
            solver = RandomFerns(20, 6, table_dtype=dtype, class_prior="empirical").fit(X, labels)
            for shape in (None, (1, 8, 8), (4, 16)):
                artifact = pack_ferns(solver, shape)
                session = Session(artifact, threads=2)
                assert session._ferns is not None
                x = X.reshape(-1, *artifact.graph.input)
                single = np.concatenate([session.run(x[i : i + 40]) for i in range(0, 400, 40)])
                np.testing.assert_array_equal(session.run(x[:400]), single)
                np.testing.assert_array_equal(session.embed(x[:400]), single)
    with pytest.raises(ValueError, match="must not hold NaN"):
        session.run(x * np.float32(np.nan))
    with pytest.raises(TypeError, match="float32"):
        session.run(x.astype(np.float64))


def test_what_is_more_than_ferns_runs_as_any_network(digits):
    X, y = digits
    graph = pack_ferns(RandomFerns(5, 4).fit(X, y), (1, 8, 8)).graph
    ferns, Node, Graph = graph.nodes[1].tensors, runtime.Node, runtime.Graph
    before = (
        Node("relu", "r", (0,)),
        Node("flatten", "rows", (1,)),
        Node("ferns", "f", (2,), {}, ferns),
    )
    for other in (
        Graph((64, 3), (Node("ferns", "f", (0,), {}, ferns),), 1, 1),  # of three pixels
        Graph(graph.input, (*graph.nodes, Node("relu", "r", (2,))), 3, 3),
        Graph(graph.input, before, 3, 3),
        Graph(graph.input, graph.nodes, 2, 1),
    ):
        assert Session(runtime.Artifact(other))._ferns is None


RUN = """
import sys
import numpy as np
sys.modules["torch"] = sys.modules["sklearn"] = sys.modules["scipy"] = None
import bitgrove as bg
np.save(sys.argv[3], bg.runtime.load(sys.argv[1]).run(np.load(sys.argv[2])))
"""


def test_a_file_runs_with_numpy_alone(digits, tmp_path):
    X, y = digits
    solver = RandomFerns(20, 6).fit(X, y)
    pack_ferns(solver).save(tmp_path / "m.grove")
    np.save(tmp_path / "x.npy", X[:, :, None])
    names = [str(tmp_path / name) for name in ("m.grove", "x.npy", "y.npy")]
    subprocess.run([sys.executable, "-c", RUN, *names], check=True, timeout=60)
    np.testing.assert_array_equal(np.load(names[2]), solver.decision_function(X))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [None, (1, 8, 8)])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_onnx_form_is_equal_to_rounding(digits, kind, shape, dialect, tmp_path):
    X, y = digits
    solver = RandomFerns(**{"ferns": 20, "depth": 6} | KINDS[kind]).fit(X, y % 3)
    x = X[:40].reshape(40, *(shape or (64, 1)))
    assert_near(*compared(pack_ferns(solver, shape), x, tmp_path, dialect))


def test_what_cannot_be_packed_is_refused(digits):
    X, y = digits
    with pytest.raises(NotFittedError):
        pack_ferns(RandomFerns())
    with pytest.raises(TypeError, match="solver must be RandomFerns, got LogisticRegression"):
        pack_ferns(LogisticRegression())
    solver = RandomFerns(3, 3).fit(X, y)
    with pytest.raises(ValueError, match="of 64 numbers in all"):
        pack_ferns(solver, (1, 8, 9))
    with pytest.raises(ValueError, match="2 labels for 10 logits"):
        pack_ferns(solver, labels=["a", "b"])


FEATURE = np.int32([[0, 1], [2, 0]])
LEAF = np.arange(24, dtype=np.float32).reshape(8, 3)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"feature": np.int32([[0, 3], [1, 1]])}, "columns 0 to 2, got 3"),
        ({"feature": np.int32([[0, -1], [1, 1]])}, "columns 0 to 2, got -1"),
        ({"feature": np.zeros((2, 17), np.int32)}, "depth must be 1 to 16"),
        ({"feature": FEATURE.astype(np.int64)}, "must be int32"),
        ({"other": np.int32([[0, 9], [1, 1]])}, "columns 0 to 2, got 9"),
        ({"other": FEATURE[:, :1].copy()}, "the shape of feature"),
        ({"other": FEATURE, "threshold": np.zeros((2, 2), np.float32)}, "not both"),
        ({"threshold": np.zeros((1, 2), np.float32)}, "the shape of feature"),
        ({"threshold": np.full((2, 2), np.nan, np.float32)}, "NaN"),
        ({"leaf": LEAF[:7]}, "a row for each of the 8 leaves"),
        ({"codes": LEAF.astype(np.int8)}, "either leaf or codes"),
        ({"leaf": None}, "either leaf or codes"),
        ({"scale": np.ones(1, np.float32)}, "scale belongs to codes"),
        ({"leaf": None, "codes": LEAF.astype(np.int8)}, "scale must be one number"),
        ({"leaf": None, "codes": np.full((8, 3), -128, np.int8)}, "-127 to 127"),
        ({"bias": np.zeros(2, np.float32)}, "bias must have one number per channel"),
    ],
)
def test_a_table_that_cannot_be_is_refused_by_name(tensors, message):
    given = {"feature": FEATURE, "leaf": LEAF} | tensors
    given = {role: array for role, array in given.items() if array is not None}
    with pytest.raises(ValueError, match=f"(?s)node 'f' \\(ferns\\).*{message}"):
        Session(
            runtime.Artifact(
                runtime.Graph((3, 1), (runtime.Node("ferns", "f", (0,), {}, given),), 1, 1)
            )
        )
