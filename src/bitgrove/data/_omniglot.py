"""Omniglot: handwritten characters of many alphabets, few images of each."""

from __future__ import annotations

import io
import itertools
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from ._errors import DataError
from ._images import ImageData, Splits
from ._places import local_folder

_PACK = "omniglot_small.npz"
_OFFICIAL = ("images_background_small1.zip", "images_background_small2.zip")
_RUNS = "all_runs.zip"
_SIDE = 105
_TRAIN, _VALIDATION = 5, 1
"""Alphabets, in alphabetical order; the others are for the test."""


class OneShotRun(NamedTuple):
    """Twenty images to name, and one example of each of twenty characters."""

    images: npt.NDArray[np.uint8]
    """``uint8[20, 105, 105, 1]``."""
    examples: npt.NDArray[np.uint8]
    """``uint8[20, 105, 105, 1]``, by another person than the images."""
    answers: npt.NDArray[np.int64]
    """For each image the number of its example."""


def load_omniglot() -> ImageData:
    """The 242 characters of the two small background sets, 20 people each; dark on white.

    Source: Lake, Salakhutdinov and Tenenbaum, "Human-level concept learning through probabilistic
    program induction", Science 2015; MIT. A local folder ``omniglot`` holds
    ``images_background_small1.zip`` and ``images_background_small2.zip`` of the authors'
    repository, or ``omniglot_small.npz``: the same images as packed bits. A class is named after
    its alphabet and character, such as ``Greek/character01``, an image after class and person.

    Raises:
        DataError: neither is there, or a file is damaged.
    """
    folder = _folder()
    if (folder / _PACK).is_file():
        return _read_pack(folder / _PACK)
    missing = [name for name in _OFFICIAL if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}; put the official files there")
    found = [image for name in _OFFICIAL for image in _read_zip(folder / name)]
    return _make([name for name, _ in found], np.stack([pixels for _, pixels in found]))


def omniglot_by_alphabet() -> Splits:
    """Omniglot with characters of other alphabets in every part, as metric learning needs it.

    In alphabetical order the first five alphabets are to train on (157 characters, 3,140 images),
    the sixth is for validation (26, 520) and the last two are the test (59, 1,180). Each part has
    its own classes, numbered from 0.

    Raises:
        DataError: as for ``load("omniglot")``.
    """
    data = load_omniglot()
    alphabets = sorted({name.partition("/")[0] for name in data.classes})
    bounds = (0, _TRAIN, _TRAIN + _VALIDATION, len(alphabets))
    parts = (alphabets[start:end] for start, end in itertools.pairwise(bounds))
    return Splits(
        *(
            data.only_classes([name for name in data.classes if name.partition("/")[0] in part])
            for part in parts
        )
    )


def omniglot_one_shot() -> tuple[OneShotRun, ...]:
    """The authors' 20 runs of 20-way one-shot classification, of other alphabets and people.

    Read from ``all_runs.zip`` in the local folder ``omniglot``; people make 4.5 % errors
    (Lake et al., Science 2015).

    Raises:
        DataError: the file is not there, or damaged.
    """
    path = _folder() / _RUNS
    if not path.is_file():
        raise DataError(f"{path.parent} lacks {_RUNS}; put the official file there")
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted({name.partition("/")[0] for name in archive.namelist()} - {"__MACOSX"})
            return tuple(_read_run(archive, name) for name in names)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); fetch it again") from None


def _folder() -> Path:
    folder = local_folder("omniglot")
    if folder is None:
        raise DataError(
            "Omniglot is not at hand: set BITGROVE_DATA to a folder whose sub-folder omniglot "
            f"holds {' and '.join(_OFFICIAL)} (folder python of the repository "
            "brendenlake/omniglot)"
        )
    return folder


def _read_pack(path: Path) -> ImageData:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as pack:
            bits, characters = pack["bits"], pack["char"].astype(np.int64)
            people, classes = pack["drawer"].tolist(), pack["char_names"]
        ink = np.unpackbits(bits, axis=1, count=_SIDE * _SIDE).reshape(-1, _SIDE, _SIDE)
        names = [
            f"{classes[character]}/{person:02d}"
            for character, person in zip(characters, people, strict=True)
        ]
    except (OSError, EOFError, KeyError, ValueError, IndexError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged ({error}); fetch it again") from None
    return _make(names, (1 - ink) * np.uint8(255))


def _read_zip(path: Path) -> list[tuple[str, npt.NDArray[np.uint8]]]:
    """Names as ``alphabet/character/person`` and pixels of the files ``.../NNNN_PP.png``."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(
                name
                for name in archive.namelist()
                if name.endswith(".png") and not name.startswith("__MACOSX")
            )
            found = []
            for member in members:
                alphabet, character, file = member.split("/")[-3:]
                person = int(file.removesuffix(".png").partition("_")[2])
                found.append((f"{alphabet}/{character}/{person:02d}", _picture(archive, member)))
            return found
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); fetch it again") from None


def _make(names: list[str], pixels: npt.NDArray[np.uint8]) -> ImageData:
    """Sorted by name, so that both forms of the files give the same."""
    order = sorted(range(len(names)), key=names.__getitem__)
    kinds = [names[row].rpartition("/")[0] for row in order]
    classes = tuple(sorted(set(kinds)))
    number = {name: label for label, name in enumerate(classes)}
    return ImageData(
        np.ascontiguousarray(pixels[order, :, :, None]),
        np.array([number[kind] for kind in kinds], np.int64),
        classes,
        tuple(f"omniglot/{names[row]}" for row in order),
    )


def _read_run(archive: zipfile.ZipFile, name: str) -> OneShotRun:
    lines = archive.read(f"{name}/class_labels.txt").decode().splitlines()
    pairs = [line.split() for line in lines]
    shown = sorted({example for _, example in pairs})
    return OneShotRun(
        np.stack([_picture(archive, image) for image, _ in pairs])[..., None],
        np.stack([_picture(archive, example) for example in shown])[..., None],
        np.array([shown.index(example) for _, example in pairs], np.int64),
    )


def _picture(archive: zipfile.ZipFile, member: str) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(archive.read(member))) as image:
        pixels = np.asarray(image.convert("L"))
    if pixels.shape != (_SIDE, _SIDE):
        raise ValueError(f"{member} has {pixels.shape} pixels, not {_SIDE} x {_SIDE}")
    return pixels
