"""One door to every data set: a built-in name, or a folder of pictures."""

from __future__ import annotations

import builtins
import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np

from ._camvid import load_camvid
from ._cifar10 import load_cifar10
from ._digits import load_digits
from ._errors import DataError
from ._folder import MIN_PER_CLASS, Progress, load_folder
from ._images import ImageData, Splits
from ._lc25000 import load_lc25000
from ._mnist import load_mnist
from ._omniglot import load_omniglot
from ._scan import PARTS
from ._segmentation import SegmentationData
from ._split import stratified_rows
from ._tiny_imagenet import load_tiny_imagenet

Part = Literal["train", "validation", "test"]

_SHARE = 0.1
"""Of every class, for validation and for test each, where the source does not set them apart."""

_SHARE_OF_DIGITS = 0.2
"""More, as there are few."""


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """A built-in data set."""

    name: str
    title: str
    images: int
    shape: tuple[int, int, int]
    """Height, width, channels."""
    classes: int
    source: str
    """Where it comes from and how to cite it."""
    splits: str


_LC25000 = (
    "Borkowski et al., Lung and Colon Cancer Histopathological Image Dataset (LC25000), 2019, a "
    "part of the lung images made smaller; free to use"
)
_BY_GROUPS = (
    "1,156 test images; of the others 15 % or more of every class for validation, both by whole "
    "groups of like colours, because the source holds about 20 copies of each photograph"
)

_BUILT_IN = {
    info.name: info
    for info in (
        DatasetInfo(
            "digits",
            "handwritten digits that come with scikit-learn",
            1_797,
            (8, 8, 1),
            10,
            "Alpaydin and Kaynak, UCI repository 1998; bundled with scikit-learn, no download",
            "60/20/20 of every class: 1,079 train, 359 validation, 359 test",
        ),
        DatasetInfo(
            "mnist",
            "handwritten digits",
            70_000,
            (28, 28, 1),
            10,
            "LeCun, Cortes and Burges 1998; CC BY-SA 3.0",
            "official test images; a tenth of every training class (5,999) for validation",
        ),
        DatasetInfo(
            "fashion-mnist",
            "pieces of clothing",
            70_000,
            (28, 28, 1),
            10,
            "Xiao, Rasul and Vollgraf 2017; MIT",
            "official test images; a tenth of every training class (6,000) for validation",
        ),
        DatasetInfo(
            "cifar10",
            "animals and vehicles",
            60_000,
            (32, 32, 3),
            10,
            "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
            "official test images; a tenth of every training class (5,000) for validation",
        ),
        DatasetInfo(
            "omniglot",
            "handwritten characters of eight alphabets",
            4_840,
            (105, 105, 1),
            242,
            "Lake, Salakhutdinov and Tenenbaum, Science 2015, the two small background sets; MIT",
            "80/10/10 of every class; omniglot_by_alphabet keeps alphabets apart",
        ),
        DatasetInfo(
            "lc25000",
            "patches of lung tissue, benign and two tumours",
            4_156,
            (96, 96, 3),
            3,
            _LC25000,
            _BY_GROUPS,
        ),
        DatasetInfo(
            "lc25000-small",
            "the same at half the size",
            4_156,
            (48, 48, 3),
            3,
            _LC25000,
            _BY_GROUPS,
        ),
        DatasetInfo(
            "lc25000-tumour",
            "patches of lung tissue, tumour or none, at half the size",
            4_156,
            (48, 48, 3),
            2,
            _LC25000,
            _BY_GROUPS,
        ),
        DatasetInfo(
            "tiny-imagenet",
            "animals, things and places, small",
            22_000,
            (64, 64, 3),
            200,
            "Tiny ImageNet, a part of ImageNet (Russakovsky et al., IJCV 2015), 110 images "
            "of each class; for non-commercial research",
            "30 of the official validation images of every class to test; a tenth of the other 80 "
            "for validation",
        ),
        DatasetInfo(
            "camvid",
            "street scenes with the class of every pixel",
            701,
            (180, 240, 3),
            11,
            "Brostow, Fauqueur and Cipolla 2009; parts and classes of SegNet; CC BY-NC 4.0",
            "official: 367 train, 101 validation, 233 test",
        ),
    )
}


