import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import estimator_checks_generator

from bitgrove.solvers import RandomFerns
from bitgrove.solvers._fern_rules import leaf_logs

NOT_RUN = {
    "check_array_api_input": "inputs are numpy arrays; needs the array API mode of scipy",
    "check_classifier_data_not_an_array": "needs pandas",
    "check_sample_weights_pandas_series": "needs pandas",
    "check_classifier_multioutput": "wants one array for the classes of all outputs; here as in "
    "forests it is a list of arrays. What else it checks is checked below.",
}
OF_BAGS = {
    "check_sample_weight_equivalence_on_dense_data": "a bag draws rows, whatever their weight",
}


def checks():
    for estimator in (
        RandomFerns(ferns=20, depth=5, threads=1),
        RandomFerns(20, 4, rule="rferns", tests="quantiles", table_dtype="int8", threads=1),
        RandomFerns(20, 4, rule="opencv", bootstrap=True, oob_score=True, threads=1),
    ):
        for each, check in estimator_checks_generator(estimator):
            name = check.func.__name__
            if name in NOT_RUN or (each.bootstrap and name in OF_BAGS):
                continue
            yield pytest.param(each, check, id=f"{name}-{each.rule}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32), y


def table_by_loops(leaves, codes, classes, depth, prior, rule, weights):
    """Oracle: counts by loops, then the formula of each rule for one cell at a time."""
    table = np.zeros((len(leaves), 1 << depth, classes))
    for f, found in enumerate(leaves):
        counts = np.zeros((1 << depth, classes))
        for leaf, code, weight in zip(found, codes, weights[f], strict=True):
            counts[leaf, code] += weight
        of_class, of_all, cells = counts.sum(0), counts.sum(), 1 << depth
        for leaf in range(cells):
            for c in range(classes):
                n = counts[leaf, c] + prior
                likelihood = n / (of_class[c] + cells * prior)
                if rule == "likelihood":
                    table[f, leaf, c] = np.log(likelihood)
                elif rule == "opencv":
                    every = [
                        (counts[leaf, o] + prior) / (of_class[o] + cells * prior)
                        for o in range(classes)
                    ]
                    table[f, leaf, c] = np.log(likelihood / sum(every))
                else:
                    posterior = n / (counts[leaf].sum() + classes * prior)
                    share = (of_class[c] + prior) / (of_all + classes * prior)
                    table[f, leaf, c] = np.log(posterior / share)
    return table


def leaves_by_loops(solver, X):
    found = np.zeros((len(X), solver.ferns), int)
    for r, row in enumerate(X):
        for f in range(solver.ferns):
            for k in range(solver.depth):
                at = f, k
                if solver.other_ is None:
                    answer = row[solver.feature_[at]] > solver.threshold_[at]
                else:
                    answer = row[solver.feature_[at]] > row[solver.other_[at]]
                found[r, f] += answer << k
    return found


@pytest.mark.parametrize("rule", ["likelihood", "opencv", "rferns"])
@pytest.mark.parametrize("tests", ["thresholds", "quantiles", "pairs"])
def test_equals_the_table_of_explicit_loops(digits, rule, tests):
    X, y = (part[:300] for part in digits)
    queries = digits[0][300:340]
    solver = RandomFerns(6, 4, rule=rule, tests=tests, prior=0.5).fit(X, y)
    leaves = leaves_by_loops(solver, X)
    np.testing.assert_array_equal(solver.apply(X), leaves)
    ones = np.ones((6, len(X)))
    table = table_by_loops(leaves.T, y, 10, 4, 0.5, rule, ones)
    assert len(np.unique(leaves)) == 16
    np.testing.assert_allclose(solver.table_, table.reshape(-1, 10), rtol=1e-6, atol=1e-6)
    scores = np.zeros((len(queries), 10))
    for r, found in enumerate(leaves_by_loops(solver, queries)):
        for f, leaf in enumerate(found):
            scores[r] += table[f, leaf]
    np.testing.assert_allclose(solver.decision_function(queries), scores, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(solver.predict(queries), scores.argmax(1))
    proba = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(solver.predict_proba(queries), proba, rtol=1e-4, atol=1e-6)


def test_the_rule_of_the_paper_and_that_of_opencv_answer_alike(digits):
    X, y = digits
    paper, opencv = (
        RandomFerns(30, 7, rule=rule).fit(X[:1200], y[:1200]) for rule in ("likelihood", "opencv")
    )
    for p, o in zip(paper.counts_, opencv.counts_, strict=True):
        np.testing.assert_array_equal(p, o)
    apart = paper.decision_function(X) - opencv.decision_function(X)
    assert np.ptp(apart, axis=0).max() > 1  # they do differ, by a number common to all classes
    np.testing.assert_allclose(apart, apart[:, :1].repeat(10, 1), atol=1e-3)
    np.testing.assert_array_equal(paper.predict(X[1200:]), opencv.predict(X[1200:]))
    assert paper.score(X[1200:], y[1200:]) > 0.85


def test_a_fern_that_three_answer_as_on_the_slide():
    """Depth 2, three ferns: P(f|A) = .5 * .25 * .5 = 0.0625, P(f|B) = .25 * .4 * .125 = 0.0125."""
    shares = np.zeros((3, 4, 2))
    shares[:, 0] = [[0.5, 0.25], [0.25, 0.4], [0.5, 0.125]]
    shares[:, 1] = 1 - shares[:, 0]
    counts = shares * 40_000_000  # so many that the prior does not show
    logs = leaf_logs(counts, 1.0, "likelihood")[:, 0].sum(0)
    np.testing.assert_allclose(np.exp(logs), [0.0625, 0.0125], rtol=1e-6)
    assert logs.argmax() == 0


@pytest.mark.parametrize("rule", ["likelihood", "opencv", "rferns"])
def test_a_class_that_a_leaf_never_saw_is_unlikely_but_not_impossible(rule):
    counts = np.zeros((1, 4, 3))
    counts[0, 0, 0], counts[0, 1, 1], counts[0, 2, 2] = 1000, 500, 500
    logs = leaf_logs(counts, 1.0, rule)
    assert np.isfinite(logs).all()
    assert logs[0, 0].argmax() == 0
    X, y = np.float32([[0], [0], [9], [9]]), [0, 0, 1, 2]
    solver = RandomFerns(50, 3, rule=rule).fit(X, y)
    assert np.isfinite(solver.predict_log_proba([[-1.0], [4.0], [100.0]])).all()
    proba = solver.predict_proba([[-1.0]])[0]
    assert (proba > 0).all()
    assert proba.argmax() == 0


def test_out_of_bag_scores_are_those_of_loops_over_the_ferns_that_did_not_count_the_row(digits):
    X, y = (part[:200] for part in digits)
    solver = RandomFerns(7, 3, bootstrap=True, oob_score=True, random_state=3).fit(X, y)
    random = np.random.RandomState(3)
    again = RandomFerns(7, 3, random_state=3)
    again._begin(X, [y], None, random)  # the same draws of questions
    np.testing.assert_array_equal(again.feature_, solver.feature_)
    drawn = random.randint(0, 200, (7, 200))
    weights = np.stack([np.bincount(bag, minlength=200) for bag in drawn])
    leaves = leaves_by_loops(solver, X)
    table = table_by_loops(leaves.T, y, 10, 3, 1.0, "likelihood", weights)
    right, judged = 0, 0
    for r in range(200):
        outside = [f for f in range(7) if r not in drawn[f]]
        if not outside:
            assert np.isnan(solver.oob_decision_function_[r]).all()
            continue
        scores = sum(table[f, leaves[r, f]] for f in outside)
        np.testing.assert_allclose(solver.oob_decision_function_[r], scores, rtol=1e-4)
        right, judged = right + (scores.argmax() == y[r]), judged + 1
    assert 150 < judged < 200
    assert solver.oob_score_ == pytest.approx(right / judged)


def test_out_of_bag_accuracy_is_near_that_on_other_rows(digits):
    X, y = digits
    solver = RandomFerns(200, 7, bootstrap=True, oob_score=True).fit(X[:1200], y[:1200])
    assert 0.85 < solver.oob_score_ < 1
    assert solver.oob_score_ == pytest.approx(solver.score(X[1200:], y[1200:]), abs=0.08)


def test_importance_finds_the_features_that_matter():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 6)).astype(np.float32)
    X[:, 5] = 1  # nobody asks about it
    y = (X[:, 1] > 0).astype(int) + 2 * (X[:, 3] > 0.3)
    for tests in ("thresholds", "pairs"):
        solver = RandomFerns(100, 2, tests=tests, bootstrap=True, importance="permutation").fit(
            X, y
        )
        found = solver.feature_importances_
        assert set(np.argsort(found)[-2:]) == {1, 3}
        assert np.sort(found)[-2] > 3 * np.abs(np.delete(found, [1, 3])).max()
        assert found[5] == 0


