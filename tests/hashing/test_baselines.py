"""What LSH, spectral hashing, SDH, CCA-ITQ, class codes and deep hashing have in common."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

from bitgrove.hashing import (
    CCAITQ,
    LSH,
    ClassCodes,
    DeepHashing,
    SpectralHashing,
    SupervisedDeepHashing,
    SupervisedDiscreteHashing,
)

UNSUPERVISED = (
    LSH(bits=12),
    SpectralHashing(bits=12),
    DeepHashing(bits=12, hidden=[10], iterations=5),
)
SUPERVISED = (
    SupervisedDiscreteHashing(bits=12, anchors=15),
    CCAITQ(bits=12),
    ClassCodes(bits=12),
    SupervisedDeepHashing(bits=12, hidden=[10], iterations=5),
)
EVERY = (*UNSUPERVISED, *SUPERVISED)
named = pytest.mark.parametrize("method", EVERY, ids=lambda method: type(method).__name__)


@parametrize_with_checks(list(EVERY))
def test_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


def fitted(method, digits):
    method = clone(method)
    if "random_state" in method.get_params():
        method.set_params(random_state=0)
    return method.fit(*digits)


@named
def test_codes_are_packed_signs_and_the_same_alone_as_among_others(method, digits):
    X, _ = digits
    method = fitted(method, digits)
    values, codes = method.decision_function(X), method.encode(X)
    assert values.shape == (600, 12)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, np.packbits(values >= 0, axis=1))
    assert not (codes[:, 1] & 0x0F).any()
    for row in (0, 127, 128, 599):
        np.testing.assert_array_equal(method.decision_function(X[row : row + 1])[0], values[row])
    np.testing.assert_array_equal(method.decision_function(X[::-1])[::-1], values)
    np.testing.assert_array_equal(method.encode(X.astype(np.float32)), codes)


@named
def test_the_same_seed_gives_the_same_codes_and_a_copy_too(method, digits):
    X, _ = digits
    first, second = fitted(method, digits), fitted(method, digits)
    np.testing.assert_array_equal(first.decision_function(X), second.decision_function(X))
    copied = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(first.decision_function(X), copied.decision_function(X))


@pytest.mark.parametrize("method", SUPERVISED, ids=lambda method: type(method).__name__)
def test_labels_must_be_one_of_several_classes_for_each_row(method, digits):
    X, y = digits
    with pytest.raises(ValueError, match="requires y to be passed"):
        method.fit(X)
    with pytest.raises(ValueError, match="at least 2 classes, got only class"):
        clone(method).fit(X, np.zeros(600, int))
    with pytest.raises(ValueError, match=r"1d array|multilabel"):
        clone(method).fit(X, np.eye(10, dtype=int)[y])
    with pytest.raises(ValueError, match="continuous"):
        clone(method).fit(X, y + 0.5)


@pytest.mark.parametrize("method", SUPERVISED, ids=lambda method: type(method).__name__)
def test_labels_may_be_words(method, digits):
    X, y = digits
    words = np.array([f"digit {label}" for label in y])
    numbers, words = fitted(method, (X, y)), fitted(method, (X, words))
    np.testing.assert_array_equal(numbers.encode(X), words.encode(X))
    assert words.classes_[3] == "digit 3"


@pytest.mark.parametrize(
    "method", [m for m in EVERY if not isinstance(m, LSH | ClassCodes | SupervisedDiscreteHashing)]
)
def test_rows_that_are_all_equal_are_refused(method):
    with pytest.raises(ValueError, match="all rows are equal"):
        clone(method).fit(np.ones((20, 4)), [0, 1] * 10)


@pytest.mark.parametrize(
    ("method", "error", "said"),
    [
        (LSH(bits=0), ValueError, "bits must be at least 1"),
        (LSH(bits=4.0), TypeError, "bits must be an integer"),
        (LSH(centred="no"), TypeError, "centred must be True or False"),
        (SpectralHashing(components=0), ValueError, "components must be at least 1"),
        (SpectralHashing(components=65), ValueError, "must not exceed n_features=64, got 65"),
        (SupervisedDiscreteHashing(anchors=0), ValueError, "anchors must be at least 1"),
        (SupervisedDiscreteHashing(iterations=1.5), TypeError, "iterations must be an integer"),
        (SupervisedDiscreteHashing(width=0.0), ValueError, "width must be finite and above 0"),
        (
            SupervisedDiscreteHashing(agreement=-1),
            ValueError,
            "agreement must be finite and above 0",
        ),
        (SupervisedDiscreteHashing(shrinkage=np.nan), ValueError, "shrinkage must be finite"),
        (CCAITQ(regularization=0), ValueError, "regularization must be finite and above 0"),
        (CCAITQ(iterations=-1), ValueError, "iterations must be at least 0"),
        (ClassCodes(bits=3), ValueError, "bits=3 cannot number 10 classes: at least 4"),
        (ClassCodes(max_iter=0), ValueError, "max_iter must be at least 1"),
        (DeepHashing(hidden=[0]), ValueError, "hidden must be at least 1, got 0"),
        (DeepHashing(hidden=["a"]), TypeError, "hidden must be an integer, got 'a'"),
        (DeepHashing(iterations=0), ValueError, "iterations must be at least 1"),
        (DeepHashing(variance=-1), ValueError, "variance must be finite and at least 0"),
        (SupervisedDeepHashing(separation="much"), TypeError, "separation must be a number"),
    ],
    ids=repr,
)
def test_what_does_not_fit_is_refused(method, error, said, digits):
    with pytest.raises(error, match=said):
        method.fit(*digits)
