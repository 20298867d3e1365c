import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import estimator_checks_generator

from bitgrove.search import Fanng, Flat
from bitgrove.solvers import NearestKernelClassifier

NOT_RUN = {
    "check_array_api_input": "inputs are numpy arrays; needs the array API mode of scipy",
    "check_classifier_data_not_an_array": "needs pandas",
}


def checks():
    for estimator in (
        NearestKernelClassifier(k=5, threads=1),
        NearestKernelClassifier(k=5, index="flat", bandwidth=0.5, threads=1),
    ):
        for each, check in estimator_checks_generator(estimator):
            if check.func.__name__ not in NOT_RUN:
                yield pytest.param(each, check, id=f"{check.func.__name__}-{each.index}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def dense_kernel_sum(X, y, queries, bandwidth):
    """Oracle: P(c | x) over all examples, by loops over classes in float64."""
    X, queries = X.astype(np.float64), queries.astype(np.float64)
    distances = ((queries[:, None] - X[None]) ** 2).sum(-1)
    distances -= distances.min(1, keepdims=True)
    kernel = np.exp(-distances / (2 * bandwidth**2))
    votes = np.stack([kernel[:, y == c].sum(1) for c in np.unique(y)], axis=1)
    return votes / votes.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32), y


@pytest.mark.parametrize("index", ["flat", "fanng"])
@pytest.mark.parametrize("bandwidth", [5.0, 20.0])
def test_equals_the_dense_kernel_sum_when_every_example_votes(digits, index, bandwidth):
    X, y = (part[:400] for part in digits)
    queries = digits[0][400:450]
    solver = NearestKernelClassifier(bandwidth, k=400, index=index).fit(X, y)
    expected = dense_kernel_sum(X, y, queries, bandwidth)
    assert ((expected > 0.01) & (expected < 0.99)).any()  # not vacuous
    np.testing.assert_allclose(solver.predict_proba(queries), expected, rtol=1e-4, atol=1e-12)


def test_classifies_digits_and_learns_new_ones_without_retraining(digits):
    X, y = digits
    train, test = np.arange(1200), np.arange(1200, 1797)
    old = train[y[train] < 8]
    solver = NearestKernelClassifier().fit(X[old], y[old])
    assert list(solver.classes_) == list(range(8))
    known = test[y[test] < 8]
    before = solver.score(X[known], y[known])
    for digit in (8, 9):
        new = train[y[train] == digit][:20]
        solver.partial_fit(X[new], y[new])
    assert list(solver.classes_) == list(range(10))
    assert before > 0.95
    assert solver.score(X[known], y[known]) > before - 0.03
    taught = test[y[test] >= 8]
    assert solver.score(X[taught], y[taught]) > 0.5  # 0.64 by the nearest example alone


def test_parts_give_what_the_whole_gives(digits):
    X, y = (part[:500] for part in digits)
    whole = NearestKernelClassifier(k=10, index="flat").fit(X, y)
    parts = NearestKernelClassifier(k=10, index="flat")
    for start in range(0, 500, 100):
        parts.partial_fit(X[start : start + 100], y[start : start + 100])
    np.testing.assert_array_equal(parts.classes_, whole.classes_)
    assert parts.bandwidth_ == whole.bandwidth_
    np.testing.assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))


@pytest.mark.parametrize(
    "names", [list("badc"), [3, -1, 7, 5], [2.0, 5.0, 1.0, 3.0], [True, False]]
)
def test_labels_of_any_kind_come_back(names):
    labels = np.array(names)
    X = np.arange(len(labels), dtype=np.float32)[:, None] * 10
    solver = NearestKernelClassifier(1.0, k=1).fit(X, labels)
    np.testing.assert_array_equal(solver.classes_, np.unique(labels))
    predicted = solver.predict(X)
    assert predicted.dtype == labels.dtype
    np.testing.assert_array_equal(predicted, labels)


def test_new_labels_may_sort_before_the_old_ones():
    solver = NearestKernelClassifier(1.0, k=1).fit([[0.0], [9.0]], ["m", "z"])
    solver.partial_fit([[20.0]], ["a"])
    np.testing.assert_array_equal(solver.classes_, ["a", "m", "z"])
    np.testing.assert_array_equal(solver.predict([[0.0], [9.0], [20.0]]), ["m", "z", "a"])


def test_longer_names_are_not_cut_off():
    solver = NearestKernelClassifier(1.0, k=1).fit([[0.0], [9.0]], ["a", "b"])
    solver.partial_fit([[20.0]], ["a long name"])
    assert solver.predict([[20.0]])[0] == "a long name"


def test_classes_without_examples_have_probability_zero():
    solver = NearestKernelClassifier(1.0, k=1)
    solver.partial_fit([[0.0], [9.0]], [1, 3], classes=[1, 2, 3])
    np.testing.assert_array_equal(solver.predict_proba([[0.0]]), [[1, 0, 0]])


def test_labels_of_another_kind_are_refused_and_nothing_is_learnt():
    solver = NearestKernelClassifier(1.0, k=1).fit([[0.0], [9.0]], ["a", "b"])
    with pytest.raises(ValueError, match="labels must be of one kind"):
        solver.partial_fit([[1.0]], [3])
    assert len(solver.index_) == 2
    np.testing.assert_array_equal(solver.classes_, ["a", "b"])


def test_the_bandwidth_is_a_third_of_the_median_distance_to_the_nearest_other():
    X = np.array([[0.0], [1.0], [3.0], [3.0], [10.0]])
    # To the nearest other that is no duplicate: 1 1 2 2 7.
    assert NearestKernelClassifier(k=2).fit(X, [0, 0, 1, 1, 1]).bandwidth_ == 2 / 3


