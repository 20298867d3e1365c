"""Faces with landmarks, and people kept apart."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from ._errors import DataError
from ._packs import decoded
from ._places import local_folder

_PACK = "facial_keypoints_96_jpeg.npz"
_SIDE = 96
_POINTS = 68


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Pictures of faces with the places of 68 landmarks.

    Args:
        images: ``uint8[n, 96, 96, 1]``, grey.
        keypoints: ``float32[n, 68, 2]``, x to the right and y down, in pixels; 36 and 45 are the
            outer corners of the eyes.
        identity: ``int64[n]``, a number for each person.
    """

    images: npt.NDArray[np.uint8]
    keypoints: npt.NDArray[np.float32]
    identity: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def select(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Self:
        """Those at some rows, or where a mask is true."""
        return type(self)(self.images[rows], self.keypoints[rows], self.identity[rows])


class FaceSplits(NamedTuple):
    """The three parts; nobody is in two."""

    train: Faces
    validation: Faces
    test: Faces


def load_faces(*, validation: float = 0.15, seed: int = 0) -> FaceSplits:
    """Frames of videos with 68 landmarks: 4,232 of 347 people, of whom 70 are for testing.

    Looked for in the folder ``faces`` of ``BITGROVE_DATA``, then of ``../shared/data`` beside a
    checkout: ``facial_keypoints_96_jpeg.npz``, with the arrays ``header``, ``scans`` and
    ``offsets`` (the JPEG files, which share their header), ``keypoints``, ``identity`` and
    ``is_test``. The test list that came with the pictures shows people, and frames, of the training
    pictures, and is not used.

    Source: the facial keypoints of Udacity's computer vision course (MIT), frames of YouTube Faces,
    Wolf, Hassner and Maoz, CVPR 2011; for research.

    Args:
        validation: share of the people who are not for testing, above 0 and below 1.
        seed: of the choice of those.

    Raises:
        DataError: the file is not at hand, or damaged.
        ValueError: ``validation`` is out of range.
    """
    if not 0 < validation < 1:
        raise ValueError(f"validation must be above 0 and below 1, got {validation}")
    everybody, is_test = _read()
    people = np.unique(everybody.identity[~is_test])
    chosen = np.random.default_rng(seed).permutation(people)[: round(validation * len(people))]
    to_validate = ~is_test & np.isin(everybody.identity, chosen)
    return FaceSplits(
        everybody.select(~is_test & ~to_validate),
        everybody.select(to_validate),
        everybody.select(is_test),
    )


def _read() -> tuple[Faces, npt.NDArray[np.bool_]]:
    folder = local_folder("faces")
    if folder is None or not (folder / _PACK).is_file():
        raise DataError(
            f"the faces are not at hand: set BITGROVE_DATA to a folder that holds faces/{_PACK}"
        )
    path = folder / _PACK
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as pack:
            images = decoded(pack, _SIDE, "L")
            keypoints, is_test = pack["keypoints"].astype(np.float32), pack["is_test"] != 0
            identity = pack["identity"].astype(np.int64)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); fetch it again") from None
    n = len(images)
    shapes = [array.shape for array in (images, keypoints, identity, is_test)]
    if shapes != [(n, _SIDE, _SIDE, 1), (n, _POINTS, 2), (n,), (n,)]:
        raise DataError(f"{path} is damaged (arrays of shapes {shapes}); fetch it again")
    return Faces(images, keypoints, identity), is_test
