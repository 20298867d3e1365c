import numpy as np
import pytest

from bitgrove import _core, kernels

# Around every boundary: a lane, the 32 partial sums, a 64-byte vector, two of them.
DIMS = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 95, 96, 97, 127, 128, 129, 200]


def run(kernel, a, b, dtype):
    out = np.empty((len(a), len(b)), dtype)
    getattr(_core, kernel)(a, b, out)
    return out


def differences(a, b):
    """Oracle: all differences in float64, which holds every value here exactly."""
    return a.astype(np.float64)[:, None, :] - b.astype(np.float64)[None, :, :]


def inside_bigger(array):
    """The same rows in the middle of poison, so that reading past an end shows."""
    width = array.shape[1]
    poison = np.nan if array.dtype.kind == "f" else 255
    big = np.full(array.size + 128, poison, array.dtype)
    big[64 : 64 + array.size] = array.ravel()
    return big[64 : 64 + array.size].reshape(-1, width)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_real_kernels_match_float64(simd_level, dtype, dim):
    rng = np.random.default_rng(dim)
    a = inside_bigger(rng.standard_normal((4, dim)).astype(dtype))
    b = inside_bigger(rng.standard_normal((5, dim)).astype(dtype))
    name = "f32" if dtype == np.float32 else "f16"
    bits = np.uint16 if dtype == np.float16 else np.float32
    l2 = run(f"l2_{name}", a.view(bits), b.view(bits), np.float32)
    ip = run(f"ip_{name}", a.view(bits), b.view(bits), np.float32)
    expected = (differences(a, b) ** 2).sum(-1)
    assert len(np.unique(expected)) > 10  # not vacuous
    # dim/32 + 5 roundings of a sum of positive terms, of squares that are rounded twice.
    np.testing.assert_allclose(l2, expected, rtol=(dim / 32 + 8) * 6e-8)
    products = a.astype(np.float64)[:, None, :] * b.astype(np.float64)[None, :, :]
    bound = (dim / 32 + 8) * 6e-8 * np.abs(products).sum(-1)
    assert (np.abs(ip - products.sum(-1)) <= bound).all()


@pytest.mark.parametrize("dim", DIMS)
def test_byte_kernels_are_exact(simd_level, dim):
    rng = np.random.default_rng(dim)
    a = inside_bigger(rng.integers(0, 256, (4, dim), dtype=np.uint8))
    b = inside_bigger(rng.integers(0, 256, (5, dim), dtype=np.uint8))
    l2 = run("l2_u8", a, b, np.uint32)
    np.testing.assert_array_equal(l2, (differences(a, b) ** 2).sum(-1))
    products = a.astype(np.int64) @ b.astype(np.int64).T
    np.testing.assert_array_equal(run("ip_u8", a, b, np.uint32), products)
    unequal = np.unpackbits(a, axis=1)[:, None, :] != np.unpackbits(b, axis=1)[None, :, :]
    assert unequal.any()
    np.testing.assert_array_equal(run("hamming_bytes", a, b, np.uint32), unequal.sum(-1))


def test_byte_kernels_reach_their_limit_without_overflow(simd_level):
    dim = _core.MAX_UINT8_DIM
    full, empty = np.full((1, dim), 255, np.uint8), np.zeros((1, dim), np.uint8)
    assert 2**32 - 255**2 <= 255**2 * dim < 2**32  # one more element would not fit
    assert run("l2_u8", full, empty, np.uint32)[0, 0] == 255**2 * dim
    assert run("l2_u8", empty, full, np.uint32)[0, 0] == 255**2 * dim
    assert run("ip_u8", full, full, np.uint32)[0, 0] == 255**2 * dim
    assert run("hamming_bytes", full, empty, np.uint32)[0, 0] == 8 * dim


@pytest.mark.parametrize("dim", DIMS)
def test_every_level_gives_the_same_floats(dim):
    rng = np.random.default_rng(dim)
    a = rng.standard_normal((20, dim)).astype(np.float32)
    b = rng.standard_normal((20, dim)).astype(np.float32)
    halves = a.astype(np.float16).view(np.uint16), b.astype(np.float16).view(np.uint16)
    before, seen = kernels.simd_level(), set()
    for level in kernels.simd_levels():
        kernels.set_simd_level(level)
        results = [run(k, a, b, np.float32) for k in ("l2_f32", "ip_f32")]
        results += [run(k, *halves, np.float32) for k in ("l2_f16", "ip_f16")]
        seen.add(b"".join(r.tobytes() for r in results))
    kernels.set_simd_level(before)
    assert len(seen) == 1


def test_every_half_is_widened_exactly(simd_level):
    halves = np.arange(1 << 16, dtype=np.uint16)
    halves = halves[np.isfinite(halves.view(np.float16))][:, None]
    one = np.ones((1, 1), np.float16).view(np.uint16)
    widened = run("ip_f16", halves, one, np.float32)
    np.testing.assert_array_equal(widened, halves.view(np.float16).astype(np.float32))


def test_squared_l2_distances_match_float64(simd_level):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((6, 70)).astype(np.float32)
    b = rng.standard_normal((9, 70)).astype(np.float32)
    found = kernels.squared_l2_distances(a, b)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, (differences(a, b) ** 2).sum(-1), rtol=1e-6)


@pytest.mark.parametrize("shapes", [((0, 3), (2, 3)), ((2, 3), (0, 3)), ((0, 3), (0, 3))])
def test_no_rows_give_an_empty_matrix(shapes):
    a, b = (np.zeros(shape, np.float32) for shape in shapes)
    assert kernels.squared_l2_distances(a, b).shape == (len(a), len(b))


@pytest.mark.parametrize(
    "rows", [np.zeros((2, 3)), np.zeros(3, np.float32), np.zeros((3, 2), np.float32).T, [[1.0]]]
)
def test_squared_l2_distances_refuse_to_convert(rows):
    with pytest.raises(TypeError, match="b must be a C-contiguous float32"):
        kernels.squared_l2_distances(np.zeros((1, 3), np.float32), rows)


def test_squared_l2_distances_refuse_nan_and_unequal_lengths():
    rows = np.zeros((1, 3), np.float32)
    with pytest.raises(ValueError, match="a must not hold NaN"):
        kernels.squared_l2_distances(rows * np.nan, rows)
    with pytest.raises(ValueError, match="a has 3, b has 2"):
        kernels.squared_l2_distances(rows, np.zeros((1, 2), np.float32))