def test_rows_held_in_another_order_change_nothing(monkeypatch):
    class Backwards(Flat):
        """Holds its rows last first, as a graph that is laid out anew may."""

        def add(self, vectors, ids=None, *, threads=None):
            numbers = np.arange(len(self), len(self) + len(vectors))
            super().add(vectors[::-1].copy(), numbers[::-1].copy())

    # The nearest of a row is the one as far from the end as it is from the start.
    X = np.concatenate([np.arange(50) * 10.0, np.arange(50)[::-1] * 10.0 + 1])[:, None]
    y = np.arange(100) % 3
    straight = NearestKernelClassifier(k=5, index="flat").fit(X, y)
    monkeypatch.setattr("bitgrove.solvers._nearest_kernel.Flat", Backwards)
    turned = NearestKernelClassifier(k=5, index="flat").fit(X, y)
    assert turned.index_.ids[0] == 99
    assert turned.bandwidth_ == straight.bandwidth_ == 1 / 3
    np.testing.assert_array_equal(turned.predict_proba(X), straight.predict_proba(X))


@pytest.mark.parametrize("n", [50, 900])
def test_a_graph_gives_the_bandwidth_of_an_exact_index(digits, n):
    X, y = digits
    fast, exact = (NearestKernelClassifier(index=i).fit(X[:n], y[:n]) for i in ("fanng", "flat"))
    assert fast.bandwidth_ == pytest.approx(exact.bandwidth_, rel=1e-6)


def test_the_bandwidth_is_taken_anew_after_a_hundredth_more_examples():
    near = np.arange(101.0)
    apart = 1000 + 5 * np.arange(100.0)
    solver = NearestKernelClassifier(k=2).fit(np.append(near, apart)[:, None], np.zeros(201))
    assert solver.bandwidth_ == 1 / 3
    solver.partial_fit([[9000.0], [9050.0]], [1, 1])  # 203: the median is 5 now
    assert solver.bandwidth_ == 1 / 3
    solver.partial_fit([[9100.0]], [1])
    assert solver.bandwidth_ == 5 / 3
    assert solver.set_params(bandwidth=2.0).partial_fit([[-90.0]], [0]).bandwidth_ == 2
    assert solver.set_params(bandwidth="median").partial_fit([[-180.0]], [0]).bandwidth_ == 5 / 3


def test_far_queries_get_finite_answers(digits):
    X, y = digits
    solver = NearestKernelClassifier(bandwidth=1e-3, k=20).fit(X[:300], y[:300])
    probabilities = solver.predict_proba(1e6 + X[:5])
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(1), 1)


def test_uses_the_index_that_was_asked_for(digits):
    X, y = (part[:50] for part in digits)
    assert isinstance(NearestKernelClassifier(index="flat").fit(X, y).index_, Flat)
    fast = NearestKernelClassifier(k=5, budget=7).fit(X, y)
    assert isinstance(fast.index_, Fanng)
    before = fast.index_.distances_computed
    fast.predict(X)
    assert fast.index_.distances_computed - before == 7 * 50


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": 0}, "k must be an int of at least 1, got 0"),
        ({"k": 2.0}, "k must be an int of at least 1, got 2.0"),
        ({"bandwidth": "mean"}, "bandwidth must be 'median' or a number, got 'mean'"),
        ({"bandwidth": 0.0}, "bandwidth must be positive and finite, got 0.0"),
        ({"bandwidth": None}, "bandwidth must be positive and finite, got None"),
        ({"budget": "a"}, "budget must be an int or None, got 'a'"),
        ({"balanced": "no"}, "balanced must be True or False, got 'no'"),
        ({"bandwidth": np.nan}, "bandwidth must be positive and finite, got nan"),
        ({"index": "hnsw"}, "index must be 'fanng' or 'flat', got 'hnsw'"),
        ({"index": "flat", "budget": 100}, "the flat index takes no budget, got 100"),
        ({"k": 5, "budget": 5}, "budget must be above k, got budget 5 and k 5"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"seed": -1}, "seed must be in"),
    ],
)
def test_impossible_parameters_are_refused_at_fit(parameters, message):
    with pytest.raises(ValueError, match=message):
        NearestKernelClassifier(**parameters).fit([[0.0], [1.0]], [0, 1])


def test_balanced_classes_let_a_class_of_few_win_where_it_is_nearest():
    rng = np.random.default_rng(0)
    many = rng.normal(0, 1, (200, 2)).astype(np.float32)
    few = rng.normal(2.0, 1, (5, 2)).astype(np.float32)
    X, y = np.concatenate([many, few]), np.repeat(["many", "few"], [200, 5])
    query = np.array([[2.2, 2.2]], np.float32)
    plain = NearestKernelClassifier(bandwidth=1.0, k=50).fit(X, y)
    balanced = NearestKernelClassifier(bandwidth=1.0, k=50, balanced=True).fit(X, y)
    assert plain.predict(query) == ["many"]
    assert balanced.predict(query) == ["few"]


def test_labels_stay_with_their_rows_when_ctrl_c_comes_as_they_are_in(monkeypatch):
    X = np.arange(8, dtype=np.float32).reshape(4, 2)
    solver = NearestKernelClassifier(k=1, threads=1).fit(X, [0, 0, 1, 1])
    add = type(solver.index_).add

    def interrupted(*args, **kwargs):
        add(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(solver.index_), "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            solver.partial_fit(X[:1] + 50, [2])
    solver.partial_fit(X[:1] + 90, [3])
    rows = np.concatenate([X, X[:1] + 50, X[:1] + 90])
    assert solver.predict(rows).tolist() == [0, 0, 1, 1, 2, 3]