class Reversing:
    """Stands in for a generator, so that loops can follow what it shuffles."""

    def __init__(self, *_):
        pass

    def permutation(self, given):
        return given[::-1]


def mean_falls(solver, X, y, weights, *, shadow):
    """Oracle: both importances with every shuffle a reversal, one row and one cell at a time."""

    def leaf(f, row, feature, value):
        changed = row.copy()
        changed[feature] = value
        return leaves_by_loops(solver, changed[None])[0, f]

    total, asked = np.zeros((2, X.shape[1]))
    for f in range(solver.ferns):
        own = [r for r in range(len(X)) if weights[f, r] == 0]
        asks = set(solver.feature_[f])
        asks |= set() if solver.other_ is None else set(solver.other_[f])
        for feature in asks:
            column = X[::-1, feature] if shadow else X[:, feature]
            inside = [leaf(f, row, feature, v) for row, v in zip(X, column, strict=True)]
            cells = np.zeros((1, 1 << solver.depth, 3))
            for r, cell in enumerate(inside):
                cells[0, cell, y[r]] += weights[f, r]
            likelihood = np.exp(leaf_logs(cells, 1.0, "likelihood"))[0]
            logs = np.log(likelihood / likelihood.sum(1, keepdims=True))
            falls = [
                logs[inside[r], y[r]] - logs[leaf(f, X[r], feature, column[other]), y[r]]
                for r, other in zip(own, own[::-1], strict=True)
            ]
            total[feature] += np.mean(falls)
            asked[feature] += 1
    return total / np.maximum(asked, 1)


