"""Packed forests on rows of numbers, on every level and in every layout."""

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bitgrove import files, kernels, runtime
from bitgrove.runtime import Forest

from .trees import outputs_of, outputs_of_rows, random_trees


@pytest.fixture(params=kernels.simd_levels())
def level(request):
    before = kernels.simd_level()
    kernels.set_simd_level(request.param)
    yield request.param
    kernels.set_simd_level(before)


def forest(features, outs, *, seed=0, link="identity", classes=None, **options):
    tensors = random_trees(np.random.default_rng(seed), features, outs, **options)
    return Forest(features, **tensors, link=link, classes=classes), tensors


def rows(n, features, *, seed=1, nan=False):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, features)).astype(np.float32)
    x[rng.random(x.shape) < 0.05] = np.inf
    x[rng.random(x.shape) < 0.05] = -np.inf
    if nan:
        x[rng.random(x.shape) < 0.1] = np.nan
    return x


GRID = np.linspace(-2, 2, 33, dtype=np.float32)


def test_the_oracle_of_many_rows_is_that_of_one():
    _, tensors = forest(5, 3, missing=True)
    x = rows(20, 5, nan=True)
    np.testing.assert_array_equal(outputs_of_rows(tensors, x), outputs_of(tensors, x))


LAYOUTS = {  # features, thresholds, nodes -> what AVX-512 with VBMI takes
    "bytes": (20, GRID, {}),
    "bytes of 100": (100, GRID, {"trees": 40}),
    "bytes of 250": (250, GRID, {"trees": 60}),
    "words": (3, None, {"trees": 60, "depth": 7}),
    "words of 100": (100, None, {"trees": 60, "depth": 12, "grow": 0.97}),
    "steps": (700, None, {"trees": 60}),
}


@pytest.mark.parametrize("outs", [1, 2, 16, 19])
@pytest.mark.parametrize("case", [case for case in LAYOUTS if case != "words of 100"])
def test_scores_are_those_of_loops(level, case, outs):
    features, thresholds, options = LAYOUTS[case]
    packed, tensors = forest(features, outs, thresholds=thresholds, **options)
    if level in ("avx512", "amx"):
        assert packed.layout == case.split()[0]
    x = rows(45, features)
    x[:20] = np.round(x[:20] * 8) / 8  # equal to many thresholds of the grid
    expected = outputs_of_rows(tensors, x)
    for n in (45, 9, 8, 7, 1, 0):
        np.testing.assert_array_equal(packed.predict_raw(x[:n]), expected[:n])


@pytest.mark.parametrize("missing", [False, True])
def test_rows_that_arrive_early_make_room_for_the_others(level, missing):
    """Trees over many columns whose leaves lie in all depths, a single leaf among them."""
    packed, tensors = forest(
        700, 2, trees=12, depth=14, grow=0.85, missing=missing, seed=3,
    )  # fmt: skip
    leaf = np.int32([~0])
    tensors |= {"root": np.concatenate([tensors["root"], leaf])}
    packed = replace(packed, root=tensors["root"])
    assert packed.layout == "steps"
    x = rows(300, 700, nan=missing)
    expected = outputs_of_rows(tensors, x)
    for n in (300, 256, 97, 65, 64):
        np.testing.assert_array_equal(packed.predict_raw(x[:n]), expected[:n])


def test_many_columns_of_many_thresholds_are_words(level):
    """More than 64 columns with more than 255 thresholds: compared with the scalar level."""
    features, _, options = LAYOUTS["words of 100"]
    packed, tensors = forest(features, 3, **options)
    assert packed.layout == ("words" if level in ("avx512", "amx") else "steps")
    x = rows(20, features)
    np.testing.assert_array_equal(packed.predict_raw(x), outputs_of_rows(tensors, x))


def test_more_rows_than_go_at_once_and_any_number_of_threads(level):
    packed, tensors = forest(10, 3, thresholds=GRID, trees=3, depth=7)
    x = rows(2500, 10)
    expected = outputs_of_rows(tensors, x)
    for threads in (1, 2, 7):
        np.testing.assert_array_equal(packed.predict_raw(x, threads=threads), expected)


@pytest.mark.parametrize("thresholds", [GRID, None])
def test_nan_goes_where_the_node_says(level, thresholds):
    packed, tensors = forest(5, 2, missing=True, trees=9, thresholds=thresholds)
    x = rows(40, 5, nan=True)
    for n in (40, 3):
        np.testing.assert_array_equal(packed.predict_raw(x[:n]), outputs_of_rows(tensors, x)[:n])


