"""From a picture file to the tensor a network expects, with numpy and Pillow alone."""

from __future__ import annotations

import io
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ._checks import is_number, is_positive

_SIDE_LIMIT = 4096
"""Pixels: the largest input side that a file may ask for."""

_PIXEL_LIMIT = 89_478_485
"""Pixels of a picture file, above which Pillow too suspects an attack on the memory."""

_TOO_LARGE = "more pixels than is sane; refused"

ImageSource = str | os.PathLike[str] | bytes | Image.Image | npt.NDArray


class ImageError(ValueError):
    """A picture cannot be read; the message names the file and the reason."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes ``float32[c, h, w]``; it travels inside the packed file.

    A picture is turned upright (EXIF), converted to grey or RGB (transparent parts become white),
    resized with antialiasing until its shorter side fits, cropped about the centre, scaled to
    [0, 1], and standardised by ``(pixel - mean) / std``.

    Args:
        height: of the result, pixels, 1 to 4096.
        width: of the result, pixels, 1 to 4096.
        channels: 1 (grey) or 3 (RGB).
        mean: per channel, of pixels in [0, 1].
        std: per channel, of pixels in [0, 1], above 0.

    Raises:
        ValueError: a value is out of range.

    >>> prep = Preprocessing(height=2, width=2, channels=1, mean=(0.5,), std=(0.25,))
    >>> pixels = prep.decode(np.array([[0, 255], [255, 0]], dtype=np.uint8))
    >>> prep.normalise(pixels[None])
    array([[[[-2.,  2.],
             [ 2., -2.]]]], dtype=float32)
    """

    height: int
    width: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            side = getattr(self, name)
            if type(side) is not int or not 1 <= side <= _SIDE_LIMIT:
                raise ValueError(f"{name} must be an integer in 1 to {_SIDE_LIMIT}, got {side!r}")
        if type(self.channels) is not int or self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 (grey) or 3 (RGB), got {self.channels!r}")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) != self.channels or not all(map(is_number, values)):
                raise ValueError(f"{name} must hold {self.channels} finite numbers, got {values!r}")
        if not all(map(is_positive, self.std)):
            raise ValueError(f"std must be above 0, got {self.std}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`; raises ``ValueError`` for anything else."""
        try:
            return cls(
                height=values["height"],
                width=values["width"],
                channels=values["channels"],
                mean=tuple(values["mean"]),
                std=tuple(values["std"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the preprocessing is incomplete: {error!r}") from None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    def decode(self, source: ImageSource) -> npt.NDArray[np.uint8]:
        """Read one picture as ``uint8[height, width, channels]``.

        Args:
            source: a path, the bytes of a picture file, a Pillow image, or ``uint8`` pixels of
                shape ``(h, w)``, ``(h, w, 1)`` or ``(h, w, 3)``.

        Raises:
            ImageError: the file is missing, empty, damaged, absurdly large, or no picture.
        """
        name = str(source) if isinstance(source, str | os.PathLike) else type(source).__name__
        try:
            return self._fit(_upright(_open(source, max(self.height, self.width))))
        except ImageError:
            raise
        except UnidentifiedImageError:
            raise ImageError(f"{name}: not a picture that can be read") from None
        except FileNotFoundError:
            raise ImageError(f"{name}: no such file") from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise ImageError(f"{name}: {_TOO_LARGE}") from None
        except Exception as error:  # decoders raise whatever their format makes them raise
            raise ImageError(f"{name}: damaged picture ({error})") from None

    def normalise(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Standardise ``uint8[n, h, w, c]`` to ``float32[n, c, h, w]``.

        Raises:
            TypeError: the pixels are not ``uint8``.
            ValueError: the pixels have another shape than this preprocessing makes.
        """
        expected = (self.height, self.width, self.channels)
        if pixels.dtype != np.uint8:
            raise TypeError(f"pixels must be uint8, got {pixels.dtype}")
        if pixels.ndim != 4 or pixels.shape[1:] != expected:
            raise ValueError(f"pixels must have shape (n, {expected}), got {pixels.shape}")
        scale, offset = self.affine()
        out = np.empty((len(pixels), *expected), np.float32)
        np.multiply(pixels, scale, out=out)
        out += offset
        return np.ascontiguousarray(out.transpose(0, 3, 1, 2))

    def affine(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Per-channel ``scale`` and ``offset``: a standardised pixel is ``u * scale + offset``."""
        std = np.asarray(self.std, np.float64)
        scale = (1 / (255 * std)).astype(np.float32)
        return scale, (-np.asarray(self.mean, np.float64) / std).astype(np.float32)

    def __call__(self, sources: list[ImageSource]) -> npt.NDArray[np.float32]:
        """Decode and standardise several pictures: ``float32[n, c, h, w]``."""
        pixels = np.empty((len(sources), self.height, self.width, self.channels), np.uint8)
        for row, source in zip(pixels, sources, strict=True):
            row[...] = self.decode(source)
        return self.normalise(pixels)

    def _fit(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        image = _with_channels(image, self.channels)
        width, height = image.size
        scale = max(self.width / width, self.height / height)
        # The box that fills the target after scaling, cropped about the centre.
        box_width, box_height = self.width / scale, self.height / scale
        left, top = (width - box_width) / 2, (height - box_height) / 2
        if (width, height) != (self.width, self.height):
            image = image.resize(
                (self.width, self.height),
                Image.Resampling.BILINEAR,
                box=(left, top, left + box_width, top + box_height),
            )
        return np.asarray(image, np.uint8).reshape(self.height, self.width, self.channels)


def _open(source: ImageSource, side: int) -> Image.Image:
    """A decoded picture; a JPEG may come smaller, but at least twice ``side``."""
    if isinstance(source, Image.Image):
        return source
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8:
            raise ImageError(f"pixels must be uint8, got {source.dtype}")
        if source.ndim == 3 and source.shape[2] == 1:
            source = source[:, :, 0]
        if source.ndim == 2 or (source.ndim == 3 and source.shape[2] == 3):
            return Image.fromarray(np.ascontiguousarray(source))
        raise ImageError(
            f"pixels must have shape (h, w), (h, w, 1) or (h, w, 3), got {source.shape}"
        )
    where = "bytes" if isinstance(source, bytes) else str(source)
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    if not content:
        raise ImageError(f"{where}: the file is empty")
    image = Image.open(io.BytesIO(content))
    if image.width * image.height > _PIXEL_LIMIT:
        raise ImageError(f"{where}: {_TOO_LARGE}")
    image.draft(None, (2 * side, 2 * side))
    image.load()
    return image


def _upright(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image)


def _with_channels(image: Image.Image, channels: int) -> Image.Image:
    """Grey or RGB from any mode of Pillow; transparent parts over white."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _to_eight_bits(image)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    mode = "L" if channels == 1 else "RGB"
    if image.mode == mode:
        return image
    # Pillow knows no direct way from some modes (LAB, CMYK, …) to grey.
    return image.convert("RGB").convert(mode)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Deep grey pictures: integers span 0 to 65535; floats 0 to 1, or 0 to 255 if one passes 1."""
    values = np.asarray(image, np.float64)
    if not np.isfinite(values).all():
        raise ImageError("the picture holds NaN or infinite pixels")
    span = 65535.0 if image.mode != "F" else 255.0 if values.max(initial=0) > 1 else 1.0
    return Image.fromarray(np.clip(np.rint(values * (255 / span)), 0, 255).astype(np.uint8))
