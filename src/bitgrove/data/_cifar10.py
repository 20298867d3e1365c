"""CIFAR-10: the official archive, or a pack of JPEG files at hand."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ._errors import DataError
from ._images import ImageData
from ._packs import decoded
from ._places import RemoteFile, local_folder, obtain

_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

_ARCHIVE = RemoteFile(
    "cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
)
"""The binary version: the same images as the Python version, and no pickle to trust."""

_JPEG_PACK = "cifar10_jpeg.npz"

_MEMBERS = {
    "train": tuple(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)),
    "test": ("cifar-10-batches-bin/test_batch.bin",),
}
_IMAGES_PER_MEMBER = 10_000
_RECORD = 1 + 3 * 32 * 32
"""Bytes: the label, then 1,024 red, 1,024 green and 1,024 blue values, row by row."""


def load_cifar10() -> tuple[ImageData, ImageData]:
    """The official training and test images.

    A local folder ``cifar10`` may hold the official binary archive, or ``cifar10_jpeg.npz``: the
    images as JPEG files of quality 75 in another order, so figures measured on it are not
    comparable to the last tenths with published ones.
    """
    local = local_folder("cifar10")
    if local and not (local / _ARCHIVE.name).is_file() and (local / _JPEG_PACK).is_file():
        return _read_jpeg_pack(local / _JPEG_PACK)
    (path,) = obtain("cifar10", [_ARCHIVE])
    return _read_archive(path)


def _read_archive(path: Path) -> tuple[ImageData, ImageData]:
    try:
        with tarfile.open(path) as archive:
            train, test = (
                np.concatenate([_read_member(archive, member) for member in _MEMBERS[part]])
                for part in ("train", "test")
            )
    except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); fetch it again") from None
    return _from_records("train", train), _from_records("test", test)


def _read_member(archive: tarfile.TarFile, name: str) -> npt.NDArray[np.uint8]:
    member = archive.extractfile(name)
    size = _IMAGES_PER_MEMBER * _RECORD
    raw = member.read(size + 1) if member else b""
    if len(raw) != size:
        raise tarfile.TarError(f"{name} should hold {size} bytes")
    return np.frombuffer(raw, np.uint8).reshape(-1, _RECORD)


def _from_records(part: str, records: npt.NDArray[np.uint8]) -> ImageData:
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    pixels = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return _make(part, pixels, records[:, 0].astype(np.int64), _CLASSES)


def _read_jpeg_pack(path: Path) -> tuple[ImageData, ImageData]:
    """All images share one JPEG header, stored once; ``offsets`` bound their scans."""
    try:
        with np.load(path, allow_pickle=False) as pack:
            labels, is_test = pack["labels"].astype(np.int64), pack["is_test"].astype(bool)
            classes = tuple(str(name) for name in pack["classes"])
            pixels = decoded(pack, 32)
    except (OSError, EOFError, KeyError, ValueError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); fetch it again") from None
    return (
        _make("train", pixels[~is_test], labels[~is_test], classes),
        _make("test", pixels[is_test], labels[is_test], classes),
    )


def _make(
    part: str,
    pixels: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    classes: tuple[str, ...],
) -> ImageData:
    names = tuple(f"cifar10/{part}/{i:05d}" for i in range(len(pixels)))
    return ImageData(pixels, labels, classes, names)