def list() -> dict[str, str]:
    """The built-in data sets: name and one line on each.

    >>> names = [*list()]
    >>> print(*names[:5])
    digits mnist fashion-mnist cifar10 omniglot
    >>> print(*names[5:])
    lc25000 lc25000-small lc25000-tumour tiny-imagenet camvid
    >>> list()["digits"]
    'handwritten digits that come with scikit-learn: 1,797 images of 8x8x1, 10 classes'
    """
    return {
        name: f"{info.title}: {info.images:,} images of {'x'.join(map(str, info.shape))}, "
        f"{info.classes} classes"
        for name, info in _BUILT_IN.items()
    }


def describe(name: str) -> DatasetInfo:
    """Size, source and splits of a built-in data set.

    Raises:
        DataError: there is no such data set.

    >>> describe("cifar10").shape
    (32, 32, 3)
    """
    if name not in _BUILT_IN:
        raise DataError(_unknown(name))
    return _BUILT_IN[name]


@overload
def load(  # pyright: ignore[reportOverlappingOverload]
    source: Literal["camvid"], *, split: Part | None = None
) -> SegmentationData: ...


@overload
def load(
    source: str | os.PathLike[str],
    *,
    split: Part | None = None,
    seed: int = 0,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    min_per_class: int = MIN_PER_CLASS,
    threads: int | None = None,
    progress: Progress | None = None,
) -> ImageData: ...


def load(
    source: str | os.PathLike[str],
    *,
    split: Part | None = None,
    seed: int = 0,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    min_per_class: int = MIN_PER_CLASS,
    threads: int | None = None,
    progress: Progress | None = None,
) -> ImageData | SegmentationData:
    """Load a built-in data set, or a folder with one sub-folder of pictures per class.

    MNIST, Fashion-MNIST and CIFAR-10 are looked for in the folder given by ``BITGROVE_DATA``
    (sub-folders ``mnist``, ``fashion-mnist``, ``cifar10`` with the official files), then in
    ``../shared/data`` beside a checkout, then downloaded with checksums. Omniglot (sub-folder
    ``omniglot``), LC25000 (``lc25000``), Tiny ImageNet (``tiny_imagenet``) and CamVid (``camvid``)
    are not downloaded.
    CamVid has a label for every pixel and comes as :class:`SegmentationData`.

    A folder of pictures may be divided into ``train`` and ``test``, ``val`` or ``validation``, each
    with class folders; a part that is missing takes a tenth of every training class. Any other
    folder is divided 80/10/10 within every class. Classes are in alphabetical order. Files that
    cannot be decoded are listed in ``skipped`` with the reason.

    Args:
        source: a name from :func:`list`, or a folder. A folder of the same name as a built-in data
            set is meant by a path such as ``./digits``.
        split: the part to return; None returns all images.
        seed: of the parts that are not given by the source. The same for all parts of a run.
        size: of a folder's images in pixels, side or (height, width); None chooses by
            :func:`guess_size`.
        channels: of a folder's images, 1 or 3; None chooses by :func:`guess_size`.
        min_per_class: a folder with fewer readable images of a class (to train on) is refused.
        threads: that decode a folder; None for one per usable CPU.
        progress: called while a folder is decoded, with files done and files in all.

    Raises:
        DataError: the source cannot be used; the message says why and what to do.
        ValueError: an argument is out of range, or is for folders only.

    >>> data = load("digits", split="train")
    >>> data.images.shape, data.images.dtype, data.names[0]
    ((1079, 8, 8, 1), dtype('uint8'), 'digits/0001')
    """
    if split is not None and split not in PARTS:
        raise ValueError(f"split must be one of {', '.join(PARTS)} or None, got {split!r}")
    if isinstance(source, str) and source == "camvid":
        _refuse_folder_options(source, size, channels)
        scenes, parts = load_camvid()
        return scenes if split is None else scenes.select(parts == PARTS.index(split))
    data, rows = _load_all(source, seed, size, channels, min_per_class, threads, progress)
    return data if split is None else data.select(rows[PARTS.index(split)])


