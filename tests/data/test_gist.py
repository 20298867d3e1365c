import numpy as np
import pytest

from bitgrove.data import gist


def mirrored(picture, top, bottom, left, right):
    """Reflect about the edges, the edge pixel twice, one pixel at a time."""
    height, width = picture.shape

    def folded(i, size):
        i %= 2 * size
        return i if i < size else 2 * size - 1 - i

    return np.array(
        [
            [picture[folded(y, height), folded(x, width)] for x in range(-left, width + right)]
            for y in range(-top, height + bottom)
        ]
    )


def frequency(i, size):
    return (i if i < (size + 1) // 2 else i - size) / size


def kernel_of(transfer):
    """The filter in space: the inverse Fourier sum, written out."""
    height, width = transfer.shape
    rows = np.exp(2j * np.pi * np.outer(np.arange(height), np.arange(height)) / height)
    columns = np.exp(2j * np.pi * np.outer(np.arange(width), np.arange(width)) / width)
    return np.einsum("yf,fg,xg->yx", rows, transfer, columns) / (height * width)


def convolved_at(picture, kernel, y, x):
    """A pixel of the convolution, the picture repeating without end."""
    height, width = picture.shape
    rows, columns = (y - np.arange(height)) % height, (x - np.arange(width)) % width
    return (picture * kernel[rows[:, None], columns]).sum()


def gist_by_the_definition(picture, orientations, grid, filters):
    """The steps of Oliva and Torralba, float64, convolutions in space, a pixel at a time."""
    grey = picture.astype(float)
    if grey.ndim == 3:
        grey = sum(grey[..., c] for c in range(grey.shape[2])) / grey.shape[2]
    grey = 255 * (grey - grey.min()) / (grey - grey.min()).max()
    height, width = grey.shape
    side = max(height, width) + 10
    side += side % 2
    padded = mirrored(np.log(grey + 1), 5, side - height - 5, 5, side - width - 5)
    low = np.array(
        [
            [
                np.exp(
                    -np.log(2)
                    * ((side * frequency(v, side)) ** 2 + (side * frequency(u, side)) ** 2)
                    / 16
                )
                for u in range(side)
            ]
            for v in range(side)
        ]
    )
    kernel = kernel_of(low).real
    every = [(y, x) for y in range(side) for x in range(side)]
    smooth = np.array([convolved_at(padded, kernel, *at) for at in every]).reshape(side, side)
    detail = padded - smooth
    squares = [convolved_at(detail**2, kernel, *at) for at in every]
    clean = detail / (0.2 + np.sqrt(np.abs(squares)).reshape(side, side))
    clean = mirrored(clean[5 : 5 + height, 5 : 5 + width], 32, 32, 32, 32)
    out = []
    for scale, turn in filters:
        count = orientations[scale]
        bump = np.zeros(clean.shape)
        for v in range(bump.shape[0]):
            for u in range(bump.shape[1]):
                fy, fx = frequency(v, bump.shape[0]), frequency(u, bump.shape[1])
                angle = np.arctan2(fy, fx) + np.pi * turn / count
                angle -= 2 * np.pi * (angle > np.pi)
                r = np.hypot(fx, fy) / (0.3 / 1.85**scale)
                bump[v, u] = np.exp(
                    -3.5 * (r - 1) ** 2 - 2 * 16 * count**2 / 1024 * np.pi * angle**2
                )
        kernel = kernel_of(bump)
        for top in range(grid):
            for left in range(grid):
                cell = [
                    abs(convolved_at(clean, kernel, 32 + y, 32 + x))
                    for y in range(top * height // grid, (top + 1) * height // grid)
                    for x in range(left * width // grid, (left + 1) * width // grid)
                ]
                out.append(np.mean(cell))
    return np.array(out)


@pytest.mark.parametrize("shape", [(6, 6), (7, 5, 3)])
def test_equals_convolutions_in_space_pixel_by_pixel(shape):
    picture = np.random.default_rng(3).integers(30, 200, shape, dtype=np.uint8)
    filters = [(0, 0), (0, 3), (1, 2)]
    expected = gist_by_the_definition(picture, (4, 3), 2, filters)
    found = gist(picture[None], orientations=(4, 3), grid=2).reshape(7, 4)[[0, 3, 6]]
    assert expected.std() > 0.01
    np.testing.assert_allclose(found.ravel(), expected, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("turn", range(8))
def test_the_filter_along_a_grating_answers_most(turn):
    y, x = np.mgrid[:64, :64]
    angle = np.pi * turn / 8
    phase = 2 * np.pi * 0.25 * (np.cos(angle) * x - np.sin(angle) * y)  # rows run down
    grating = np.round(127 + 100 * np.cos(phase)).astype(np.uint8)
    answers = gist(grating[None]).reshape(20, 16).mean(1)
    assert answers[:8].argmax() == turn
    assert answers[:8].max() > 2 * answers[(turn + 4) % 8]


def test_a_coarser_grating_moves_to_a_coarser_scale():
    x = np.arange(64)
    best = []
    for cycles in (0.3, 0.16, 0.088):
        grating = np.round(127 + 100 * np.cos(2 * np.pi * cycles * x)).astype(np.uint8)
        answers = gist(np.tile(grating, (1, 64, 1)), orientations=(4, 4, 4)).reshape(12, 16).mean(1)
        best.append(int(answers.argmax()))
    assert best == [0, 4, 8]


def test_a_cell_speaks_of_its_own_part_of_the_picture():
    picture = np.full((64, 64), 100, np.uint8)
    picture[48:, :16] = np.random.default_rng(0).integers(0, 255, (16, 16))
    assert (gist(picture[None]).reshape(20, 16).argmax(1) == 12).all()  # the last row's first cell


def test_light_hardly_matters_and_flat_pictures_have_none():
    picture = np.random.default_rng(1).integers(0, 100, (1, 32, 32), dtype=np.uint8)
    np.testing.assert_allclose(gist(picture), gist(picture + 100), rtol=1e-6)
    for flat in (np.zeros((1, 32, 32), np.uint8), np.full((1, 32, 32, 3), 200, np.uint8)):
        assert not gist(flat).any()


def test_a_picture_has_the_same_gist_alone_as_among_others():
    pictures = np.random.default_rng(2).integers(0, 255, (120, 32, 32, 3), dtype=np.uint8)
    together = gist(pictures)
    assert together.dtype == np.float32
    assert together.shape == (120, 320)
    for row in (0, 1, 77, 119):
        np.testing.assert_array_equal(gist(pictures[row : row + 1])[0], together[row])
    np.testing.assert_array_equal(gist(pictures[::-1])[::-1], together)


def test_grey_pictures_are_the_same_in_every_layout():
    grey = np.random.default_rng(4).integers(0, 255, (3, 16, 20), dtype=np.uint8)
    np.testing.assert_array_equal(gist(grey), gist(grey[..., None]))
    np.testing.assert_allclose(gist(grey), gist(grey[..., None].repeat(3, 3)), rtol=1e-5, atol=1e-7)


def test_the_length_follows_from_scales_and_cells():
    pictures = np.random.default_rng(5).integers(0, 255, (2, 32, 32), dtype=np.uint8)
    assert gist(pictures, orientations=(8, 8, 8, 8)).shape == (2, 512)
    assert gist(pictures, orientations=[3], grid=1).shape == (2, 3)
    assert gist(pictures[:0]).shape == (0, 320)


@pytest.mark.parametrize(
    ("images", "options", "error", "said"),
    [
        (np.zeros((1, 32, 32)), {}, TypeError, "uint8 array, got dtype=float64"),
        ([[1]], {}, TypeError, "uint8 array, got list"),
        (np.zeros((32, 32), np.uint8), {}, ValueError, "shape"),
        (np.zeros((1, 32, 32, 4), np.uint8), {}, ValueError, "1 or 3"),
        (np.zeros((1, 3, 32), np.uint8), {}, ValueError, "3 × 32 pixels have too few"),
        (np.zeros((1, 32, 32), np.uint8), {"grid": 0}, ValueError, "grid must be at least 1"),
        (np.zeros((1, 32, 32), np.uint8), {"grid": 2.0}, TypeError, "grid must hold integers"),
        (np.zeros((1, 32, 32), np.uint8), {"orientations": ()}, ValueError, "at least one scale"),
        (np.zeros((1, 32, 32), np.uint8), {"orientations": (8, 0)}, ValueError, "at least 1"),
        (np.zeros((1, 32, 32), np.uint8), {"orientations": (True,)}, TypeError, "integers"),
    ],
)
def test_what_does_not_fit_is_refused(images, options, error, said):
    with pytest.raises(error, match=said):
        gist(images, **options)
