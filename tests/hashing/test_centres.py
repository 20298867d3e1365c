"""Centres of classes, and the matrices they come from."""

import numpy as np
import pytest

from bitgrove.hashing import hadamard, hash_centres


@pytest.mark.parametrize("order", range(1, 130))
def test_hadamard_matrices_are_orthogonal_signs_or_none(order):
    matrix = hadamard(order)
    if matrix is None:
        assert order % 4 or order in (52, 92, 100, 116)
        return
    assert set(np.unique(matrix)) <= {-1, 1}
    assert (matrix[0] == 1).all()
    whole = matrix.astype(int)
    np.testing.assert_array_equal(whole @ whole.T, order * np.eye(order, dtype=int))


@pytest.mark.parametrize("bits", [12, 16, 24, 32, 36, 48, 64])
def test_centres_differ_in_half_of_their_bits(bits):
    centres = hash_centres(10, bits, seed=1)
    apart = (centres[:, None] != centres[None]).sum(2)
    np.testing.assert_array_equal(apart, bits // 2 * (1 - np.eye(10, dtype=int)))
    assert not (hash_centres(10, bits, seed=2) == centres).all()
    np.testing.assert_array_equal(hash_centres(10, bits, seed=1), centres)


def test_up_to_twice_as_many_classes_as_bits_have_opposite_rows_too():
    centres = hash_centres(24, 12)
    apart = (centres[:, None] != centres[None]).sum(2)
    assert set(np.unique(apart)) == {0, 6, 12}
    assert (apart == 0).sum() == 24
    assert (apart == 12).sum() == 24


@pytest.mark.parametrize(("classes", "bits"), [(10, 5), (25, 12), (7, 18), (32, 5), (2, 1)])
def test_other_centres_are_drawn_and_all_different(classes, bits):
    centres = hash_centres(classes, bits)
    assert centres.shape == (classes, bits)
    assert len(np.unique(centres, axis=0)) == classes


def test_fair_coins_make_them():
    assert abs(hash_centres(2000, 54).mean()) < 0.01


def test_too_few_bits_are_refused():
    with pytest.raises(ValueError, match="2 bits have no 5 different codes; ask for more bits"):
        hash_centres(5, 2)
