"""The photographs of BSDS500, for work on pictures without labels."""

from __future__ import annotations

import io
import itertools
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ._errors import DataError
from ._places import local_folder

_PACK = "bsds500_images_jpeg.npz"
PARTS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Photographs:
    """Pictures of several sizes.

    Args:
        images: each ``uint8[h, w, 3]``, RGB.
        names: one for each, such as ``train/100075.jpg``.
    """

    images: tuple[npt.NDArray[np.uint8], ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


def load_bsds500(count: int | None = None) -> Photographs:
    """The 500 photographs of the Berkeley segmentation data set, 481x321 pixels or 321x481.

    Looked for in the folder ``bsds500`` of ``BITGROVE_DATA``, then of ``../shared/data`` beside a
    checkout: either ``images/{train,val,test}/*.jpg`` as in the official archive, or
    ``bsds500_images_jpeg.npz``, one file with all JPEG files, which may also lie in ``sift``.

    Source: Arbelaez, Maire, Fowlkes and Malik, "Contour Detection and Hierarchical Image
    Segmentation", PAMI 2011. Free for non-commercial research and education.

    Args:
        count: the first so many, in order of part and name; by default all.

    Raises:
        DataError: there are none at hand, too few, or a file is damaged.
        ValueError: ``count`` is below 1.
    """
    if count is not None and count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    files = _files()
    if count is not None and count > len(files):
        raise DataError(f"{count} photographs asked for, but only {len(files)} are at hand")
    chosen = dict(list(files.items())[:count])
    return Photographs(tuple(_decode(name, raw) for name, raw in chosen.items()), tuple(chosen))


def _files() -> dict[str, bytes | Path]:
    """By name, the JPEG files or where they lie."""
    for folder in (local_folder("bsds500"), local_folder("sift")):
        if folder and (folder / _PACK).is_file():
            return _unpack(folder / _PACK)
        found = {
            f"{part}/{path.name}": path
            for part in PARTS
            for path in sorted((folder / "images" / part).glob("*.jpg") if folder else ())
        }
        if found:
            return dict(found)
    raise DataError(
        "the BSDS500 photographs are not at hand: set BITGROVE_DATA to a folder that holds "
        "bsds500/images/{train,val,test}/*.jpg"
    )


def _unpack(path: Path) -> dict[str, bytes | Path]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as pack:
            raw, offsets = pack["jpeg"].tobytes(), pack["offsets"].tolist()
            names = [str(name) for name in pack["names"]]
        files = (raw[start:end] for start, end in itertools.pairwise(offsets))
        return dict(zip(names, files, strict=True))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); fetch it again") from None


def _decode(name: str, raw: bytes | Path) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(raw) if isinstance(raw, bytes) else raw) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise DataError(f"photograph {name} is damaged ({error}); fetch it again") from None