@pytest.mark.parametrize("tests", ["thresholds", "pairs"])
def test_importance_and_that_of_shadows_are_those_of_loops(monkeypatch, tests):
    rng = np.random.default_rng(4)
    X = rng.standard_normal((30, 5)).astype(np.float32)
    y = (X[:, 1] > 0).astype(int) + (X[:, 3] > 0.5)
    given = {"tests": tests, "bootstrap": True, "random_state": 6}
    weights = np.random.RandomState(6)
    RandomFerns(4, 2, tests=tests)._begin(X, [y], None, weights)
    drawn = weights.randint(0, 30, (4, 30))
    weights = np.stack([np.bincount(bag, minlength=30) for bag in drawn])
    monkeypatch.setattr(np.random, "default_rng", Reversing)
    solver = RandomFerns(4, 2, importance="shadow", **given).fit(X, y)
    monkeypatch.undo()
    expected = [mean_falls(solver, X, y, weights, shadow=shadow) for shadow in (False, True)]
    np.testing.assert_allclose(solver.feature_importances_, expected[0], atol=1e-12)
    np.testing.assert_allclose(solver.shadow_importances_, expected[1], atol=1e-12)
    assert np.count_nonzero(np.abs(expected[1]) > 1e-2) >= 3


def test_features_that_matter_stand_out_above_every_shadow():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 8)).astype(np.float32)
    y = (X[:, 1] > 0).astype(int) + 2 * (X[:, 3] > 0.3)
    for tests, outputs in (("thresholds", y), ("pairs", y), ("quantiles", np.stack([y, y], 1))):
        options = {"tests": tests, "bootstrap": True}
        solver = RandomFerns(60, 3, importance="shadow", **options).fit(X, outputs)
        found, shadows = solver.feature_importances_, solver.shadow_importances_
        assert (found[[1, 3]] > 5 * shadows.max()).all()
        assert np.abs(shadows).max() < 0.05
        alone = RandomFerns(60, 3, importance="permutation", **options).fit(X, outputs)
        np.testing.assert_array_equal(found, alone.feature_importances_)
        assert not hasattr(
            solver.set_params(importance=None).fit(X, outputs), "shadow_importances_"
        )


