"""MNIST and Fashion-MNIST, in the IDX format of the official files."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ._errors import DataError
from ._images import ImageData
from ._places import RemoteFile, obtain

_UBYTE = 0x08
"""The IDX code of unsigned bytes."""

_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)

_SHA256 = {
    "mnist": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    "fashion-mnist": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}

_HOMES = {
    "mnist": (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    "fashion-mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
}

_CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}


def load_mnist(name: str) -> tuple[ImageData, ImageData]:
    """The official training and test images of ``"mnist"`` or ``"fashion-mnist"``."""
    files = [
        RemoteFile(file, sha256, tuple(home + file for home in _HOMES[name]))
        for file, sha256 in zip(_FILES, _SHA256[name], strict=True)
    ]
    paths = obtain(name, files)
    return (
        _part(name, "train", 60_000, paths[0], paths[1]),
        _part(name, "test", 10_000, paths[2], paths[3]),
    )


def read_idx(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Read a gzipped IDX file of unsigned bytes that must have the given shape.

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits: two zero
    bytes, the code of the type, the number of dimensions, each dimension as a big-endian 32-bit
    integer, then the values, last index fastest.

    Raises:
        DataError: the file is damaged or holds something else.
    """
    size = 4 + 4 * len(shape) + int(np.prod(shape))
    try:
        with gzip.open(path) as file:
            raw = file.read(size + 1)  # one more shows a file that is too long; no more is read
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); fetch it again") from None
    expected = bytes([0, 0, _UBYTE, len(shape)]) + np.array(shape, ">u4").tobytes()
    if raw[: len(expected)] != expected or len(raw) != size:
        raise DataError(
            f"{path} is not the official file: expected an IDX file of unsigned bytes of shape "
            f"{shape}; fetch it again"
        )
    return np.frombuffer(raw, np.uint8, offset=len(expected)).reshape(shape)


def _part(name: str, part: str, count: int, images: Path, labels: Path) -> ImageData:
    pixels = read_idx(images, (count, 28, 28))[..., None]
    numbers = read_idx(labels, (count,)).astype(np.int64)
    if numbers.max() > 9:
        raise DataError(f"{labels} holds the label {numbers.max()}, but there are 10 classes")
    names = tuple(f"{name}/{part}/{i:05d}" for i in range(count))
    return ImageData(pixels, numbers, _CLASSES[name], names)
