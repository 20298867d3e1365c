import numpy as np
import pytest

from bitgrove.hashing import LSH


@pytest.mark.parametrize("degrees", [0, 20, 60, 90, 135, 180])
@pytest.mark.parametrize("features", [2, 40])
def test_the_share_of_differing_bits_is_the_angle_over_pi(degrees, features):
    random = np.random.default_rng(features)
    turn = np.linalg.qr(random.standard_normal((features, features)))[0][:2]
    angle = np.deg2rad(degrees)
    rows = np.array([[3.0, 0.0], [np.cos(angle), np.sin(angle)]]) @ turn
    bits = 20_000
    values = LSH(bits=bits, centred=False, random_state=1).fit(rows).decision_function(rows)
    differ = ((values[0] >= 0) != (values[1] >= 0)).mean()
    spread = np.sqrt(degrees / 180 * (1 - degrees / 180) / bits)
    assert abs(differ - degrees / 180) <= 4 * spread


def test_centred_hyperplanes_pass_through_the_mean_of_the_training_rows():
    rows = np.random.default_rng(0).normal(5, 1, (9000, 3))  # more than one block
    lsh = LSH(bits=50, random_state=0).fit(rows)
    np.testing.assert_allclose(lsh.mean_, rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(lsh.decision_function(rows.mean(0)[None]), 0, atol=1e-10)
    halves = (lsh.decision_function(rows) >= 0).mean(0)
    assert 0.45 < halves.min() < halves.max() < 0.55
    plain = LSH(bits=50, centred=False, random_state=0).fit(rows)
    np.testing.assert_allclose(plain.decision_function(rows), rows @ plain.normals_.T)
    np.testing.assert_array_equal(plain.normals_, lsh.normals_)
    assert (plain.decision_function(rows) >= 0).mean(0).max() > 0.99
