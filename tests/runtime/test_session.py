import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bitgrove import runtime
from bitgrove.runtime import Artifact, Graph, Node, Session

from .conftest import pictures


def test_a_saved_model_answers_as_before(artifact, model_path):
    before = Session(artifact).predict(pictures(20))
    after = runtime.load(model_path, threads=2).predict(pictures(20))
    assert before == after
    assert len({p.label for p in before}) > 1  # not vacuous


def test_a_prediction_names_its_neighbours_in_order(artifact):
    (prediction,) = Session(artifact).predict(pictures(1), k=7)
    assert len(prediction.neighbours) == 7
    distances = [near.distance for near in prediction.neighbours]
    assert distances == sorted(distances)
    assert 0 < prediction.confidence <= 1
    assert all(near.name.startswith("ü/") for near in prediction.neighbours)


def test_the_vote_is_the_kernel_sum_over_the_nearest(artifact):
    """Oracle: the definition, over exact distances between unpacked codes."""
    session, examples = Session(artifact), artifact.examples
    x = session.preprocessing(pictures(9))
    embeddings = session.embed(x)
    codes = np.clip(np.rint((embeddings - examples.offset) / np.float32(examples.step)), 0, 255)
    assert examples.projection is None
    held, ids = examples.index.vectors.astype(np.float64), examples.index.ids
    for code, prediction in zip(codes, session.classify(x), strict=True):
        squared = ((held - code) ** 2).sum(1) * examples.step**2
        nearest = np.lexsort((ids, squared))[: examples.k]
        weights = np.exp(-(squared[nearest] - squared.min()) / (2 * examples.bandwidth**2))
        votes = np.bincount(examples.labels[ids[nearest]], weights, minlength=3)
        votes /= np.bincount(examples.labels)
        assert prediction.label == examples.classes[votes.argmax()]
        assert prediction.confidence == pytest.approx(votes.max() / votes.sum(), rel=1e-4)


def test_long_embeddings_are_kept_by_their_principal_directions(tmp_path):
    rng = np.random.default_rng(0)
    spread = np.concatenate([np.full(50, 3.0), np.full(50, 0.01)])  # 50 directions matter
    mixed = np.linalg.qr(rng.standard_normal((100, 100)))[0]
    embeddings = (rng.standard_normal((300, 100)) * spread @ mixed).astype(np.float32)
    names = [str(i) for i in range(300)]
    examples = runtime.Examples.build(embeddings, np.zeros(300, int), names, ["all"])
    assert examples.dim == 100
    assert examples.index.dim == runtime.Examples.KEPT
    found = examples.nearest(embeddings[:20], 300)
    for query, distances, ids in zip(embeddings, *found, strict=False):
        exact = ((embeddings[ids] - query) ** 2).sum(1)
        np.testing.assert_allclose(distances[1:], exact[1:], rtol=0.05)
    gram = examples.projection.T @ examples.projection
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-5)


def test_without_examples_the_logits_decide(artifact):
    artifact.examples = None
    session = Session(artifact)
    x = session.preprocessing(pictures(5))
    logits = session.run(x)
    for prediction, row in zip(session.classify(x), logits, strict=True):
        assert prediction.label == f"class-{row.argmax()}"
        assert prediction.neighbours == []
        assert prediction.confidence == pytest.approx(
            1 / np.exp(row.astype(float) - row.max()).sum(), rel=1e-5
        )


def test_a_taught_class_is_recognised_and_old_ones_stay(artifact, model_path):
    session = runtime.load(model_path)
    old = session.predict(pictures(30))
    bright = [np.full((8, 8), 250 + i, np.uint8) for i in range(5)]
    session.teach("bright", bright, [f"b{i}" for i in range(5)])
    session.artifact.save(model_path)
    again = runtime.load(model_path)
    (answer,) = again.predict([np.full((8, 8), 249, np.uint8)])
    assert answer.label == "bright"
    assert answer.neighbours[0].name.startswith("b")
    assert (
        sum(a.label == b.label for a, b in zip(old, again.predict(pictures(30)), strict=True)) >= 28
    )
    assert again.artifact.examples.counts()["bright"] == 5
    assert again.artifact.labels == ["class-0", "class-1", "class-2"]  # of the logits


