"""ITQ and PCAH."""

import itertools

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import parametrize_with_checks

from bitgrove.hashing import ITQ, PCAH, HashEncoder
from bitgrove.hashing._itq import rotate


@parametrize_with_checks([PCAH(bits=1), ITQ(bits=1, iterations=3, random_state=0)])
def test_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    return load_digits().data


def test_pcah_takes_the_signs_of_the_components_of_scikit_learn(digits):
    ours = PCAH(bits=12).fit(digits).decision_function(digits)
    theirs = PCA(12, svd_solver="full").fit_transform(digits)
    turned = np.sign((ours * theirs).sum(0))
    np.testing.assert_allclose(ours, theirs * turned, atol=1e-9)


def itq_by_definition(rows, rotation, iterations):
    """Oracle: signs by loops, the rotation as the polar factor by eigenvectors of C C'."""
    errors = []
    for step in range(iterations + 1):
        turned = np.array([[sum(r * rotation[:, k]) for k in range(rows.shape[1])] for r in rows])
        signs = np.array([[1.0 if v >= 0 else -1.0 for v in row] for row in turned])
        errors.append(((signs - turned) ** 2).sum() / len(rows))
        if step < iterations:
            cross = rows.T @ signs
            values, vectors = np.linalg.eigh(cross.T @ cross)
            rotation = cross @ vectors @ np.diag(values**-0.5) @ vectors.T
    return rotation, np.array(errors)


def test_itq_finds_the_rotation_of_its_definition():
    rows = np.random.default_rng(1).normal(size=(60, 5)) * [3, 2, 2, 1, 1]
    start = np.linalg.svd(np.random.RandomState(7).standard_normal((5, 5)))[0]
    rotation, errors = rotate(rows, 6, np.random.RandomState(7))
    want, want_errors = itq_by_definition(rows, start, 6)
    np.testing.assert_allclose(rotation, want, atol=1e-9)
    np.testing.assert_allclose(errors, want_errors, rtol=1e-12)


def test_itq_never_quantises_worse_than_before(digits):
    itq = ITQ(bits=16, random_state=3).fit(digits)
    error = itq.quantization_error_
    assert len(error) == 51
    assert (np.diff(error) <= 1e-12 * error[0]).all()
    assert error[-1] < 0.985 * error[0]
    np.testing.assert_allclose(itq.rotation_ @ itq.rotation_.T, np.eye(16), atol=1e-12)
    turned = itq.decision_function(digits)
    assert np.square(np.where(turned >= 0, 1, -1) - turned).sum() / len(digits) == pytest.approx(
        error[-1]
    )


def faiss_rotation(rows, start, iterations):
    faiss = pytest.importorskip("faiss")
    matrix = faiss.ITQMatrix(rows.shape[1])
    matrix.max_iter = iterations
    first = faiss.Float64Vector()
    faiss.copy_array_to_vector(start.ravel(), first)
    matrix.init_rotation = first
    matrix.train(rows.astype(np.float32))
    return faiss.vector_to_array(matrix.A).reshape(start.shape).T


def test_itq_is_that_of_faiss_but_for_its_transposed_factor(digits):
    """With U S V' = B'X, the rotation of a step is V U'; faiss's product is (U V)', not it.

    ``U V`` is no solution of the Procrustes problem, and depends on the signs that a decomposition
    leaves open; with one of these choices it is faiss's rotation.
    """
    encoder = PCAH(bits=5).fit(digits)
    rows = encoder.decision_function(digits).astype(np.float32).astype(np.float64)
    start = np.linalg.qr(np.random.RandomState(1).normal(size=(5, 5)))[0]
    np.testing.assert_allclose(faiss_rotation(rows, start, 0), start, atol=1e-6)
    signs = np.where(rows @ start >= 0, 1.0, -1.0)
    u, _, vt = np.linalg.svd(signs.T @ rows)
    theirs = faiss_rotation(rows, start, 1)
    nearest = min(
        np.abs(theirs - ((u * choice) @ (choice[:, None] * vt).T).T).max()
        for choice in map(np.array, itertools.product((1.0, -1.0), repeat=5))
    )
    assert nearest < 1e-6
    assert np.abs(theirs - vt.T @ u.T).max() > 0.1
    np.testing.assert_allclose(vt.T @ u.T, orthogonal_procrustes(rows, signs)[0], atol=1e-9)


def test_itq_loses_no_more_than_faiss(digits):
    """Its transposed factor makes faiss's error larger, from any start."""
    rows = PCAH(bits=16).fit(digits).decision_function(digits)
    for seed in range(3):
        start = np.linalg.svd(np.random.RandomState(seed).standard_normal((16, 16)))[0]
        _, errors = rotate(rows, 50, np.random.RandomState(seed))
        turned = rows @ faiss_rotation(rows, start, 50)
        theirs = np.square(np.where(turned >= 0, 1, -1) - turned).sum() / len(rows)
        assert errors[-1] < theirs < errors[0]


def test_itq_without_iterations_is_a_random_rotation_of_pcah(digits):
    itq = ITQ(bits=8, iterations=0, random_state=0).fit(digits)
    np.testing.assert_allclose(
        itq.decision_function(digits),
        PCAH(bits=8).fit(digits).decision_function(digits) @ itq.rotation_,
        atol=1e-9,
    )


@pytest.mark.parametrize("bits", [5, 12, 36])
def test_any_number_of_bits_has_padding_of_zeros(digits, bits):
    codes = ITQ(bits=bits, random_state=0).fit(digits).encode(digits)
    assert codes.shape == (len(digits), -(-bits // 8))
    assert not np.unpackbits(codes, axis=1)[:, bits:].any()


@pytest.mark.parametrize("method", [PCAH, ITQ])
def test_more_bits_than_features_are_refused(method):
    rows = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match="bits must not exceed n_features=3, got bits=4"):
        method(bits=4).fit(rows)


def test_is_a_hash_encoder():
    assert issubclass(ITQ, HashEncoder)
    assert issubclass(PCAH, HashEncoder)


def test_itq_refuses_parameters_out_of_range(digits):
    with pytest.raises(ValueError, match="iterations must be at least 0, got -1"):
        ITQ(bits=4, iterations=-1).fit(digits)
    with pytest.raises(TypeError, match=r"iterations must be an integer, got 2\.5"):
        ITQ(bits=4, iterations=2.5).fit(digits)