def test_thresholds_of_any_size_are_told_apart(level):
    """Ranks come out of buckets; ranges that overflow or vanish must not confuse them."""
    largest = np.finfo(np.float32).max
    tiny = np.float32(1e-45)
    for values in (
        np.float32([-largest, 0, largest]),
        np.float32([-tiny, 0, tiny, 2 * tiny]),
        np.float32([-0.0, 0.0]),
        np.float32([1, np.nextafter(np.float32(1), np.float32(2))]),
        np.float32([1, 1 + 1e-6, 1e30]),
        np.arange(300, dtype=np.float32) ** 5,
    ):
        packed, tensors = forest(2, 1, thresholds=values, trees=20)
        with np.errstate(over="ignore", under="ignore"):
            near = [np.nextafter(values, np.float32(side)) for side in (-np.inf, np.inf)]
        column = np.concatenate([values, *near, np.float32([np.inf, -np.inf, 0])])
        x = np.stack([column, column[::-1]], 1)
        np.testing.assert_array_equal(packed.predict_raw(x), outputs_of_rows(tensors, x))


def chain(depth):
    """A tree that is as deep as it has nodes."""
    children = np.stack([~np.arange(depth), np.arange(1, depth + 1)], 1).astype(np.int32)
    children[-1, 1] = ~depth
    return {
        "feature": np.zeros(depth, np.int32),
        "threshold": np.arange(depth, dtype=np.float32),
        "children": children,
        "root": np.int32([0]),
        "leaf": np.arange(depth + 1, dtype=np.float32)[:, None],
    }


def test_thin_deep_trees_do_not_fill_memory_with_blocks(level):
    packed = Forest(1, **chain(20_000))
    assert packed._core.bytes < 64 * 20_000 + (2 << 20)
    x = np.float32([[-1], [0.5], [19_999.5], [7000.5]] * 3)
    expected = [0, 1, 20_000, 7001] * 3
    assert packed.predict_raw(x).ravel().tolist() == expected


def test_a_tree_past_32_bits_is_walked_node_by_node(level):
    """A feature of 20 bits leaves 12 for the place of a step."""
    tensors = chain(5000)
    tensors["feature"][::2] = (1 << 20) - 1
    packed = Forest(1 << 20, **tensors)
    assert packed.layout == "nodes"
    x = np.zeros((2, 1 << 20), np.float32)
    x[:, 0] = [0.5, 9999]
    x[:, -1] = [0.5, 3000.5]
    np.testing.assert_array_equal(packed.predict_raw(x), outputs_of_rows(tensors, x))


def test_trees_may_all_be_leaves(tmp_path, level):
    none = np.zeros(0, np.int32)
    packed = Forest(
        2, none, np.zeros(0, np.float32), none.reshape(0, 2), np.int32([-2, -1]),
        np.float32([[1, 2], [3, 4]]), np.float32([0.5, 0]),
    )  # fmt: skip
    x = np.zeros((9, 2), np.float32)
    assert packed.predict_raw(x).tolist() == [[4.5, 6]] * 9
    packed.save(tmp_path / "m.grove")
    assert Forest.load(tmp_path / "m.grove").predict_raw(x).tolist() == [[4.5, 6]] * 9


def test_answers_follow_the_link():
    packed, _ = forest(4, 3, classes=("a", "b", "c"), link="softmax")
    x = rows(50, 4)
    raw = packed.predict_raw(x).astype(np.float64)
    share = np.exp(raw) / np.exp(raw).sum(1, keepdims=True)
    np.testing.assert_allclose(packed.predict_proba(x), share, atol=1e-12)
    assert packed.predict(x).tolist() == [("a", "b", "c")[i] for i in raw.argmax(1)]
    single, _ = forest(4, 1, classes=(3, 7), link="sigmoid")
    chance = 1 / (1 + np.exp(-single.predict_raw(x)[:, 0].astype(np.float64)))
    np.testing.assert_allclose(single.predict_proba(x)[:, 1], chance, atol=1e-12)
    assert single.predict(x).tolist() == [7 if p > 0.5 else 3 for p in chance]
    plain, _ = forest(4, 1)
    np.testing.assert_array_equal(plain.predict(x), plain.predict_raw(x)[:, 0])
    with pytest.raises(ValueError, match="no classes"):
        plain.predict_proba(x)


@pytest.mark.parametrize("missing", [False, True])
def test_a_file_gives_the_same_forest_and_a_session_runs_it(tmp_path, missing):
    path = tmp_path / "m.grove"
    packed, _ = forest(6, 3, classes=(4, 5, 9), link="normalise", missing=missing)
    x = rows(30, 6, nan=missing)
    packed.save(path)
    again = Forest.load(path)
    assert (again.classes, again.link) == (packed.classes, packed.link)
    np.testing.assert_array_equal(again.predict_raw(x), packed.predict_raw(x))
    session = runtime.load(path)
    np.testing.assert_array_equal(session.run(x[..., None]), packed.predict_raw(x))
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(packed)).predict_raw(x), packed.predict_raw(x)
    )