def test_parts_give_what_the_whole_gives(digits):
    X, y = digits
    whole = RandomFerns(20, 6).fit(X[:600], y[:600])
    parts = RandomFerns(20, 6).partial_fit(X[:600], y[:600])
    np.testing.assert_array_equal(parts.decision_function(X), whole.decision_function(X))
    more = parts.partial_fit(X[600:900], y[600:900]).partial_fit(X[900:], y[900:])
    counted = RandomFerns(20, 6).partial_fit(X[:600], y[:600]).partial_fit(X[600:], y[600:])
    np.testing.assert_array_equal(more.decision_function(X), counted.decision_function(X))
    assert counted.counts_[0].sum() == 20 * len(X)
    assert more.score(X, y) > whole.score(X[600:], y[600:])


def test_new_classes_are_learnt_by_counting_them(digits):
    X, y = digits
    names = np.array(list("hjabcdefgi"))[y]  # new ones sort before and between old ones
    old = np.flatnonzero(y[:1200] < 8)
    solver = RandomFerns(60, 7).fit(X[old], names[old])
    assert list(solver.classes_) == sorted("hjabcdef")
    before = solver.counts_[0].copy()
    new = np.flatnonzero(y[:1200] >= 8)
    solver.partial_fit(X[new], names[new])
    assert list(solver.classes_) == list("abcdefghij")
    kept = np.isin(solver.classes_, sorted("hjabcdef"))
    np.testing.assert_array_equal(solver.counts_[0][..., kept], before)
    assert solver.score(X[1200:], names[1200:]) > 0.85
    with pytest.raises(ValueError, match="labels must be of one kind"):
        solver.partial_fit(X[:2], [1, 2])


def test_classes_may_be_named_before_they_are_seen():
    solver = RandomFerns(5, 2).partial_fit([[0.0], [9.0]], [1, 3], classes=[1, 2, 3])
    np.testing.assert_array_equal(solver.classes_, [1, 2, 3])
    assert solver.predict_proba([[0.0]]).shape == (1, 3)


def test_a_weight_of_two_is_the_row_twice(digits):
    X, y = (part[:200] for part in digits)
    weights = np.random.default_rng(0).integers(0, 4, 200)
    weighted = RandomFerns(20, 5).fit(X, y, sample_weight=weights)
    repeated = RandomFerns(20, 5).fit(np.repeat(X, weights, 0), np.repeat(y, weights))
    np.testing.assert_array_equal(weighted.threshold_, repeated.threshold_)
    np.testing.assert_array_equal(weighted.counts_[0], repeated.counts_[0])


