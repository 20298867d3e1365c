import numpy as np
import pytest
from scipy.linalg import eigh
from sklearn.cross_decomposition import CCA

from bitgrove.hashing import CCAITQ


@pytest.fixture(scope="module")
def rows_and_labels():
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 300)
    centres = random.normal(0, 1, (4, 6))
    return (random.normal(size=(300, 6)) + centres[labels]) @ random.normal(size=(6, 6)), labels


def test_directions_solve_the_eigenproblem_of_canonical_correlation(rows_and_labels):
    rows, labels = rows_and_labels
    hasher = CCAITQ(bits=8, regularization=0.03, random_state=0).fit(rows, labels)
    X = rows - rows.mean(0)
    Y = np.eye(4)[labels]
    Y -= Y.mean(0)
    sxx, sxy, syy = X.T @ X / 300, X.T @ Y / 300, Y.T @ Y / 300
    between = sxy @ np.linalg.pinv(syy) @ sxy.T
    ridge = sxx + 0.03 * np.trace(sxx) / 6 * np.eye(6)
    values, vectors = eigh(between, ridge)
    assert values[:3] == pytest.approx(0, abs=1e-12)  # four classes have three directions
    np.testing.assert_allclose(hasher.correlations_**2, values[:2:-1])
    expected = vectors[:, :2:-1].T * np.sqrt(values[:2:-1])[:, None]
    signs = np.sign((expected * hasher.components_).sum(1))
    np.testing.assert_allclose(hasher.components_, signs[:, None] * expected, rtol=1e-8)


def test_correlations_are_those_of_scikit_learn_without_regularisation(rows_and_labels):
    rows, labels = rows_and_labels
    hasher = CCAITQ(bits=3, regularization=1e-12, random_state=0).fit(rows, labels)
    one_hot = np.eye(4)[labels][:, :3]  # the last column follows from the others
    peer = CCA(n_components=3, max_iter=5000, tol=1e-12).fit(rows, one_hot)
    left, right = peer.transform(rows, one_hot)
    expected = [abs(np.corrcoef(left[:, i], right[:, i])[0, 1]) for i in range(3)]
    np.testing.assert_allclose(hasher.correlations_, expected, rtol=1e-4)


@pytest.mark.parametrize("bits", [2, 3, 7])
def test_the_rotation_never_makes_the_error_larger(rows_and_labels, bits):
    rows, labels = rows_and_labels
    hasher = CCAITQ(bits=bits, random_state=0).fit(rows, labels)
    assert (np.diff(hasher.quantization_error_) <= 1e-12).all()
    assert hasher.quantization_error_[-1] < hasher.quantization_error_[0]
    values = hasher.decision_function(rows)
    error = np.square(np.where(values >= 0, 1, -1) - values).sum() / len(rows)
    assert error == pytest.approx(hasher.quantization_error_[-1])
    turn = hasher.rotation_
    np.testing.assert_allclose(turn @ turn.T, np.eye(len(turn)), atol=1e-9)
    assert turn.shape == (min(bits, 3), bits)


def test_a_constant_feature_and_features_that_repeat_do_no_harm(rows_and_labels):
    rows, labels = rows_and_labels
    wide = np.hstack([rows, rows[:, :2], np.full((300, 1), 7.0)])
    hasher = CCAITQ(bits=5, random_state=0).fit(wide, labels)
    assert np.isfinite(hasher.decision_function(wide)).all()


def test_classes_of_the_same_mean_are_refused():
    rows = np.array([[1.0], [-1.0], [2.0], [-2.0]])
    with pytest.raises(ValueError, match="the classes have the same mean"):
        CCAITQ(bits=2).fit(rows, [0, 0, 1, 1])
