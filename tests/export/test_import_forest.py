"""Trained forests of other libraries: packed, they answer as their sources on held-out rows."""

import numpy as np
import pytest
from sklearn import ensemble, tree
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from bitgrove.export import import_forest
from bitgrove.export._trees import rounded_down
from bitgrove.runtime import Forest


def data(kind, *, missing=False):
    """Digits with thresholds of all kinds: float32 rows that are no whole numbers."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    x = (x + rng.standard_normal(x.shape) * 0.3).astype(np.float32)[:, 10:30]
    if missing:
        x[rng.random(x.shape) < 0.1] = np.nan
    if kind == "two":
        y = np.where(y > 4, "large", "small")
    elif kind == "value":
        y = x[:, 0] * y + x[:, 1] if not missing else y * 1.5
    elif kind == "values":
        y = np.stack([x[:, 0] * y, x[:, 1] + y, y], 1)
    return x[:600], y[:600], x[600:900], y[600:900]


def same_answers(packed, model, x):
    if hasattr(model, "predict_proba"):
        expected = model.predict_proba(x)
        np.testing.assert_allclose(packed.predict_proba(x), expected, atol=1e-5)
        clear = np.sort(expected, 1)[:, -1] - np.sort(expected, 1)[:, -2] > 1e-4
        assert clear.mean() > 0.5
        assert (packed.predict(x) == model.predict(x))[clear].all()
        assert packed.predict(x).dtype.kind == np.asarray(model.classes_).dtype.kind
    else:
        expected = model.predict(x)
        np.testing.assert_allclose(packed.predict(x), expected, rtol=1e-5, atol=2e-4)
        assert np.ptp(expected) > 1


MODELS = [
    (tree.DecisionTreeClassifier(max_depth=7, random_state=0), "ten"),
    (tree.DecisionTreeRegressor(random_state=0), "value"),
    (tree.ExtraTreeClassifier(random_state=0), "two"),
    (tree.DecisionTreeRegressor(max_depth=6, random_state=0), "values"),
    (ensemble.RandomForestClassifier(12, max_depth=8, random_state=0), "ten"),
    (ensemble.RandomForestClassifier(12, random_state=0), "two"),
    (ensemble.RandomForestRegressor(12, random_state=0), "value"),
    (ensemble.RandomForestRegressor(8, random_state=0), "values"),
    (ensemble.ExtraTreesClassifier(12, random_state=0), "ten"),
    (ensemble.ExtraTreesRegressor(12, max_depth=9, random_state=0), "value"),
    (ensemble.GradientBoostingClassifier(n_estimators=6, random_state=0), "ten"),
    (ensemble.GradientBoostingClassifier(n_estimators=12, random_state=0), "two"),
    (ensemble.GradientBoostingClassifier(n_estimators=6, init="zero", random_state=0), "ten"),
    (ensemble.GradientBoostingRegressor(n_estimators=12, random_state=0), "value"),
    (ensemble.GradientBoostingRegressor(n_estimators=9, loss="huber", random_state=0), "value"),
    (ensemble.HistGradientBoostingClassifier(max_iter=6, random_state=0), "ten"),
    (ensemble.HistGradientBoostingClassifier(max_iter=12, random_state=0), "two"),
    (ensemble.HistGradientBoostingRegressor(max_iter=12, random_state=0), "value"),
]


def names(value):
    return value if isinstance(value, str) else type(value).__name__


@pytest.mark.parametrize(("model", "kind"), MODELS, ids=names)
def test_scikit_learns_forests_answer_the_same(model, kind, tmp_path):
    x, y, held_out, _ = data(kind)
    packed = import_forest(model.fit(x, y))
    same_answers(packed, model, held_out)
    packed.save(tmp_path / "m.grove")
    np.testing.assert_array_equal(
        Forest.load(tmp_path / "m.grove").predict(held_out), packed.predict(held_out)
    )


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (tree.DecisionTreeClassifier(max_depth=7, random_state=0), "ten"),
        (ensemble.RandomForestClassifier(12, random_state=0), "two"),
        (ensemble.HistGradientBoostingClassifier(max_iter=12, random_state=0), "two"),
        (ensemble.HistGradientBoostingRegressor(max_iter=12, random_state=0), "value"),
    ],
    ids=names,
)
def test_missing_values_go_where_scikit_learn_sends_them(model, kind):
    x, y, held_out, _ = data(kind, missing=True)
    same_answers(import_forest(model.fit(x, y)), model, held_out)


def test_missing_values_are_refused_where_the_source_refuses_them():
    x, y, _, _ = data("ten")
    packed = import_forest(ensemble.GradientBoostingClassifier(n_estimators=2).fit(x, y))
    with pytest.raises(ValueError, match="no missing values"):
        packed.predict(data("ten", missing=True)[2])


def test_rows_on_a_threshold_go_the_way_of_the_source():
    """Rows at, just below and just above every threshold of a tree whose thresholds are doubles."""
    x, y, _, _ = data("ten")
    model = tree.DecisionTreeClassifier(random_state=0).fit(x[:, :1], y)
    packed = import_forest(model)
    t = model.tree_.threshold[model.tree_.feature >= 0].astype(np.float32)
    around = [t, np.nextafter(t, np.float32(-np.inf)), np.nextafter(t, np.float32(np.inf))]
    on = np.concatenate(around)[:, None]
    np.testing.assert_allclose(packed.predict_proba(on), model.predict_proba(on), atol=1e-6)
    assert (model.tree_.threshold != model.tree_.threshold.astype(np.float32)).any()


def test_doubles_are_rounded_so_that_comparisons_stay():
    rng = np.random.default_rng(0)
    t = np.concatenate([rng.standard_normal(1000), np.float64([0, -0.0, 1e-50, -1e-50, np.inf])])
    down = rounded_down(t)
    assert (down[:-1] <= t[:-1]).all()
    with np.errstate(over="ignore"):
        assert (np.nextafter(down, np.float32(np.inf))[:-1] > t[:-1]).all()
    assert down[-1] == np.finfo(np.float32).max
    for bad in (np.nan, -np.inf, -1e300):
        with pytest.raises(ValueError, match="threshold"):
            rounded_down(np.float64([bad]))


class Booster:
    """Stands in for LightGBM's where it is not installed: it hands out a text."""

    __module__ = "lightgbm.basic"

    def __init__(self, text):
        self.text = text

    def model_to_string(self):
        return self.text