def test_teaching_a_known_class_adds_to_it(artifact):
    session = Session(artifact)
    before = artifact.examples.counts()["class-1"]
    session.teach("class-1", pictures(4), list("abcd"))
    assert artifact.examples.counts()["class-1"] == before + 4
    assert len(artifact.examples.classes) == 3


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[2J"])
def test_a_class_name_that_cannot_be_shown_is_refused(artifact, name):
    with pytest.raises(ValueError, match="class name"):
        Session(artifact).teach(name, pictures(1), ["x"])


def test_teaching_with_an_unreadable_picture_learns_nothing(artifact, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG")
    session = Session(artifact)
    with pytest.raises(runtime.ImageError, match=r"bad\.png"):
        session.teach("new", [tmp_path / "good.png", tmp_path / "bad.png"], ["a", "b"])
    assert len(artifact.examples) == 60
    assert "new" not in artifact.examples.classes


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((1, 1, 8, 8)), TypeError, "float32"),
        (np.zeros((1, 3, 8, 8), np.float32), ValueError, r"shape \(n, 1, 8, 8\)"),
        (np.full((1, 1, 8, 8), np.nan, np.float32), ValueError, "NaN"),
    ],
)
def test_wrong_tensors_are_refused(artifact, x, error, message):
    with pytest.raises(error, match=message):
        Session(artifact).run(x)


def test_doubles_are_told_how_to_become_float32(artifact):
    with pytest.raises(TypeError, match=r"dtype=float64, .*; give x.astype\(np.float32\)"):
        Session(artifact).run(np.zeros((1, 1, 8, 8)))


def test_a_map_keeps_its_sides_and_its_label_is_one_of_all(artifact):
    graph = replace(artifact.graph, logits=4)
    session = Session(Artifact(graph, preprocessing=artifact.preprocessing))
    x = session.preprocessing(pictures(2))
    assert session.output_shape == (16, 8, 8)
    assert session.run(x).shape == (2, 16, 8, 8)
    expected = session.run(x).reshape(2, -1).argmax(1)
    assert [p.label for p in session.predict(pictures(2))] == [str(i) for i in expected]


def test_a_model_is_printed_in_one_line_without_its_weights(artifact):
    """Oracle: sizes counted one by one."""
    weights = 16 * 9 * 4 + 16 * 4 + (16 * 9 * 2 + 2 * 16 * 4) + (3 * 16 + 3) * 4
    inside = f"nodes=6, input=(1, 8, 8), bytes={weights}, labels=3, examples=60"
    assert repr(artifact) == f"Artifact({inside})"
    assert repr(Session(artifact, threads=2)) == f"Session({inside}, threads=2)"
    assert repr(Artifact(artifact.graph)) == (
        f"Artifact(nodes=6, input=(1, 8, 8), bytes={weights}, labels=0, examples=0)"
    )
    assert repr(artifact.examples) == "Examples(60 of 3 classes, dim=16)"
    assert len(repr(artifact.graph)) < 2000


def test_no_images_give_no_answers(artifact):
    assert Session(artifact).predict([]) == []
    assert Session(artifact).run(np.zeros((0, 1, 8, 8), np.float32)).shape == (0, 3)


def test_concurrent_calls_of_one_session_agree(artifact):
    session = Session(artifact, threads=2)
    x = session.preprocessing(pictures(40))
    expected = session.run(x)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(session.run, [x] * 12):
            np.testing.assert_array_equal(got, expected)


