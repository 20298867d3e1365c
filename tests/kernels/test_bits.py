import subprocess
import sys

import numpy as np
import pytest

from bitgrove import _core, kernels
from bitgrove.interfaces import PackedCodes


def count_by_unpacking(a, b):
    """Oracle: compare unpacked bits. Shares no code and no trick with the kernels."""
    x, y = np.unpackbits(a.data, axis=1), np.unpackbits(b.data, axis=1)
    return (x[:, None, :] != y[None, :, :]).sum(-1).astype(np.int32)


def random_codes(rng, n, bits):
    return PackedCodes.from_signs(rng.standard_normal((n, bits)))


# Below, at and past every boundary: a byte, a word, a vector, the AVX2 body of eight words.
WIDTHS = [1, 7, 8, 9, 63, 64, 65, 128, 129, 447, 448, 512, 513, 575, 576, 1024, 1100, 4608]


@pytest.mark.parametrize("bits", WIDTHS)
def test_hamming_matches_unpacked_bits(simd_level, bits):
    rng = np.random.default_rng(bits)
    a, b = random_codes(rng, 5, bits), random_codes(rng, 11, bits)
    expected = count_by_unpacking(a, b)
    assert bits < 9 or len(np.unique(expected)) > 5  # not vacuous
    np.testing.assert_array_equal(kernels.hamming_distances(a, b), expected)


@pytest.mark.parametrize("bits", WIDTHS)
def test_binary_matmul_matches_the_product_of_signs(simd_level, bits):
    rng = np.random.default_rng(bits)
    a, b = random_codes(rng, 4, bits), random_codes(rng, 9, bits)
    expected = a.signs().astype(np.int32) @ b.signs().astype(np.int32).T
    np.testing.assert_array_equal(kernels.binary_matmul(a, b), expected)


@pytest.mark.parametrize("bits", WIDTHS)
def test_pack_signs_matches_numpy(simd_level, bits):
    values = np.random.default_rng(bits).standard_normal((6, bits)).astype(np.float32)
    values[0, ::2], values[1, ::3] = 0.0, -0.0
    expected = np.packbits(values >= 0, axis=1)
    np.testing.assert_array_equal(kernels.pack_signs(values).data, expected)


def test_pack_signs_counts_both_zeros_as_plus_one(simd_level):
    packed = kernels.pack_signs(np.array([[0.0, -0.0, -1e-45]], np.float32))
    np.testing.assert_array_equal(packed.signs(), [[1, 1, -1]])


def test_pack_signs_refuses_nan():
    with pytest.raises(ValueError, match="NaN"):
        kernels.pack_signs(np.array([[np.nan]], np.float32))


@pytest.mark.parametrize(
    "values", [np.zeros((2, 3)), np.zeros(3, np.float32), np.zeros((3, 2), np.float32).T, [[1.0]]]
)
def test_pack_signs_refuses_to_convert(values):
    with pytest.raises(TypeError, match="C-contiguous float32"):
        kernels.pack_signs(values)


def test_length_mismatch_names_both_lengths():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="a has 8 bits, b has 9 bits"):
        kernels.hamming_distances(random_codes(rng, 2, 8), random_codes(rng, 2, 9))


@pytest.mark.parametrize(
    ("data", "bits", "message"),
    [
        (np.zeros((1, 2), np.uint8), 8, "1 bytes a row, got 2"),
        (np.full((1, 1), 1, np.uint8), 7, "padding bits"),
        (np.zeros((1, 1), np.uint8), 0, "at least 1"),
    ],
)
def test_packed_codes_refuse_a_wrong_layout(data, bits, message):
    with pytest.raises(ValueError, match=message):
        PackedCodes(data, bits)


def test_packed_codes_refuse_another_dtype():
    with pytest.raises(TypeError, match="dtype=int64"):
        PackedCodes(np.zeros((1, 1), np.int64), 8)


def test_unknown_level_lists_those_available():
    with pytest.raises(ValueError, match="'mmx' cannot run on this CPU; available: scalar"):
        kernels.set_simd_level("mmx")


@pytest.mark.parametrize("level", kernels.simd_levels())
def test_every_level_runs_when_forced_by_the_environment(level):
    code = (
        "import numpy as np; from bitgrove import kernels as k;"
        "c = k.pack_signs(np.ones((3, 700), np.float32));"
        "assert (k.binary_matmul(c, c) == 700).all(); print(k.simd_level())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"BITGROVE_SIMD": level},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == level


def test_unknown_level_in_the_environment_is_refused():
    ran = subprocess.run(
        [sys.executable, "-c", "from bitgrove import kernels; kernels.simd_level()"],
        env={"BITGROVE_SIMD": "avx1024"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert "BITGROVE_SIMD level 'avx1024' cannot run on this CPU" in ran.stderr


def test_the_speed_of_reading_is_measured_or_refused():
    assert _core.read_peak(1 << 16, 0.001) > 1e6
    for size, seconds in ((100, 0.01), (1 << 16, 0), (1 << 16, 61)):
        with pytest.raises(ValueError, match="read_peak"):
            _core.read_peak(size, seconds)