def test_a_session_names_classes_and_their_probabilities(tmp_path):
    packed, _ = forest(6, 1, classes=("no", "yes"), link="sigmoid")
    x = rows(30, 6)
    packed.save(tmp_path / "m.grove")
    found = runtime.load(tmp_path / "m.grove").classify(x[..., None])
    assert [p.label for p in found] == packed.predict(x).tolist()
    np.testing.assert_allclose([p.confidence for p in found], packed.predict_proba(x).max(1))
    values, _ = forest(6, 1)
    values.save(tmp_path / "v.grove")
    with pytest.raises(ValueError, match="no classes"):
        runtime.load(tmp_path / "v.grove").classify(x[..., None])


def test_quantised_keeps_few_thresholds_or_the_forest_itself():
    packed, tensors = forest(2, 3, trees=80, depth=8)
    few = packed.quantised()
    for number in (0, 1):
        kept = np.unique(few.threshold[few.feature == number])
        own = tensors["threshold"][tensors["feature"] == number]
        assert len(kept) <= 255 < len(np.unique(own))
        assert np.isin(kept, own).all()
        # The order stays, or what was told apart becomes one.
        order = np.argsort(own, kind="stable")
        assert (np.diff(few.threshold[few.feature == number][order]) >= 0).all()
    assert few.quantised() is few
    x = rows(200, 2)
    assert np.abs(few.predict_raw(x) - packed.predict_raw(x)).max() > 0
    np.testing.assert_array_equal(
        few.predict_raw(x), outputs_of_rows(tensors | {"threshold": few.threshold}, x)
    )
    for wrong in (0, 256, 2.5, True):
        with pytest.raises(ValueError, match="most must be"):
            packed.quantised(wrong)


def test_what_is_no_forest_or_no_row_is_refused(tmp_path):
    packed, tensors = forest(4, 2)
    x = rows(5, 4)
    for wrong, error, reason in (
        (x.astype(np.float64), TypeError, "asarray"),
        (x.tolist(), TypeError, "float32 array"),
        (x[0], ValueError, r"shape \(n, 4\)"),
        (x[:, :3], ValueError, r"shape \(n, 4\)"),
        (np.full((1, 4), np.nan, np.float32), ValueError, "NaN"),
    ):
        with pytest.raises(error, match=reason):
            packed.predict_raw(wrong)
    with pytest.raises(ValueError, match="threads"):
        packed.predict_raw(x, threads=0)
    for change, error, reason in (
        ({"features": 0}, ValueError, "features must be"),
        ({"feature": tensors["feature"].astype(np.int64)}, TypeError, "feature must be an array"),
        ({"leaf": tensors["leaf"][:, 0]}, TypeError, "leaf must be an array"),
        ({"leaf": tensors["leaf"][:0]}, ValueError, "one tree and one leaf"),
        ({"root": tensors["root"][:0]}, ValueError, "one tree and one leaf"),
        ({"root": np.int32([0, 0])}, ValueError, "two parents"),
        ({"link": "probit"}, ValueError, "link must be"),
        ({"classes": ("a", "b", "c")}, ValueError, "3 classes for 2"),
        ({"classes": ("a", 1)}, ValueError, "different texts or"),
        ({"classes": ("a", "a")}, ValueError, "different texts or"),
    ):
        with pytest.raises(error, match=reason):
            replace(packed, **change)
    with pytest.raises(FileNotFoundError):
        Forest.load(tmp_path / "no.grove")
    artifact = packed.artifact()
    artifact.graph = runtime.Graph((4, 1), (runtime.Node("relu", "r", (0,)),), 1, 1)
    artifact.save(tmp_path / "other.grove")
    with pytest.raises(files.FileFormatError, match="no forest"):
        Forest.load(tmp_path / "other.grove")


@pytest.mark.parametrize(
    ("key", "value"), [("link", "x"), ("link", 3), ("classes", 3), ("classes", [1, "a"]),
                       ("classes", [[1]]), ("classes", [1, 1])]
)  # fmt: skip
def test_forged_answers_are_refused(tmp_path, key, value):
    path = tmp_path / "m.grove"
    forest(4, 2, classes=(0, 1), link="normalise")[0].save(path)
    tensors, metadata = files.read(path, kind="grove", version=4)
    files.write(path, tensors, metadata | {key: value}, kind="grove", version=4)
    for load in (runtime.load, Forest.load):
        with pytest.raises(files.FileFormatError, match=key):
            load(path)


def test_neither_torch_nor_scikit_learn_is_needed(tmp_path):
    forest(4, 2)[0].save(tmp_path / "m.grove")
    code = (
        "import sys, numpy as np; from bitgrove.runtime import Forest;"
        "f = Forest.load(sys.argv[1]).quantised();"
        "f.predict_raw(np.zeros((3, 4), np.float32));"
        "assert not {'torch', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "m.grove")], check=True)