def test_every_simd_level_gives_the_same_bits(simd_level, artifact):
    x = Session(artifact).preprocessing(pictures(10))
    graph = artifact.graph
    outputs = runtime.run_graph(graph.build([2]), graph, [2], x, 1)[2]
    threshold = graph.nodes[1].tensors["threshold"]
    stem = runtime.run_graph(graph.build([1]), graph, [1], x, 1)[1]
    np.testing.assert_array_equal(
        outputs, np.where(stem >= threshold[:, None, None], 1.0, -1.0).astype(np.float32)
    )


def test_threads_below_one_are_refused(model_path):
    with pytest.raises(ValueError, match="threads must be 1 to 1024, got 0"):
        runtime.load(model_path, threads=0)


@pytest.mark.parametrize(
    ("value", "kind"), [(1.5, "float"), ("2", "str"), (None, "NoneType"), (True, "bool")]
)
def test_counts_that_are_no_whole_numbers_are_refused(artifact, model_path, value, kind):
    with pytest.raises(TypeError, match=f"^threads must be a whole number, got {kind}$"):
        Session(artifact, threads=value)
    with pytest.raises(TypeError, match=f"^threads must be a whole number, got {kind}$"):
        runtime.load(model_path, threads=value)
    with pytest.raises(TypeError, match=f"^repeats must be a whole number, got {kind}$"):
        Session(artifact).profile(repeats=value)
    assert Session(artifact, threads=np.int64(2)).threads == 2


def test_a_session_of_a_path_is_told_to_load_it(model_path):
    with pytest.raises(TypeError, match=r"got str; bitgrove\.runtime\.load\(path\) opens a file"):
        Session(str(model_path))


def test_a_level_that_does_not_exist_is_not_said_of_the_file(model_path):
    ran = subprocess.run(
        [sys.executable, "-c", f"from bitgrove import runtime; runtime.load({str(model_path)!r})"],
        env={"BITGROVE_SIMD": "avx1024"},
        capture_output=True,
        text=True,
        check=False,
    )
    last = ran.stderr.strip().splitlines()[-1]
    assert last.startswith("ValueError: BITGROVE_SIMD level 'avx1024' cannot run on this CPU")


def test_a_model_without_preprocessing_says_so(artifact):
    artifact.preprocessing = None
    with pytest.raises(ValueError, match="without preprocessing"):
        Session(artifact).predict(pictures(1))


def test_preprocessing_of_another_size_is_refused(artifact):
    with pytest.raises(ValueError, match="makes 1x9x9, the network takes 1x8x8"):
        Artifact(artifact.graph, preprocessing=runtime.Preprocessing(9, 9, 1, (0.0,), (1.0,)))


def conv(**changes):
    attributes = {
        "stride": [1, 1],
        "padding": [0, 0],
        "dilation": [1, 1],
        "groups": 1,
        "pad_value": 0,
    }
    return attributes | changes


