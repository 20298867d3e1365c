import io

import numpy as np
import pytest
from PIL import Image

from bitgrove.runtime import ImageError, Preprocessing


def grey(side=4):
    return Preprocessing(side, side, 1, (0.0,), (1.0,))


def colour(side=4):
    return Preprocessing(side, side, 3, (0.0,) * 3, (1.0,) * 3)


def encoded(image, fmt, **options):
    file = io.BytesIO()
    image.save(file, fmt, **options)
    return file.getvalue()


def test_pixels_of_the_right_size_are_untouched():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4), dtype=np.uint8)
    np.testing.assert_array_equal(grey().decode(pixels)[:, :, 0], pixels)
    np.testing.assert_array_equal(
        grey().decode(encoded(Image.fromarray(pixels), "PNG"))[:, :, 0], pixels
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(orientation):
    upright = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4) * 16)
    turns = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],  # stored a quarter turn to the left of upright
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = upright
    for turn in turns[orientation]:
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = grey().decode(encoded(stored, "PNG", exif=exif))
    np.testing.assert_array_equal(decoded[:, :, 0], np.asarray(upright))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGB", (4, 4), (255, 0, 0)), (255, 0, 0)),
        (Image.new("RGBA", (4, 4), (255, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 128)), (127, 127, 127)),
        (Image.new("LA", (4, 4), (0, 0)), (255, 255, 255)),
        (Image.new("L", (4, 4), 77), (77, 77, 77)),
        (Image.new("1", (4, 4), 1), (255, 255, 255)),
        (Image.new("CMYK", (4, 4), (0, 255, 255, 0)), (255, 0, 0)),
        (Image.new("I;16", (4, 4), 65535), (255, 255, 255)),
        (Image.new("I;16", (4, 4), 257 * 10), (10, 10, 10)),
        (Image.new("F", (4, 4), 0.5), (128, 128, 128)),
        (Image.new("F", (4, 4), 200.0), (200, 200, 200)),
        (Image.new("HSV", (4, 4), (0, 255, 255)), (255, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb_over_white(image, expected):
    decoded = colour().decode(image)
    np.testing.assert_allclose(decoded[0, 0].astype(int), expected, atol=1)


def test_a_palette_with_transparency_is_laid_over_white():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 9, 9, 9])
    decoded = colour().decode(encoded(image, "PNG", transparency=1))
    np.testing.assert_array_equal(decoded, 255)


def test_red_becomes_the_grey_of_its_luma():
    assert grey().decode(Image.new("RGB", (4, 4), (255, 0, 0)))[0, 0, 0] == 76
    assert grey().decode(Image.new("CMYK", (4, 4), (0, 255, 255, 0)))[0, 0, 0] == 76


def test_a_wide_picture_is_cropped_about_its_centre():
    pixels = np.zeros((4, 12), np.uint8)
    pixels[:, 4:8] = 255
    np.testing.assert_array_equal(grey().decode(pixels), 255)


def test_shrinking_averages_and_does_not_alias():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(grey(8).decode(stripes).astype(int) - 127.5).max() < 8


def test_a_large_jpeg_is_decoded_small_with_nearly_the_same_result():
    ramp = np.linspace(0, 255, 1600).astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(ramp, (1200, 1600)).copy())
    exact = grey(32).decode(image).astype(int)
    fast = grey(32).decode(encoded(image, "JPEG", quality=95)).astype(int)
    assert np.abs(exact - fast).max() <= 3


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "empty"),
        (b"GIF89a", "not a picture|damaged"),
        (b"hello", "not a picture"),
        (np.zeros((4, 4)), "uint8"),
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        ("missing.png", "missing.png: no such file"),
    ],
)
def test_what_is_no_picture_is_refused(source, message):
    with pytest.raises(ImageError, match=message):
        grey().decode(source)


def test_a_truncated_picture_is_refused_by_name(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    for fmt in ("PNG", "JPEG", "BMP", "GIF", "WEBP"):
        path = tmp_path / f"half.{fmt.lower()}"
        raw = encoded(Image.fromarray(noise), fmt)
        path.write_bytes(raw[: len(raw) // 2])
        with pytest.raises(ImageError, match=f"half.{fmt.lower()}"):
            grey().decode(path)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr("bitgrove.runtime._preprocessing._PIXEL_LIMIT", 99)
    raw = encoded(Image.new("L", (10, 10)), "PNG")
    with pytest.raises(ImageError, match="more pixels than is sane"):
        grey().decode(raw)


def test_nan_pixels_are_refused():
    image = Image.fromarray(np.full((4, 4), np.nan, np.float32))
    with pytest.raises(ImageError, match="NaN"):
        grey().decode(image)


def test_normalise_is_the_written_formula():
    prep = Preprocessing(2, 2, 3, (0.1, 0.2, 0.3), (0.5, 0.25, 2.0))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 2, 2, 3), dtype=np.uint8)
    expected = (pixels / 255 - np.array(prep.mean)) / np.array(prep.std)
    np.testing.assert_allclose(
        prep.normalise(pixels), expected.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 0}, "height"),
        ({"width": 10**6}, "width"),
        ({"height": 2.0}, "height"),
        ({"channels": 2}, "channels"),
        ({"mean": (0.0, 0.0)}, "mean must hold 1"),
        ({"std": (0.0,)}, "above 0"),
        ({"mean": (float("nan"),)}, "finite"),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    settings = {"height": 4, "width": 4, "channels": 1, "mean": (0.0,), "std": (1.0,)}
    with pytest.raises(ValueError, match=message):
        Preprocessing(**(settings | change))


def test_settings_survive_as_json_values():
    prep = Preprocessing(3, 5, 1, (0.25,), (0.5,))
    assert Preprocessing.from_dict(prep.to_dict()) == prep
    with pytest.raises(ValueError, match="incomplete"):
        Preprocessing.from_dict({"height": 3})
