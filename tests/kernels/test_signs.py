import numpy as np
import pytest

from bitgrove import kernels

TINY = np.float32(1e-45)  # the smallest above 0, denormal
INSIDE, OUTSIDE = np.nextafter(np.float32(1), np.float32([0, 2]))
SPECIAL = np.float32(
    [0.0, -0.0, TINY, -TINY, 1, -1, INSIDE, -0.5, 2, -OUTSIDE, np.inf, -np.inf, np.nan, 3e38, -3e38]
)


def sign(x):
    """Oracle: as it is defined."""
    return np.where(x >= 0, np.float32(1), np.float32(-1))


def tent(gradient, x):
    """Oracle: Bi-Real Net's slope, each step rounded to float32; numpy's maximum keeps NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        return gradient * (np.float32(2) * np.maximum(np.float32(1) - np.abs(x), np.float32(0)))


def values(n, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < 0.3, rng.choice(SPECIAL, n), rng.uniform(-1.5, 1.5, n)).astype(
        np.float32
    )


def assert_same_bits(got, expected):
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(got[number].view(np.uint32), expected[number].view(np.uint32))


@pytest.mark.parametrize("start", range(4))
def test_signs_of_every_length_stay_inside_their_memory(simd_level, start):
    for n in range(201):
        x = values(start + n, n)[start:]
        around = np.full(start + n + 17, 7, np.float32)
        kernels.signs(x, around[start : start + n])
        assert_same_bits(around[start : start + n], sign(x))
        assert (around[:start] == 7).all()
        assert (around[start + n :] == 7).all()


@pytest.mark.parametrize("start", range(4))
def test_approx_gradient_of_every_length_stays_inside_its_memory(simd_level, start):
    for n in range(201):
        x, gradient = values(start + n, n)[start:], values(n, 1000 + n)
        around = np.full(start + n + 17, 7, np.float32)
        kernels.approx_gradient(gradient, x, around[start : start + n])
        assert_same_bits(around[start : start + n], tent(gradient, x))
        assert (around[:start] == 7).all()
        assert (around[start + n :] == 7).all()


def test_special_values_at_every_lane(simd_level):
    x = np.tile(SPECIAL, 32)  # 15 of them: each meets every lane of 8 and of 16
    gradient = np.repeat(np.float32([1, -0.3, 0, -0.0, np.inf, -np.inf, np.nan, TINY]), 60)
    out = np.empty_like(x)
    kernels.signs(x, out)
    assert_same_bits(out, sign(x))
    np.testing.assert_array_equal(out[:15], [1, 1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, -1, 1, -1])
    kernels.approx_gradient(gradient, x, out)
    assert_same_bits(out, tent(gradient, x))


def test_results_may_overwrite_an_argument(simd_level):
    x, gradient = values(100), values(100, 1)
    expected = tent(gradient, x)
    for into in (0, 1):
        copies = gradient.copy(), x.copy()
        kernels.approx_gradient(*copies, copies[into])
        assert_same_bits(copies[into], expected)
    expected = sign(x)
    kernels.signs(x, x)
    assert_same_bits(x, expected)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_any_number_of_threads_gives_the_same(threads):
    x = values((1 << 20) + 12345)  # three blocks, the last of them short
    out = np.zeros_like(x)
    kernels.signs(x, out, threads=threads)
    assert_same_bits(out, sign(x))
    kernels.approx_gradient(x[::-1].copy(), x, out, threads=threads)
    assert_same_bits(out, tent(x[::-1], x))


@pytest.mark.parametrize(
    ("x", "out", "threads", "error", "message"),
    [
        (np.zeros(3), np.zeros(3, np.float32), 1, TypeError, "values must be a C-contiguous"),
        (np.zeros((1, 3), np.float32), np.zeros(3, np.float32), 1, TypeError, r"shape \(n,\)"),
        (np.zeros(3, np.float32), np.zeros(6, np.float32)[::2], 1, TypeError, "out must be"),
        (np.zeros(3, np.float32), np.zeros(4, np.float32), 1, ValueError, "'values': 3, 'out': 4"),
        (np.zeros(3, np.float32), np.zeros(3, np.float32), 0, ValueError, "at least 1, got 0"),
    ],
)
def test_other_arguments_are_refused(x, out, threads, error, message):
    with pytest.raises(error, match=message):
        kernels.signs(x, out, threads=threads)
    with pytest.raises(error, match=message):
        kernels.approx_gradient(np.zeros(3, np.float32), x, out, threads=threads)


def test_a_read_only_result_is_refused():
    out = np.zeros(3, np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        kernels.signs(np.zeros(3, np.float32), out)