def test_several_outputs_are_answered_as_each_alone(digits):
    X, y = digits
    both = np.stack([y, y % 2, y // 4], axis=1)
    solver = RandomFerns(30, 6).fit(X[:900], both[:900])
    assert [list(known) for known in solver.classes_] == [list(range(10)), [0, 1], [0, 1, 2]]
    assert solver.table_.shape[1] == 10 + 1 + 3
    predicted, proba = solver.predict(X), solver.predict_proba(X)
    assert predicted.shape == (len(X), 3)
    for o in range(3):
        alone = RandomFerns(30, 6).fit(X[:900], both[:900, o])
        np.testing.assert_array_equal(predicted[:, o], alone.predict(X))
        np.testing.assert_array_equal(proba[o], alone.predict_proba(X))
    labels = RandomFerns(30, 6).fit(X, both[:, 1:2].repeat(2, 1) == 1)
    assert labels.decision_function(X).shape == (len(X), 2)
    np.testing.assert_array_equal(labels.predict(X), labels.decision_function(X) > 0)


def test_bytes_and_floats_give_the_same_ferns_and_answers(digits):
    X, y = digits
    pixels = X.astype(np.uint8)
    for tests in ("thresholds", "pairs"):
        real, byte = (RandomFerns(20, 6, tests=tests).fit(x, y) for x in (X, pixels))
        np.testing.assert_array_equal(real.table_, byte.table_)
        for solver in (real, byte):
            np.testing.assert_array_equal(
                solver.decision_function(X), solver.decision_function(pixels)
            )


@pytest.mark.parametrize(("dtype", "most"), [("float16", 0.2), ("int8", 0.3)])
def test_smaller_tables_answer_nearly_alike(digits, dtype, most):
    X, y = digits
    full, small = (
        RandomFerns(50, 7, table_dtype=d).fit(X[:1200], y[:1200]) for d in ("float32", dtype)
    )
    assert small.table_.dtype == dtype
    apart = full.decision_function(X) - small.decision_function(X)
    apart -= apart.mean(1, keepdims=True)  # of int8, what all classes have in common is gone
    assert 0 < np.abs(apart).max() < most
    same = (full.predict(X[1200:]) == small.predict(X[1200:])).mean()
    assert same > 0.99


def test_leaves_are_made_anew_from_the_same_counts(digits):
    X, y = digits
    changed = {"prior": 0.1, "rule": "rferns", "table_dtype": "int8", "class_prior": "empirical"}
    solver = RandomFerns(20, 6).fit(X, y).set_params(**changed).tabulate()
    direct = RandomFerns(20, 6, **changed).fit(X, y)
    np.testing.assert_array_equal(solver.decision_function(X), direct.decision_function(X))
    with pytest.raises(ValueError, match="prior must be"):
        solver.set_params(prior=-1).tabulate()


def test_a_class_prior_is_added_once(digits):
    X, y = digits
    uniform = RandomFerns(10, 5).fit(X, y).decision_function(X)
    shares = np.arange(1, 11) / 55
    given = RandomFerns(10, 5, class_prior=shares).fit(X, y)
    np.testing.assert_allclose(
        given.decision_function(X) - uniform, np.log(shares)[None].repeat(len(X), 0), atol=1e-4
    )
    empirical = RandomFerns(10, 5, class_prior="empirical").fit(X[y < 2], y[y < 2])
    two = RandomFerns(10, 5).fit(X[y < 2], y[y < 2])
    ones = (y[y < 2] == 1).sum()
    np.testing.assert_allclose(
        empirical.decision_function(X) - two.decision_function(X),
        np.log((ones + 1) / ((y < 2).sum() - ones + 1)),
        atol=1e-4,
    )


def test_no_question_is_about_a_constant_feature_nor_twice_about_the_same(digits):
    X, y = digits
    constant = np.flatnonzero(X.min(0) == X.max(0))
    assert len(constant) > 0
    for tests in ("thresholds", "pairs"):
        solver = RandomFerns(50, 8, tests=tests).fit(X, y)
        asked = (
            solver.feature_
            if solver.other_ is None
            else np.hstack([solver.feature_, solver.other_])
        )
        assert not np.isin(asked, constant).any()
        assert all(len(np.unique(row)) == len(row) for row in asked)


def test_few_features_are_asked_about_again():
    X, y = np.float32([[0, 5], [1, 4], [2, 3], [3, 9]]), [0, 0, 1, 1]
    assert RandomFerns(30, 6).fit(X, y).score(X, y) == 1
    pairs = RandomFerns(30, 6, tests="pairs").fit(X, y)
    assert (pairs.feature_ != pairs.other_).all()


def test_the_same_seed_gives_the_same_ferns_for_any_number_of_threads(digits):
    X, y = digits
    one, two = (RandomFerns(20, 6, threads=t).fit(X, y) for t in (1, 3))
    np.testing.assert_array_equal(one.table_, two.table_)
    np.testing.assert_array_equal(one.decision_function(X), two.decision_function(X))
    other = RandomFerns(20, 6, random_state=1).fit(X, y)
    assert (other.feature_ != one.feature_).any()


def test_a_pickled_solver_answers_as_before(digits):
    X, y = digits
    solver = RandomFerns(20, 6, table_dtype="int8").fit(X, y)
    again = pickle.loads(pickle.dumps(solver))
    np.testing.assert_array_equal(again.decision_function(X), solver.decision_function(X))


def test_one_class_and_one_row_are_learnt():
    solver = RandomFerns(3, 2).fit([[1.0, 2.0]], ["only"])
    np.testing.assert_array_equal(solver.predict([[5.0, 5.0], [0.0, 0.0]]), ["only", "only"])
    np.testing.assert_array_equal(solver.predict_proba([[5.0, 5.0]]), [[1.0]])
    assert solver.decision_function([[5.0, 5.0]]).shape == (1,)


def test_pairs_of_one_feature_are_refused():
    with pytest.raises(ValueError, match="compares two features"):
        RandomFerns(3, 2, tests="pairs").fit([[1.0], [2.0]], [0, 1])


def test_too_large_a_table_is_refused_before_it_is_made(digits):
    X, y = digits
    with pytest.raises(ValueError, match=r"100000 ferns of depth 16 with 10 classes need .* bytes"):
        RandomFerns(100_000, 16).fit(X, y)
    with pytest.raises(ValueError, match="memory_limit is 1,000"):
        RandomFerns(5, 5, memory_limit=1000).fit(X, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ferns": 0}, "ferns must be an int in 1 to"),
        ({"depth": 17}, "depth must be an int in 1 to 16, got 17"),
        ({"depth": True}, "depth must be an int"),
        ({"tests": "trees"}, "tests must be one of 'thresholds', 'quantiles', 'pairs'"),
        ({"rule": "mean"}, "rule must be one of"),
        ({"table_dtype": "int4"}, "table_dtype must be one of"),
        ({"prior": 0}, "prior must be finite and above 0"),
        ({"prior": "much"}, "prior must be a number"),
        ({"class_prior": "fair"}, "class_prior must be"),
        ({"class_prior": [0.5, 0.5]}, "class_prior must be 10 probabilities"),
        ({"oob_score": True}, "oob_score needs rows out of bags: set bootstrap=True"),
        ({"importance": "permutation"}, "importance needs rows out of bags"),
        ({"bootstrap": True, "importance": "gini"}, "importance must be 'permutation', 'shadow'"),
        ({"bootstrap": 1}, "bootstrap must be True or False"),
        ({"threads": 0}, "threads must be an int of at least 1"),
    ],
)
def test_parameters_out_of_range_are_refused(digits, options, message):
    with pytest.raises(ValueError, match=message):
        RandomFerns(**options).fit(*digits)


def test_data_that_cannot_be_learnt_from_are_refused(digits):
    X, y = digits
    bad = X.copy()
    bad[3, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        RandomFerns().fit(bad, y)
    solver = RandomFerns(3, 3).fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        solver.predict(bad)
    with pytest.raises(ValueError, match="features"):
        solver.predict(X[:, :5])
    with pytest.raises(ValueError, match=r"non-zero|not be 0 for every row"):
        solver.fit(X, y, sample_weight=np.zeros(len(X)))
    with pytest.raises(ValueError, match="1 outputs, as before, got 2"):
        solver.partial_fit(X, np.stack([y, y], 1))
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'"):
        RandomFerns(bootstrap=True).partial_fit(X, y)