def load_splits(
    source: str | os.PathLike[str],
    *,
    seed: int = 0,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    min_per_class: int = MIN_PER_CLASS,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Splits:
    """All three parts of :func:`load`, with every file read once.

    Raises:
        DataError: also for ``camvid``, whose pixels have labels and not its images.

    >>> [len(part) for part in load_splits("digits")]
    [1079, 359, 359]
    """
    data, rows = _load_all(source, seed, size, channels, min_per_class, threads, progress)
    return Splits(*(data.select(part) for part in rows))


_Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def _load_all(
    source: str | os.PathLike[str],
    seed: int,
    size: int | tuple[int, int] | None,
    channels: int | None,
    min_per_class: int,
    threads: int | None,
    progress: Progress | None,
) -> tuple[ImageData, _Rows]:
    _check_folder_options(channels, min_per_class, threads)
    if isinstance(source, str) and source in _BUILT_IN:
        _refuse_folder_options(source, size, channels)
        if source == "camvid":
            raise DataError(
                "camvid has a label for every pixel and none for an image; use "
                "bitgrove.data.load('camvid', split=...)"
            )
        if source == "digits":
            data = load_digits()
            return data, _divide(data, None, seed, _SHARE_OF_DIGITS)
        if source == "omniglot":
            data = load_omniglot()
            return data, _divide(data, None, seed)
        if source == "tiny-imagenet":
            data, parts = load_tiny_imagenet()
            return data, _divide(data, parts, seed)
        if source.startswith("lc25000"):
            data, parts = load_lc25000(
                small=source != "lc25000", tumour=source == "lc25000-tumour", seed=seed
            )
            return data, _divide(data, parts, seed)
        official = load_cifar10() if source == "cifar10" else load_mnist(source)
        data, parts = _join(*official)
        return data, _divide(data, parts, seed)
    root = Path(source)
    if not root.exists():
        raise DataError(_unknown(os.fspath(source)))
    found = load_folder(
        root,
        size=(size, size) if isinstance(size, int) else size,
        channels=channels,
        min_per_class=min_per_class,
        threads=threads,
        progress=progress,
    )
    return found.data, _divide(found.data, found.parts, seed)


def _divide(data: ImageData, parts: np.ndarray | None, seed: int, share: float = _SHARE) -> _Rows:
    """Row numbers of the three parts; those that ``parts`` lacks are taken from training images."""
    missing = [parts is None or not (parts == part).any() for part in range(3)]
    pool = np.arange(len(data)) if parts is None else np.flatnonzero(parts == 0)
    carved = stratified_rows(
        data.labels[pool],
        [data.names[row] for row in pool],
        data.classes,
        validation=share if missing[1] else 0,
        test=share if missing[2] else 0,
        seed=seed,
    )
    rows = [pool[part] for part in carved]
    for part in (1, 2):
        if parts is not None and not missing[part]:
            rows[part] = np.flatnonzero(parts == part)
    return rows[0], rows[1], rows[2]


def _join(train: ImageData, test: ImageData) -> tuple[ImageData, np.ndarray]:
    """One data set of both, with the number of the part of every image."""
    data = ImageData(
        np.concatenate([train.images, test.images]),
        np.concatenate([train.labels, test.labels]),
        train.classes,
        train.names + test.names,
    )
    return data, np.repeat([0, 2], [len(train), len(test)])


def _check_folder_options(channels: int | None, min_per_class: int, threads: int | None) -> None:
    if channels not in (None, 1, 3):
        raise ValueError(f"channels must be 1 (grey), 3 (RGB) or None, got {channels!r}")
    if min_per_class < 1:
        raise ValueError(f"min_per_class must be at least 1, got {min_per_class}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")


def _refuse_folder_options(
    name: str, size: int | tuple[int, int] | None, channels: int | None
) -> None:
    height, width, depth = _BUILT_IN[name].shape
    if size not in (None, height, (height, width)) or channels not in (None, depth):
        raise ValueError(
            f"{name!r} has images of {height}x{width}x{depth}; size and channels are for folders"
        )


def _unknown(name: str) -> str:
    names = builtins.list(_BUILT_IN)
    near = difflib.get_close_matches(name, names, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{name!r} is neither a folder nor a built-in data set ({', '.join(names)}).{hint}"
