"""The contours that people drew on the photographs of BSDS500."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import require
from ._bsds500 import PARTS
from ._errors import DataError
from ._places import local_folder

_PACK = "bsds500_boundaries.npz"


@dataclass(frozen=True, slots=True)
class Contours:
    """Drawings of photographs, several of each; ``contours[i]`` is ``bool[drawings, h, w]``.

    They are held as bits, an eighth of what is given.

    Args:
        names: of the photographs, such as ``train/100075.jpg``.
        shapes: for each, how many drawings, and their height and width.
        bits: for each, ``uint8[drawings, ceil(h * w / 8)]`` in the order of ``np.packbits``.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, int, int], ...]
    bits: tuple[npt.NDArray[np.uint8], ...]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> npt.NDArray[np.bool_]:
        drawings, h, w = self.shapes[i]
        flat = np.unpackbits(self.bits[i], axis=1, count=h * w)
        return flat.reshape(drawings, h, w).astype(bool)


def load_bsds500_contours() -> Contours:
    """What 4 to 9 people drew on each of the 500 photographs, 2,696 drawings.

    A drawing has the size of its photograph and lies on it pixel by pixel; lines are a pixel wide.
    The photographs are those of :func:`load_bsds500`, by name and in its order.

    Looked for in the folder ``bsds500`` of ``BITGROVE_DATA``, then of ``../shared/data`` beside a
    checkout: either ``groundTruth/{train,val,test}/*.mat`` as in the official archive, or
    ``bsds500_boundaries.npz``, one file with all as bits, which may also lie in ``sift``.

    Source: Arbelaez, Maire, Fowlkes and Malik, "Contour Detection and Hierarchical Image
    Segmentation", PAMI 2011. Free for non-commercial research and education.

    Raises:
        DataError: they are not at hand, or a file is damaged.
        ModuleNotFoundError: the official files need scipy, which is not installed.
    """
    for folder in (local_folder("bsds500"), local_folder("sift")):
        if folder and (folder / _PACK).is_file():
            return _unpack(folder / _PACK)
        found = {
            f"{part}/{path.stem}.jpg": path
            for part in PARTS
            for path in sorted((folder / "groundTruth" / part).glob("*.mat") if folder else ())
        }
        if found:
            return _make(tuple(found), [_official(path) for path in found.values()])
    raise DataError(
        "the contours of BSDS500 are not at hand: set BITGROVE_DATA to a folder that holds "
        "bsds500/groundTruth/{train,val,test}/*.mat"
    )


def _make(names: tuple[str, ...], maps: list[npt.NDArray[np.bool_]]) -> Contours:
    shapes = tuple((len(m), m.shape[1], m.shape[2]) for m in maps)
    return Contours(names, shapes, tuple(np.packbits(m.reshape(len(m), -1), axis=1) for m in maps))


def _official(path: Path) -> npt.NDArray[np.bool_]:
    """The drawings of one file: a cell for each person, with the field ``Boundaries``."""
    io: Any = require("scipy.io", extra="train", needed_for="the official files of BSDS500")
    try:
        cells = io.loadmat(path)["groundTruth"].ravel()
        return np.stack([cell["Boundaries"].item() for cell in cells]).astype(bool)
    except (OSError, KeyError, IndexError, TypeError, ValueError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); fetch it again") from None


def _unpack(path: Path) -> Contours:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as pack:
            sizes = (pack[key].astype(int).tolist() for key in ("annotators", "height", "width"))
            shapes = tuple(zip(*sizes, strict=True))
            raw, names = pack["bits"], tuple(str(name) for name in pack["names"])
        rows = [-(-h * w // 8) for _, h, w in shapes]
        ends = np.cumsum(
            [drawings * row for (drawings, _, _), row in zip(shapes, rows, strict=True)]
        )
        if raw.dtype != np.uint8 or raw.shape != (ends[-1],) or len(names) != len(shapes):
            raise ValueError(f"{len(shapes)} photographs, but bits of shape {raw.shape}")
        parts = np.split(raw, ends[:-1])
        bits = tuple(part.reshape(-1, row) for part, row in zip(parts, rows, strict=True))
        return Contours(names, shapes, bits)
    except (
        OSError, EOFError, KeyError, IndexError, ValueError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise DataError(f"{path} is damaged ({error}); fetch it again") from None
