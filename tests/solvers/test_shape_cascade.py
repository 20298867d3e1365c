"""Cascades of coordinates: patches by loops, stages that come nearer, honest refusals."""

import copy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from bitgrove.solvers import ShapeCascade
from bitgrove.solvers._shape_features import patches


def spots(n, seed, points=2, side=24):
    """Dark noise with bright and middling spots, whose centres are the points."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 30, (n, side, side), np.uint8)
    shapes = np.stack(
        [rng.integers(5 + 4 * p, 12 + 4 * p, (n, 2)) for p in range(points)], axis=1
    ).astype(np.float32)
    for image, shape in zip(images, shapes.astype(int), strict=True):
        for level, (x, y) in zip((255, 140), shape, strict=False):
            image[y - 2 : y + 3, x - 2 : x + 3] = level
    return images, shapes


@pytest.mark.parametrize("spacing", [1, 3])
def test_patches_are_means_of_squares(spacing):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 9, 11), np.uint8)
    shapes = rng.uniform(-2, 12, (3, 2, 2))
    got = patches(images, shapes, np.array([1, 0, 1]), side=3, spacing=spacing)
    reach = spacing // 2
    padded = np.pad(images.astype(float), ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    for m, row in enumerate((1, 0, 1)):
        expected = []
        for x, y in np.rint(shapes[m]).astype(int):
            for down in (-spacing, 0, spacing):
                for right in (-spacing, 0, spacing):
                    at_y, at_x = np.clip(y + down, 0, 8), np.clip(x + right, 0, 10)
                    square = padded[row, at_y : at_y + spacing, at_x : at_x + spacing]
                    expected.append(square.mean() / 255)
        np.testing.assert_allclose(got[m], expected, atol=1e-6)


@pytest.mark.parametrize("regressor", ["forest", "linear"])
def test_stages_come_nearer_to_points_never_seen(regressor):
    images, shapes = spots(300, 0)
    cascade = ShapeCascade(
        3, regressor=regressor, starts=4, side=7, spacing=2, depth=4, epochs=6, alpha=0.01
    ).fit(images, shapes)
    new, truth = spots(80, 1)
    far = [np.linalg.norm(p - truth, axis=2).mean() for p in cascade.staged_predict(new)]
    assert len(far) == 4
    np.testing.assert_array_equal(cascade.staged_predict(new)[0][0], shapes.mean(0))
    assert far[1] < 0.85 * far[0]
    assert far[3] < 0.7 * far[0]


def test_same_seed_same_points():
    images, shapes = spots(60, 0)
    make = ShapeCascade(2, starts=2, epochs=1, depth=2)
    first, second = (clone(make).fit(images, shapes).predict(images) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = copy.deepcopy(make).set_params(random_state=1).fit(images, shapes)
    assert not np.array_equal(first, other.predict(images))


def test_points_that_never_move_are_found():
    images, _ = spots(20, 0)
    shapes = np.full((20, 2, 2), 7.0)
    for regressor in ("forest", "linear"):
        cascade = ShapeCascade(1, regressor=regressor, starts=2, epochs=1).fit(images, shapes)
        np.testing.assert_allclose(cascade.predict(images), shapes, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x, y: (x.astype(float), y), TypeError, "X must be a uint8 array of pictures"),
        (lambda x, y: (x[..., None], y), ValueError, r"X must have shape \(n, h, w\)"),
        (lambda x, y: (x, y[:5]), ValueError, r"y must have shape \(20, points, 2\), got \(5, 2"),
        (lambda x, y: (x, y[..., :1]), ValueError, "y must have shape"),
        (lambda x, y: (x, y * np.nan), ValueError, "NaN or infinite"),
        (lambda x, y: (x[:1], y[:1]), ValueError, "at least 2 pictures"),
        (lambda x, y: (x, y[:, :0]), ValueError, "and a point"),
    ],
)
def test_data_that_do_not_fit_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        ShapeCascade(1).fit(*change(*spots(20, 0)))


def test_settings_out_of_range_are_refused():
    images, shapes = spots(20, 0)
    for name in ("stages", "starts", "side", "spacing", "trees", "epochs"):
        with pytest.raises(ValueError, match=f"{name} must be an int of at least 1, got 0"):
            ShapeCascade(**{name: 0}).fit(images, shapes)
    for wrong in (1.5, "2", True):
        with pytest.raises(ValueError, match="stages must be an int"):
            ShapeCascade(wrong).fit(images, shapes)
    with pytest.raises(ValueError, match="random_state must be an int"):
        ShapeCascade(random_state="now").fit(images, shapes)
    with pytest.raises(ValueError, match="alpha must be a finite number above 0, got 0"):
        ShapeCascade(alpha=0).fit(images, shapes)
    with pytest.raises(ValueError, match="regressor must be 'forest' or 'linear', got 'tree'"):
        ShapeCascade(regressor="tree").fit(images, shapes)
    with pytest.raises(NotFittedError):
        ShapeCascade().predict(images)


def test_no_seed_draws_one_and_no_picture_has_no_points():
    images, shapes = spots(20, 0)
    for regressor in ("forest", "linear"):
        cascade = ShapeCascade(2, regressor=regressor, starts=2, epochs=1, random_state=None)
        cascade.fit(images, shapes)
        assert cascade.predict(images).shape == (20, 2, 2)
        assert [len(points) for points in cascade.staged_predict(images[:0])] == [0, 0, 0]
        assert cascade.predict(images[:0]).shape == (0, 2, 2)