TEXT = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=2
objective=regression
feature_names=a b c

Tree=0
num_leaves=3
num_cat=0
split_feature=1 0
threshold=0.5 -0.25000000001
decision_type=10 0
left_child=1 -1
right_child=-2 -3
leaf_value=1 2 4
is_linear=0
shrinkage=1

Tree=1
num_leaves=1
num_cat=0
leaf_value=0.25
is_linear=0

end of trees

feature_importances:
a=1
"""


def test_a_text_of_lightgbm_means_what_it_says(tmp_path):
    packed = import_forest(Booster(TEXT))
    x = np.float32([[-1, 0.5, 0], [-0.25, 0.5, 0], [0, 0.6, 0], [-1, np.nan, 0], [np.nan, 0, 0]])
    # The first split sends NaN left; the second knows none and takes it for 0, which goes right.
    assert packed.predict(x).tolist() == [1.25, 4.25, 2.25, 1.25, 4.25]
    path = tmp_path / "model.txt"
    path.write_text(TEXT)
    np.testing.assert_array_equal(import_forest(path).predict(x), packed.predict(x))
    two = import_forest(Booster(TEXT.replace("=regression", "=binary sigmoid:1")))
    assert (two.classes, two.link) == ((0, 1), "sigmoid")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("objective=regression", "objective=poisson", "objective 'poisson' cannot"),
        ("objective=regression", "objective=regression sqrt", "'regression sqrt' cannot"),
        ("objective=regression", "objective=binary sigmoid:2", "sigmoid other than 1"),
        ("decision_type=10 0", "decision_type=1 0", "categorical splits"),
        ("decision_type=10 0", "decision_type=4 0", "zero_as_missing"),
        ("is_linear=0", "is_linear=1", "linear trees"),
        ("split_feature=1 0", "split_feature=1 3", "channel 0 to 2, got 3"),
        ("left_child=1 -1", "left_child=0 -1", "two parents or is a cycle"),
        ("left_child=1 -1", "left_child=1 x", "invalid literal"),
        ("threshold=0.5 -0.25000000001", "threshold=0.5", "one number per node"),
        ("leaf_value=1 2 4", "leaf_value=1 2", "broadcast"),
        ("leaf_value=1 2 4", "leaf_value=1 2 nan", "finite"),
        ("num_leaves=3\n", "", "damaged"),
        ("max_feature_idx", "maximum", "no trained LightGBM model"),
    ],
)
def test_texts_that_cannot_be_packed_are_refused(before, after, reason):
    assert before in TEXT
    with pytest.raises(ValueError, match=reason):
        import_forest(Booster(TEXT.replace(before, after)))


def test_files_that_are_no_text_are_not_unpickled(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x04\x95\xff\xfe")
    with pytest.raises(ValueError, match="unpickling runs"):
        import_forest(path)
    path.write_text("")
    with pytest.raises(ValueError, match="no trained LightGBM model"):
        import_forest(str(path))
    with pytest.raises(FileNotFoundError):
        import_forest(tmp_path / "none")


def test_models_that_cannot_be_packed_are_refused():
    x, y, _, _ = data("ten")
    two = data("two")[1]
    regressor = ensemble.HistGradientBoostingRegressor
    for model, error, reason in (
        (LogisticRegression(), TypeError, "no forest that can be packed"),
        (ensemble.RandomForestClassifier(), ValueError, "not trained"),
        ("none.txt", FileNotFoundError, "none.txt"),
        (3, TypeError, "must be a trained forest"),
        (
            ensemble.GradientBoostingClassifier(loss="exponential", n_estimators=1).fit(x, two),
            ValueError,
            "exponential",
        ),
        (
            ensemble.GradientBoostingClassifier(
                init=tree.DecisionTreeClassifier(max_depth=1), n_estimators=1
            ).fit(x, two),
            ValueError,
            "init=DecisionTreeClassifier",
        ),
        (regressor(loss="poisson", max_iter=1).fit(x, y), ValueError, "'poisson'"),
        (
            regressor(max_iter=2, categorical_features=[0]).fit(np.abs(np.round(x)), y),
            ValueError,
            "categorical",
        ),
        (
            ensemble.RandomForestClassifier(2).fit(x, np.stack([y, y], 1)),
            ValueError,
            "several outputs",
        ),
    ):
        with pytest.raises(error, match=reason):
            import_forest(model)


@pytest.mark.parametrize("kind", ["ten", "two", "value"])
@pytest.mark.parametrize("boosting", ["gbdt", "rf"])
@pytest.mark.parametrize("missing", [False, True])
def test_lightgbms_forests_answer_the_same(kind, boosting, missing, tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    x, y, held_out, _ = data(kind, missing=missing)
    options = {"boosting_type": boosting, "n_estimators": 8, "verbose": -1, "n_jobs": 1}
    if boosting == "rf":
        options |= {"subsample": 0.6, "subsample_freq": 1}
    cls = lightgbm.LGBMRegressor if kind == "value" else lightgbm.LGBMClassifier
    model = cls(**options).fit(x, y)
    packed = import_forest(model)
    expected = model.predict(held_out) if kind == "value" else model.predict_proba(held_out)
    got = packed.predict(held_out) if kind == "value" else packed.predict_proba(held_out)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4 if kind == "value" else 1e-6)
    raw = model.booster_.predict(held_out, raw_score=True)
    raw = raw / 8 if boosting == "rf" else raw  # there LightGBM averages after that
    np.testing.assert_allclose(packed.predict_raw(held_out).squeeze(), raw, rtol=1e-5, atol=1e-4)
    model.booster_.save_model(tmp_path / "m.txt")
    again = import_forest(tmp_path / "m.txt")
    np.testing.assert_array_equal(again.predict_raw(held_out), packed.predict_raw(held_out))


@pytest.mark.parametrize("kind", ["ten", "two", "value"])
@pytest.mark.parametrize("boosted", [False, True])
def test_ydfs_forests_answer_the_same(kind, boosted):
    ydf = pytest.importorskip("ydf")
    x, y, held_out, _ = data(kind)
    task = ydf.Task.REGRESSION if kind == "value" else ydf.Task.CLASSIFICATION
    learner = ydf.GradientBoostedTreesLearner if boosted else ydf.RandomForestLearner
    model = learner(label="y", task=task, num_trees=8, num_threads=1).train(
        {"x": x, "y": y}, verbose=0
    )
    packed = import_forest(model)
    expected = model.predict({"x": held_out})
    if kind == "value":
        got = packed.predict(held_out)
    else:
        got = packed.predict_proba(held_out)
        got = got[:, 1] if kind == "two" else got
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-3 if kind == "value" else 1e-5)


@pytest.mark.parametrize("options", [{"split_axis": "SPARSE_OBLIQUE"}, {"categorical": True}])
def test_ydfs_other_splits_are_refused(options):
    ydf = pytest.importorskip("ydf")
    x, y, _, _ = data("two")
    columns = {"x": x, "y": y}
    if options.pop("categorical", False):
        columns = {"c": np.array(["a", "b", "c"])[(x[:, 0] > 0) + 1 * (x[:, 1] > 3)]}
        columns["y"] = np.where(columns["c"] == "b", "large", y)
    model = ydf.RandomForestLearner(label="y", num_trees=3, **options).train(columns, verbose=0)
    with pytest.raises(ValueError, match=r"a split by .*cannot be packed"):
        import_forest(model)
