import base64
import io

import numpy as np
import pytest
from PIL import Image

from bitgrove.report._pictures import TILE, picture


def decoded(uri):
    head, _, body = uri.partition(",")
    return head, np.asarray(Image.open(io.BytesIO(base64.b64decode(body, validate=True))))


@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 1), (28, 28, 1), (32, 20, 3), (64, 3, 4)])
def test_small_pictures_are_kept_exactly_and_enlarged_by_a_whole_number(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    shown = picture(pixels)
    head, back = decoded(shown.uri)
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(back.reshape(shape), pixels)
    assert shown.pixelated
    assert shown.width % shape[1] == 0
    assert shown.height // shape[0] == shown.width // shape[1]
    assert 40 <= max(shown.width, shown.height) <= TILE


@pytest.mark.parametrize("shape", [(224, 224, 3), (100, 900, 1), (2000, 2, 3), (65, 65, 4)])
def test_large_pictures_are_shrunk_to_the_tile(shape):
    shown = picture(np.full(shape, 200, np.uint8))
    _, back = decoded(shown.uri)
    assert max(back.shape[:2]) <= 2 * TILE
    assert abs(int(back.reshape(-1)[0]) - 200) <= 2
    assert max(shown.width, shown.height) == TILE
    assert not shown.pixelated
    assert len(shown.uri) < 12_000


@pytest.mark.parametrize("pixels", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 1)), [[[0]]]])
def test_other_kinds_are_refused(pixels):
    with pytest.raises(TypeError, match=r"pixels must be a uint8 array of shape \(h, w, c\)"):
        picture(pixels)


@pytest.mark.parametrize("shape", [(8, 8, 2), (8, 8, 5), (0, 8, 1)])
def test_other_channels_and_no_pixels_are_refused(shape):
    with pytest.raises(ValueError, match="1, 3 or 4 channels"):
        picture(np.zeros(shape, np.uint8))
