"""What every estimator of codes keeps to, whichever method it is."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits

from bitgrove import hashing
from bitgrove.hashing import HashEncoder

SHORT = {"epochs": 2, "iterations": 5, "rounds": 1, "anchors": 15, "max_iter": 20}
EVERY = [
    found
    for found in map(hashing.__dict__.__getitem__, sorted(hashing.__dict__))
    if isinstance(found, type) and issubclass(found, HashEncoder) and found is not HashEncoder
]
SUPERVISED = [method for method in EVERY if method()._needs_labels]
names = {"ids": lambda method: method.__name__}


def short(method, **options):
    """Trained for a moment, with as many bits as all can have."""
    made = method(bits=12, **options)
    known = made.get_params()
    made.set_params(**{name: value for name, value in SHORT.items() if name in known})
    if "random_state" in known:
        made.set_params(random_state=0)
    if "width" in known and method is hashing.SuBiC:
        made.set_params(width=8)
    return made


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300], y[:300]


def test_all_are_here():
    assert len(EVERY) == 18


@pytest.mark.parametrize("method", EVERY, **names)
def test_a_row_has_the_same_numbers_alone_as_among_others(method, digits):
    X, y = digits
    encoder = short(method).fit(X, y)
    values = encoder.decision_function(X)
    for row in (0, 127, 128, 299):
        np.testing.assert_array_equal(encoder.decision_function(X[row : row + 1])[0], values[row])
    np.testing.assert_array_equal(encoder.decision_function(X[::-1])[::-1], values)
    np.testing.assert_array_equal(encoder.encode(X[5:6])[0], encoder.encode(X)[5])


@pytest.mark.parametrize("method", EVERY, **names)
def test_numbers_that_are_nearly_zero_have_one_bit(method):
    half = np.concatenate([np.repeat(np.eye(8), 20, 0), np.zeros((40, 8))])
    X = np.hstack([half, half[::-1]])
    encoder = short(method).fit(X, np.arange(200) // 50)
    alone = np.concatenate([encoder.encode(row[None]) for row in X])
    np.testing.assert_array_equal(alone, encoder.encode(X))


@pytest.mark.parametrize("method", SUPERVISED, **names)
def test_one_class_is_refused_by_its_name(method, digits):
    with pytest.raises(ValueError, match="class") as refused:
        short(method).fit(digits[0], np.full(300, 7))
    assert "int64" not in str(refused.value)


@pytest.mark.parametrize("method", [hashing.UHBDNN, hashing.SHBDNN], **names)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_rows_that_are_all_alike_are_refused(method, value):
    with pytest.raises(ValueError, match="nothing to learn"):
        short(method, rescale=True).fit(np.full((40, 16), value), np.arange(40) % 2)


@pytest.mark.parametrize("method", EVERY, **names)
def test_parameters_of_another_kind_are_named(method, digits):
    wrong = {
        "epochs": 2.5, "lr": "fast", "alpha": True, "hidden": (True, 5), "rescale": 5,
        "verbose": "no", "straight_through": 7, "iterations": 1.5, "regularization": "much",
        "centred": 1, "scale": "large", "sweeps": None, "margin": "wide", "gamma": "big",
        "entropy": None,
    }  # fmt: skip
    encoder = short(method)
    for name in wrong.keys() & encoder.get_params().keys():
        with pytest.raises(TypeError, match=name):
            clone(encoder).set_params(**{name: wrong[name]}).fit(*digits)


def test_widths_may_be_integers_of_numpy(digits):
    for method in (hashing.UHBDNN, hashing.DSH, hashing.DeepHashing):
        short(method).set_params(hidden=(np.int64(14), np.int64(13))).fit(*digits)


def test_functions_keep_their_arguments_limits():
    import torch

    for order, error in ((0, ValueError), (2.5, TypeError)):
        with pytest.raises(error, match="order"):
            hashing.hadamard(order)
    with pytest.raises(ValueError, match="epsilon"):
        hashing.piecewise_threshold(torch.zeros(2), -3)
    with pytest.raises(ValueError, match="margin"):
        hashing.triplet_ranking_loss(*[torch.zeros(1, 1)] * 3, margin=-5)
    with pytest.raises(ValueError, match="gamma"):
        hashing.bi_half(torch.zeros(2, 1), gamma=-3)
    said = hashing.Described(torch.zeros(3, 2), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="one network"):
        hashing.sketch_distances(said, said, attribute_weight=1.0)