NAN = {"weight": np.full((1, 1, 1, 1), np.nan, np.float32)}
FLAT = {"weight": np.zeros((2, 3), np.float32)}
SLOPE = {"slope": np.zeros(7, np.float32)}
WEIGHT = {"weight": np.zeros((2, 3, 3, 1), np.float32)}


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node("warp", "n", (0,)), "unknown operator"),
        (Node("add", "n", (0,)), "needs 2 inputs"),
        (Node("relu", "n", (1,)), "earlier values"),
        (Node("relu", "n", (-1,)), "earlier values"),
        (Node("relu", "n", (0,), {"x": 1}), "needs the attributes"),
        (Node("conv2d", "n", (0,), conv(stride=[0, 1]), WEIGHT), "stride"),
        (Node("conv2d", "n", (0,), conv(stride=[1.5, 1]), WEIGHT), "cannot be"),
        (Node("conv2d", "n", (0,), conv(padding=[2**70, 0]), WEIGHT), "cannot be"),
        (Node("conv2d", "n", (0,), conv(padding=[2**24, 0]), WEIGHT), "padding must be"),
        (Node("conv2d", "n", (0,), conv(groups=0), WEIGHT), "groups"),
        (Node("conv2d", "n", (0,), conv(groups=3), WEIGHT), "groups"),
        (Node("conv2d", "n", (0,), conv(dilation=[4, 4]), WEIGHT), "does not fit"),
        (Node("conv2d", "n", (0,), conv(pad_value=2), WEIGHT), "cannot be"),
        (Node("conv2d", "n", (0,), conv(), {}), "lacks the tensors"),
        (Node("conv2d", "n", (0,), conv(), WEIGHT | {"x": WEIGHT["weight"]}), "unknown"),
        (
            Node("conv2d", "n", (0,), conv(), {"weight": np.zeros((2, 3, 3, 2), np.float32)}),
            "weight must have shape",
        ),
        (Node("conv2d", "n", (0,), conv(), FLAT), "dimensions"),
        (
            Node(
                "conv2d", "n", (0,), conv(), {"weight": np.full((1, 1, 1, 1), np.nan, np.float32)}
            ),
            "NaN",
        ),
        (
            Node("binary_conv2d", "n", (0,), conv(), {"weight": np.zeros((2, 3, 3, 1), np.uint8)}),
            "put a sign before it",
        ),
        (Node("sign", "n", (0,), {"groups": 2}), "groups must divide"),
        (
            Node("prelu", "n", (0,), {}, {"slope": np.zeros(7, np.float32)}),
            "one number per channel",
        ),
        (
            Node(
                "max_pool2d",
                "n",
                (0,),
                {"kernel": [2, 2], "stride": [1, 1], "padding": [2, 2], "ceil": False},
            ),
            "at most half",
        ),
    ],
)
def test_a_node_that_makes_no_sense_is_refused(node, message):
    def build():
        Graph((1, 8, 8), (node,), 1, 1).build([1])

    with pytest.raises(ValueError, match=message):
        build()


def test_a_value_past_the_limits_is_refused_before_memory_is_taken():
    nodes = [Node("conv2d", "stem", (0,), conv(padding=[30_000, 30_000]), WEIGHT)]
    with pytest.raises(ValueError, match="would need"):
        Graph((1, 8, 8), tuple(nodes), 1, 1).build([1])


def test_the_arena_is_shared_by_values_that_are_dead():
    nodes = tuple(Node("relu", f"n{i}", (i,)) for i in range(50))
    network = Graph((64, 32, 32), nodes, 50, 50).build([50])
    assert network.arena_bytes <= 3 * 64 * 32 * 32 * 4


def test_the_runtime_imports_neither_torch_nor_scikit_learn():
    code = (
        "import sys, bitgrove.runtime;"
        "bad = {'torch', 'sklearn', 'scipy', 'lightning'} & sys.modules.keys();"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_outputs_other_than_those_of_the_plan_are_refused(artifact):
    graph = artifact.graph
    network = graph.build([graph.logits, graph.embedding])
    x = Session(artifact).preprocessing(pictures(2))
    for outputs in ([], [graph.logits], [graph.embedding, graph.logits]):
        with pytest.raises(ValueError, match="outputs must be those"):
            runtime.run_graph(network, graph, outputs, x, 1)


@pytest.mark.parametrize("images", ["holiday.jpg", b"bytes"])
def test_a_single_picture_is_not_taken_for_a_list(artifact, images):
    with pytest.raises(TypeError, match="must be a list of pictures"):
        Session(artifact).predict(images)


def test_more_neighbours_than_examples_are_all_of_them(artifact):
    (prediction,) = Session(artifact).predict(pictures(1), k=10**12)
    assert len(prediction.neighbours) == 60


def test_threads_that_cannot_start_are_done_without(artifact, model_path):
    code = (
        "import resource, numpy as np; from bitgrove import runtime;"
        f"s = runtime.load({str(model_path)!r}, threads=256);"
        "x = np.zeros((20000, 1, 8, 8), np.float32); expected = s.run(x[:1]);"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize();"
        "limit = used + (300 << 20); resource.setrlimit(resource.RLIMIT_AS, (limit, limit));"
        "assert (s.run(x) == expected).all()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
