import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bitgrove.hashing import ClassCodes


@pytest.mark.parametrize(("classes", "bits"), [(2, 1), (3, 2), (5, 3), (8, 3), (10, 4), (10, 70)])
def test_codes_are_the_number_of_the_class_that_a_linear_classifier_predicts(classes, bits):
    X, y = load_digits(return_X_y=True)
    X, y = X[y < classes], y[y < classes]
    train, rows = slice(0, 300), slice(300, 420)
    cheat = ClassCodes(bits=bits, regularization=1e-2).fit(X[train], y[train])
    peer = make_pipeline(StandardScaler(), LogisticRegression(C=1 / (1e-2 * 300), max_iter=1000))
    expected = peer.fit(X[train], y[train]).predict(X[rows])
    found = np.unpackbits(cheat.encode(X[rows]), axis=1, count=bits)
    numbers = [int("".join(map(str, row)), 2) for row in found]
    np.testing.assert_array_equal(numbers, expected)
    assert len(set(numbers)) == classes
