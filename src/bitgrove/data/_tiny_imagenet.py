"""Tiny ImageNet, a part of it: 200 classes of things, small pictures."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ._errors import DataError
from ._images import ImageData
from ._packs import decoded
from ._places import local_folder

_PACK = "tiny_imagenet_subset_jpeg.npz"
_SIDE = 64


def load_tiny_imagenet() -> tuple[ImageData, npt.NDArray[np.int64]]:
    """The images, and the part of each: 0 to train, 2 to test, the official validation images.

    Raises:
        DataError: the pack is not at hand, or damaged.
    """
    folder = local_folder("tiny_imagenet")
    if folder is None or not (folder / _PACK).is_file():
        raise DataError(
            "Tiny ImageNet is not at hand: set BITGROVE_DATA to a folder that holds "
            f"tiny_imagenet/{_PACK}"
        )
    images, labels, is_test, classes = _read(folder / _PACK)
    names = tuple(f"tiny-imagenet/{row:05}" for row in range(len(images)))
    return ImageData(images, labels, classes, names), np.where(is_test, 2, 0)


def _read(
    path: Path,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.bool_], tuple[str, ...]]:
    """Images, labels, which are to test, and the names of the classes."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as pack:
            images, labels = decoded(pack, _SIDE), pack["labels"].astype(np.int64)
            is_test, classes = pack["is_val"].astype(bool), tuple(map(str, pack["wnids"]))
        if not len(labels) == len(is_test) == len(images):
            raise ValueError("its parts differ in length")
        if not len(images) or labels.min() < 0 or labels.max() >= len(classes):
            raise ValueError("it holds no images or unknown labels")
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); fetch it again") from None
    return images, labels, is_test, classes
