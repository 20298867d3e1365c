import math
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import estimator_checks_generator

from bitgrove.solvers import ResidualForest

NOT_RUN = {
    "check_array_api_input": "inputs are numpy arrays; needs the array API mode of scipy",
    "check_classifier_data_not_an_array": "needs pandas",
    "check_sample_weight_equivalence_on_dense_data": "to 1e-7; in float32 it is 1e-6, see below",
}


def checks():
    estimator = ResidualForest(trees=20, depth=3, epochs=20, learning_rate=3, random_state=0)
    for each, check in estimator_checks_generator(estimator):
        if check.func.__name__ not in NOT_RUN:
            yield pytest.param(each, check, id=check.func.__name__)


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32), y


def test_classifies_digits_better_than_one_tree_and_a_coin(digits):
    X, y = digits
    solver = ResidualForest(trees=100, epochs=6, random_state=0).fit(X[:1200], y[:1200])
    assert solver.score(X[1200:], y[1200:]) > 0.9
    assert solver.loss_curve_[-1] < solver.loss_curve_[0] < math.log(10)
    single = ResidualForest(trees=1, epochs=6, random_state=0).fit(X[:1200], y[:1200])
    assert single.score(X[1200:], y[1200:]) < 0.6


def test_whole_batches_are_descent_on_the_cross_entropy_of_an_embedding_bag(digits):
    """Oracle: torch's own embedding bag, Adam and weight of the leaves, on the same trees."""
    X, y = (part[:100] for part in digits)
    weights = np.random.default_rng(0).uniform(0.5, 2, 100).astype(np.float32)
    options = {"trees": 10, "depth": 3, "batch_size": 100, "l2": 0.01, "random_state": 3}
    solver = ResidualForest(epochs=5, **options).fit(X, y, weights)
    index = solver.head_.route(torch.from_numpy(X)) + torch.arange(10) * 8
    table = torch.nn.EmbeddingBag(80, 10, mode="sum")
    torch.nn.init.zeros_(table.weight)
    optimizer = torch.optim.Adam(table.parameters(), lr=0.1)
    target, shares = torch.from_numpy(y), torch.from_numpy(weights / weights.sum())
    for step in range(5):
        optimizer.param_groups[0]["lr"] = 0.1 * 0.5 * (1 + math.cos(math.pi * step / 5))
        loss = (F.cross_entropy(table(index), target, reduction="none") * shares).sum()
        optimizer.zero_grad()
        (loss + 0.005 * table.weight.square().sum()).backward()
        optimizer.step()
    with torch.no_grad():
        expected = table(index).numpy()
    np.testing.assert_allclose(solver.decision_function(X), expected, rtol=1e-3, atol=1e-4)
    assert np.abs(expected).max() > 1


def test_a_weight_of_two_is_two_rows_and_none_is_no_row(digits):
    X, y = (part[:60] for part in digits)
    weights = np.random.default_rng(0).integers(0, 3, 60)
    rows = np.repeat(np.arange(60), weights)
    options = {"trees": 20, "epochs": 10, "random_state": 0}
    weighted = ResidualForest(**options).fit(X, y, weights)
    repeated = ResidualForest(**options).fit(X[rows], y[rows])
    np.testing.assert_array_equal(weighted.head_.threshold, repeated.head_.threshold)
    # Adam divides by the gradient's size, and magnifies the rounding of small ones.
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=5e-3)
    plain = ResidualForest(**options).fit(X, y).predict_proba(X)
    assert np.abs(weighted.predict_proba(X) - plain).max() > 0.1


@pytest.mark.parametrize("threads", [1, 2])
def test_the_seed_gives_the_result_for_any_number_of_threads(digits, threads):
    X, y = (part[:400] for part in digits)
    before = torch.get_num_threads()
    found = []
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            solver = ResidualForest(trees=30, epochs=2, batch_size=64, random_state=7).fit(X, y)
            found.append(solver.predict_proba(X))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)
    other = ResidualForest(trees=30, epochs=2, batch_size=64, random_state=8).fit(X, y)
    assert (other.predict_proba(X) != found[0]).any()


def test_learns_in_parts_with_the_classes_named_first(digits):
    X, y = digits
    solver = ResidualForest(trees=60, random_state=0)
    for start in range(0, 1200, 300):
        solver.partial_fit(
            X[start : start + 300], y[start : start + 300], classes=range(10) if not start else None
        )
    first = solver.score(X[1200:], y[1200:])
    for start in range(0, 1200, 300):
        solver.partial_fit(X[start : start + 300], y[start : start + 300])
    assert len(solver.loss_curve_) == 8
    assert 0.6 < first < solver.score(X[1200:], y[1200:])
    with pytest.raises(ValueError, match=r"not among classes_: \[12\]; give all classes at the"):
        solver.partial_fit(X[:2], [12, 3])
    with pytest.raises(ValueError, match="classes must be those of the first call"):
        solver.partial_fit(X[:2], [1, 3], classes=[1, 3])


def test_one_class_one_row_and_names_as_labels():
    one = ResidualForest(trees=5, random_state=0).fit([[1.0, 2.0]], ["only"])
    np.testing.assert_array_equal(one.predict([[0.0, 0.0], [9.0, 9.0]]), ["only", "only"])
    np.testing.assert_array_equal(one.predict_proba([[0.0, 0.0]]), [[1.0]])
    two = ResidualForest(trees=5, random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
    np.testing.assert_array_equal(two.predict([[0.0], [1.0]]), ["no", "yes"])
    margin = two.decision_function([[0.0], [1.0]])
    assert margin.shape == (2,)
    assert margin[0] < 0 < margin[1]


def test_thresholds_are_zero_or_quantiles(digits):
    X, y = (part[:100] for part in digits)
    zero = ResidualForest(trees=9, epochs=1, thresholds="zero", random_state=0).fit(X, y)
    assert (zero.head_.threshold == 0).all()
    assert (ResidualForest(trees=9, epochs=1, random_state=0).fit(X, y).head_.threshold > 0).any()


def test_a_fitted_forest_can_be_kept(digits):
    X, y = (part[:100] for part in digits)
    solver = ResidualForest(trees=9, epochs=1, random_state=0).fit(X, y)
    again = pickle.loads(pickle.dumps(solver))
    np.testing.assert_array_equal(again.predict_proba(X), solver.predict_proba(X))
    again.partial_fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"trees": 0}, "trees must be an int of at least 1, got 0"),
        ({"depth": 2.5}, "depth must be an int of at least 1, got 2.5"),
        ({"depth": 20}, "depth must be 1 to 12, got 20"),
        ({"epochs": True}, "epochs must be an int of at least 1, got True"),
        ({"batch_size": 0}, "batch_size must be an int of at least 1, got 0"),
        ({"learning_rate": np.nan}, "learning_rate must be a finite number of at least 0, got nan"),
        ({"l2": -1}, "l2 must be a finite number of at least 0, got -1"),
        ({"thresholds": "mean"}, "thresholds must be 'quantile' or 'zero', got 'mean'"),
    ],
)
def test_parameters_out_of_range_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        ResidualForest(**parameters).fit([[0.0], [1.0]], [0, 1])


def test_data_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="NaN"):
        ResidualForest().fit([[np.nan], [1.0]], [0, 1])
    with pytest.raises(ValueError, match="at least one"):
        ResidualForest().fit([[0.0], [1.0]], [0, 1], sample_weight=[0, 0])
