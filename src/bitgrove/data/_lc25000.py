"""Lung tissue of LC25000: patches of histology, divided by the photograph that they come from."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ._errors import DataError
from ._images import ImageData
from ._packs import decoded
from ._places import local_folder

_PACK = "lc25000_lung_96_jpeg.npz"
_SIDE = 96
_CLASSES = ("benign", "adenocarcinoma", "squamous cell carcinoma")
_TUMOUR = ("no tumour", "tumour")
_VALIDATION = 0.15
"""Of the training images of every class, at least."""


def load_lc25000(
    *, small: bool, tumour: bool, seed: int
) -> tuple[ImageData, npt.NDArray[np.int64]]:
    """The images, and the part of each: 0 to train, 1 to validate, 2 to test.

    The source holds about 20 turned and mirrored copies of each photograph. The test images are
    those that the pack sets apart, by groups of the same colours; validation takes whole groups of
    the training images as well, so that no photograph is on both sides as far as groups tell.

    Args:
        small: pictures of half the side, 48 pixels: means of 2x2 pixels.
        tumour: two classes, tumour or none.
        seed: of the groups that validate.

    Raises:
        DataError: the pack is not at hand, or damaged.
    """
    folder = local_folder("lc25000")
    if folder is None or not (folder / _PACK).is_file():
        raise DataError(
            "the LC25000 patches are not at hand: set BITGROVE_DATA to a folder that holds "
            f"lc25000/{_PACK}"
        )
    images, labels, is_test, groups, names = _read(folder / _PACK)
    parts = np.where(is_test, 2, 0)
    for label in range(len(_CLASSES)):
        own = np.flatnonzero((labels == label) & ~is_test)
        parts[own[_validates(groups[own], seed)]] = 1
    classes = _CLASSES
    if small:
        fours = images.reshape(len(images), _SIDE // 2, 2, _SIDE // 2, 2, 3)
        images = ((fours.sum((2, 4), dtype=np.uint16) + 2) // 4).astype(np.uint8)
    if tumour:
        labels, classes = (labels > 0).astype(np.int64), _TUMOUR
    return ImageData(images, labels, classes, names), parts


def _validates(groups: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.bool_]:
    """Whole groups, in the order of a hash, until they hold enough images."""

    def rank(group: int) -> bytes:
        return hashlib.blake2b(f"{seed}:{group}".encode(), digest_size=8).digest()

    chosen = np.zeros(len(groups), bool)
    for group in sorted(set(groups.tolist()), key=rank):
        if chosen.sum() >= _VALIDATION * len(groups):
            break
        chosen |= groups == group
    return chosen


def _read(
    path: Path,
) -> tuple[
    npt.NDArray[np.uint8],
    npt.NDArray[np.int64],
    npt.NDArray[np.bool_],
    npt.NDArray[np.int64],
    tuple[str, ...],
]:
    """Images, labels, which are to test, groups and names."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as pack:
            images, labels = decoded(pack, _SIDE), pack["labels"].astype(np.int64)
            is_test, groups = pack["is_test"].astype(bool), pack["group"].astype(np.int64)
            names = tuple(f"lc25000/{name}" for name in pack["names"])
        if not all(len(part) == len(images) for part in (labels, is_test, groups, names)):
            raise ValueError("its parts differ in length")
        if not len(images) or labels.min() < 0 or labels.max() >= len(_CLASSES):
            raise ValueError("it holds no images or unknown labels")
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); fetch it again") from None
    return images, labels, is_test, groups, names
