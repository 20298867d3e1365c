"""Rows of numbers with their labels: from files, from pictures, from built-in data sets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..interfaces import describe
from ._errors import DataError
from ._feature_files import READERS, read_labels
from ._folder import Progress
from ._gist import gist
from ._load import list as names_of
from ._load import load_splits

Kind = Literal["pixels", "gist"]
_WITHOUT_LOSS = (np.bool_, np.uint8, np.int8, np.uint16, np.int16, np.float16)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Rows of numbers, and labels where there are any.

    Args:
        rows: ``float32`` or ``float64[n, features]``, finite.
        labels: of shape ``(n,)``, or None.
    """

    rows: npt.NDArray[np.floating]
    labels: npt.NDArray | None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureParts:
    """What a source holds: rows to learn from, and those set apart as a test, if it does so."""

    train: Features
    test: Features | None


def load_features(
    source: str | os.PathLike[str],
    *,
    kind: Kind = "pixels",
    key: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> FeatureParts:
    """Load rows of features.

    Args:
        source: a file ``.npy`` of shape ``(n, features)``, ``.npz``, ``.fvecs``, ``.bvecs``, or
            ``.parquet`` (needs the extra ``parquet``); a built-in data set's name, or a folder of
            pictures with one sub-folder for each class.
        kind: of pictures: ``"pixels"``, all values from 0 to 1; or ``"gist"``, 320 numbers.
        key: the array of an ``.npz`` or the column of a ``.parquet`` file that holds the rows, if
            it has no usual name. Labels are looked for under ``labels``, ``label`` and ``y``.
        labels: a file ``.npy`` or ``.npz`` of labels, instead of those of the source.
        progress: called while a folder is decoded, with files done and files in all.

    Returns:
        The rows, as ``float32`` but for ``float64`` and wide integers, which come as ``float64``;
        of pictures in two parts.

    Raises:
        DataError: the source cannot be used; the message says why and what to do.
        ModuleNotFoundError: a ``.parquet`` file without the extra.

    >>> parts = load_features("digits")
    >>> parts.train.rows.shape, len(parts.test)
    ((1438, 64), 359)
    """
    if kind not in ("pixels", "gist"):
        raise DataError(f"kind must be 'pixels' or 'gist', got {kind!r}")
    path = Path(source)
    read = None if str(source) in names_of() else READERS.get(path.suffix)
    if read is None:
        return _pictures(source, kind, key, labels, progress)
    if not path.exists():
        raise DataError(f"there is no file {path}")
    stored = read(path, key)
    mine = stored.labels if labels is None else read_labels(Path(labels))
    return FeatureParts(_checked(str(path), stored.rows, mine), None)


def _pictures(
    source: str | os.PathLike[str],
    kind: Kind,
    key: str | None,
    labels: str | os.PathLike[str] | None,
    progress: Progress | None,
) -> FeatureParts:
    path = Path(source)
    if str(source) not in names_of() and path.is_file():
        raise DataError(
            f"{path} is no file of features: expected {', '.join(READERS)}, a folder of pictures, "
            "or a built-in data set"
        )
    if key is not None or labels is not None:
        raise DataError(f"{source} holds pictures, whose folders are their labels: give no others")
    train, validation, test = load_splits(source, progress=progress)
    images = np.concatenate([train.images, validation.images])
    both = np.concatenate([train.labels, validation.labels])
    learn = Features(_described(images, kind), both)
    return FeatureParts(learn, Features(_described(test.images, kind), test.labels))


def _described(images: npt.NDArray[np.uint8], kind: Kind) -> npt.NDArray[np.float32]:
    if kind == "gist":
        return gist(images)
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def _checked(name: str, rows: npt.NDArray, labels: npt.NDArray | None) -> Features:
    if rows.ndim != 2 or rows.dtype.kind not in "biuf" or 0 in rows.shape:
        raise DataError(
            f"{name} must hold numbers of shape (n, features), at least one row, "
            f"got {describe(np.asarray(rows))}"
        )
    if rows.dtype in _WITHOUT_LOSS or rows.dtype == np.float32:
        plain = np.asarray(rows, np.float32)
    else:
        plain = np.asarray(rows, np.float64)
    bad = np.flatnonzero(~np.isfinite(plain).all(1))
    if len(bad):
        raise DataError(
            f"{name}: row {bad[0]} holds NaN or infinity"
            + (f", and {len(bad) - 1:,} others too" if len(bad) > 1 else "")
        )
    if labels is not None and labels.shape != (len(plain),):
        raise DataError(
            f"{name} has {len(plain):,} rows, which need as many labels, got {describe(labels)}"
        )
    return Features(plain, labels)
