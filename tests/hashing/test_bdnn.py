"""UH-BDNN and SH-BDNN as a user sees them, and the alternation."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

from bitgrove.hashing import ITQ, SHBDNN, UHBDNN, BDNNWeights
from bitgrove.hashing import _alternate as alternate
from bitgrove.hashing._bdnn_problems import Autoencoding
from bitgrove.hashing._lbfgs import Outcome, minimise
from bitgrove.hashing._validation import nearest_rows, set_apart, validation_map
from bitgrove.metrics import Relevance


@parametrize_with_checks(
    [
        UHBDNN(bits=1, hidden=(3, 2), rounds=1, iterations=2, random_state=0),
        SHBDNN(bits=1, hidden=(3, 2), rounds=1, iterations=2, random_state=0),
    ]
)
def test_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


SMALL = {"hidden": (20, 12), "iterations": 40, "rounds": 4, "random_state": 0}


@pytest.fixture(scope="module")
def unsupervised(digits):
    return UHBDNN(bits=8, **SMALL, validation=0).fit(digits[0])


@pytest.fixture(scope="module")
def supervised(digits):
    return SHBDNN(bits=8, **SMALL, validation=0, rescale=True).fit(*digits)


@pytest.mark.parametrize("name", ["unsupervised", "supervised"])
def test_no_half_step_makes_the_objective_larger(request, name):
    net = request.getfixturevalue(name)
    assert net.history_.steps == ["start", "weights", *["codes", "weights"] * 4]
    assert len(net.objective_) == 10
    assert (np.diff(net.objective_) <= 1e-12 * net.objective_[0]).all()
    assert net.objective_[-1] < 0.9 * net.objective_[0]
    total = sum(net.terms_.values())
    np.testing.assert_allclose(total, net.objective_, rtol=1e-12)
    assert net.n_iter_ == 4
    assert net.history_.ended == "rounds"


def test_reconstruction_is_that_of_the_codes_through_the_decoder(digits, unsupervised):
    X, net = digits[0], unsupervised
    scaled = (X - X.min(0)) / (X.max(0) - X.min(0)).max()
    assert scaled.min() == 0
    assert scaled.max() == 1
    h = net.decision_function(X)
    weight, bias = net.decoder_
    error = np.square(scaled - np.where(h >= 0, 1, -1) @ weight.T - bias).sum() / (2 * len(X))
    # B is near the signs of H and best for the decoder, which was learnt for it.
    assert net.terms_["reconstruction"][-1] <= error < 1.2 * net.terms_["reconstruction"][-1]


def test_codes_are_where_real_codes_are_at_least_zero(digits, unsupervised):
    h = unsupervised.decision_function(digits[0])
    bits = np.unpackbits(unsupervised.encode(digits[0]), axis=1, count=8)
    np.testing.assert_array_equal(bits, h >= 0)


def test_the_range_of_training_rows_is_frozen(digits, unsupervised):
    other = digits[0][:5] * 3 + 1
    together = unsupervised.decision_function(np.concatenate([other, digits[0]]))[:5]
    np.testing.assert_allclose(unsupervised.decision_function(other), together, rtol=1e-9)


def test_codes_from_zeros_are_the_authors_and_may_be_worse(digits):
    options = SMALL | {"iterations": 3, "rounds": 2}
    given = {"bits": 8, "validation": 0, **options}
    net = UHBDNN(**given, code_start="zeros").fit(digits[0])
    other = UHBDNN(**given).fit(digits[0])
    assert not np.array_equal(net.objective_, other.objective_)


def test_same_seed_gives_the_same_codes(digits, unsupervised):
    again = UHBDNN(bits=8, **SMALL, validation=0).fit(digits[0])
    np.testing.assert_array_equal(again.encode(digits[0]), unsupervised.encode(digits[0]))
    other = UHBDNN(bits=8, **{**SMALL, "random_state": 1}, validation=0).fit(digits[0])
    assert (other.encode(digits[0]) != again.encode(digits[0])).any()


def test_supervised_codes_keep_classes_apart(digits, supervised):
    X, y = digits
    relevant = Relevance.from_labels(y, y)
    real = supervised.decision_function(X)
    itq = ITQ(bits=8, random_state=0).fit(X).decision_function(X)
    assert validation_map(real, real, relevant) > validation_map(itq, itq, relevant) + 0.05


def test_rows_of_several_classes_are_alike_if_they_share_one(digits):
    X, y = digits
    indicator = np.zeros((len(y), 12), int)
    indicator[np.arange(len(y)), y] = 1
    options = {"bits": 6, **SMALL, "rounds": 1, "rescale": True, "validation": 0}
    one = SHBDNN(**options).fit(X, y)
    several = SHBDNN(**options).fit(X, indicator)
    np.testing.assert_allclose(several.objective_, one.objective_, rtol=1e-6)
    indicator[:, 10] = y % 2
    other = SHBDNN(**options).fit(X, indicator)
    assert other.terms_["similarity"][0] != pytest.approx(one.terms_["similarity"][0], rel=1e-3)


@pytest.mark.parametrize("y", [np.full((600, 2), 2), np.full((600, 2), 0.5)])
def test_a_matrix_that_indicates_nothing_is_refused(digits, y):
    with pytest.raises(ValueError, match="indicator matrix of 0 and 1"):
        SHBDNN(bits=4).fit(digits[0], y)


def scripted(scores):
    """A problem of one number that falls in every half step, and a judge that says a list."""

    class Scripted:
        signs = None

        def measure(self, vector):
            return {"only": float(vector[0] ** 2)}

        def set_signs(self, signs):
            pass

        def better_signs(self, vector):
            return torch.zeros(1)

        def __call__(self, vector, gradient):
            gradient.copy_(0.1 * vector)
            return float(vector[0] ** 2)

    said = iter(scores)
    return Scripted(), lambda vector: next(said)


@pytest.mark.parametrize(
    ("scores", "patience", "best", "ended", "run"),
    [
        ([0.1, 0.2, 0.3, 0.25, 0.9], 1, 2, "validation", 3),
        ([0.1, 0.2, 0.2], 1, 1, "validation", 2),
        ([0.1, 0.05, 0.3, 0.2, 0.1], 2, 2, "validation", 4),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 1, 4, "rounds", 4),
        ([0.5, 0.4], 1, 0, "validation", 1),
    ],
)
def test_early_stopping_restores_the_best(monkeypatch, scores, patience, best, ended, run):
    problem, judge = scripted(scores)
    reached = []

    def step(vector, objective, iterations):
        vector.mul_(0.5)
        reached.append(float(vector[0]))
        return Outcome(0.0, 1, True)

    monkeypatch.setattr(alternate, "minimise", step)
    vector = torch.ones(1, dtype=torch.float64)
    history = alternate.alternate(
        problem, vector, torch.zeros(1), rounds=4, iterations=1, patience=patience, judge=judge,
        say=lambda text: None,
    )  # fmt: skip
    assert (history.best, history.ended, history.steps.count("codes")) == (best, ended, run)
    assert history.validation == scores[: run + 1]
    assert float(vector[0]) == reached[best]


def test_validation_chooses_the_weights_that_are_kept(digits):
    X, y = digits
    net = SHBDNN(bits=6, **SMALL | {"rounds": 8}, rescale=True, validation=60).fit(X, y)
    assert len(net.validation_) == net.n_iter_ + 1
    assert net.validation_[net.history_.best] == net.validation_.max()
    assert 0.3 < net.validation_.max() <= 1


def test_rows_set_apart_are_not_trained_on(digits):
    X, y = digits
    apart = set_apart(y, 60, np.random.RandomState(0))
    assert np.bincount(y[apart]).tolist() == [6] * 10
    net = SHBDNN(bits=4, **SMALL | {"rounds": 0}, rescale=True, validation=60).fit(X, y)
    alone = SHBDNN(bits=4, **SMALL | {"rounds": 0}, rescale=True, validation=0)
    random = np.random.RandomState(0)
    set_apart(y, 60, random)
    alone.set_params(random_state=random).fit(X[~apart], y[~apart])
    np.testing.assert_array_equal(net.objective_, alone.objective_)


def test_no_more_than_a_fifth_of_a_class_is_set_apart():
    y = np.repeat([0, 1, 2], [100, 10, 4])
    apart = set_apart(y, 30, np.random.RandomState(0))
    assert np.bincount(y[apart], minlength=3).tolist() == [10, 2, 0]
    several = set_apart(np.ones((40, 3)), 100, np.random.RandomState(0))
    assert several.sum() == 8


def test_values_that_are_not_finite_end_it_with_the_best_restored(digits, monkeypatch):
    X = digits[0][:200]
    plain, calls = Autoencoding.__call__, []

    def failing(self, vector, gradient):
        calls.append(0)
        value = plain(self, vector, gradient)
        return float("nan") if len(calls) == 60 else value

    options = SMALL | {"iterations": 20}
    whole = UHBDNN(bits=4, **options, validation=50, patience=9).fit(X)
    monkeypatch.setattr(Autoencoding, "__call__", failing)
    with pytest.warns(RuntimeWarning, match="not finite in round 2; the best weights before that"):
        net = UHBDNN(bits=4, **options, validation=50, patience=9).fit(X)
    assert net.history_.ended == "not finite"
    assert np.isfinite(net.objective_).all()
    assert np.isfinite(net.decision_function(X)).all()
    np.testing.assert_array_equal(net.validation_[:2], whole.validation_[:2])
    assert (np.diff(net.objective_) <= 1e-12 * net.objective_[0]).all()


def test_features_too_large_for_the_objective_are_refused():
    X = np.random.default_rng(0).normal(size=(20, 4)) * 1e200
    with pytest.raises(ValueError, match="too large for float64: scale the features"):
        SHBDNN(bits=2, validation=0).fit(X, np.arange(20) % 2)


def test_an_objective_that_is_not_finite_at_its_start_is_refused():
    problem, _ = scripted([])
    with pytest.raises(ValueError, match=r"not finite at its start: .* scale the features"):
        alternate.alternate(
            problem, torch.full((1,), 1e200, dtype=torch.float64), torch.zeros(1), rounds=1,
            iterations=1, patience=1, judge=None, say=lambda text: None,
        )  # fmt: skip


def test_minimise_reaches_the_minimum_of_a_quadratic_and_never_worsens():
    a = torch.diag(torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64))
    target = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)

    def value(x, gradient):
        gradient.copy_(a @ (x - target))
        return float((x - target) @ a @ (x - target) / 2)

    x = torch.zeros(3, dtype=torch.float64)
    outcome = minimise(x, value, 100)
    np.testing.assert_allclose(x, target, atol=1e-5)
    assert outcome.finite
    assert outcome.value == value(x, torch.empty(3, dtype=torch.float64))
    misleading = torch.zeros(3, dtype=torch.float64)

    def uphill(x, gradient):
        gradient.copy_(-(x - target))
        return float((x - target).square().sum())

    start = uphill(misleading, torch.empty(3, dtype=torch.float64))
    assert minimise(misleading, uphill, 5).value <= start


def test_validation_map_is_that_of_the_trapezoid_over_all_rows():
    gallery = np.array([[1.0, 1], [-1, 1], [-1, -1]])  # at distances 0, 1, 2
    truth = Relevance.from_matrix(np.array([[True, False, True]]))
    found = validation_map(np.array([[0.5, 0.0]]), gallery, truth)
    assert found == pytest.approx(((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2) / 2)


def test_nearest_rows_are_those_of_all_distances():
    rows = np.random.default_rng(0).normal(size=(700, 4))
    asked = np.random.default_rng(1).permutation(700)[:300]
    for found, row in zip(nearest_rows(rows, asked, 9), rows[asked], strict=True):
        assert set(found) == set(np.argsort(((rows - row) ** 2).sum(1))[:9])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 100}, "UHBDNN has an axis .* n_features=64, got bits=100"),
        ({"rounds": -1}, "rounds must be at least 0"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"sweeps": 0}, "sweeps must be at least 1"),
        ({"neighbours": 0}, "neighbours must be at least 1"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"validation": -1}, "validation must be at least 0"),
        ({"hidden": (4,)}, "hidden must be two widths"),
        ({"hidden": (4, 0)}, "hidden must be at least 1"),
        ({"code_start": "random"}, "code_start must be one of 'previous', 'zeros'"),
        ({"precision": "float16"}, "precision must be one of"),
        ({"weights": "mine"}, "weights must be 'code', 'paper' or BDNNWeights"),
    ],
)
def test_parameters_out_of_range_are_refused(digits, options, message):
    with pytest.raises(ValueError, match=message):
        UHBDNN(**{"bits": 4, **options}).fit(digits[0])


def test_hidden_that_is_no_pair_is_refused(digits):
    with pytest.raises(TypeError, match="hidden must be a sequence of widths, got 30"):
        UHBDNN(bits=4, hidden=30).fit(digits[0])


def test_weights_are_used(digits):
    options = {"bits": 4, **SMALL, "rounds": 0, "validation": 0}
    X = digits[0][:100]
    heavy = UHBDNN(**options, weights=BDNNWeights(decay=1.0)).fit(X)
    light = UHBDNN(**options).fit(X)
    assert np.square(heavy.layers_[0][0]).sum() < np.square(light.layers_[0][0]).sum()
    paper = UHBDNN(**options, weights="paper").fit(X)
    assert paper.terms_["balance"][0] == pytest.approx(2 * light.terms_["balance"][0])


def test_verbose_says_each_half_step(digits, capsys):
    UHBDNN(bits=4, **SMALL | {"rounds": 1}, validation=10, verbose=True).fit(digits[0][:100])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("UHBDNN, 4 bits, round 0: weights, objective ")
    assert "validation mAP" in lines[0]
    assert "round 1: codes" in lines[1]


def test_works_without_warnings_on_single_precision_and_constant_features(digits):
    X = digits[0].astype(np.float32)
    assert (X.max(0) == X.min(0)).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = UHBDNN(bits=5, **SMALL | {"rounds": 1}, precision="float32").fit(X)
    assert net.layers_[0][0][:, X.max(0) == X.min(0)].any() == np.False_
    assert net.encode(X).shape == (600, 1)
