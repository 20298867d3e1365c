"""Files of feature rows: ``.npy``, ``.npz``, ``.fvecs``, ``.bvecs``, ``.parquet``."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import require
from ..interfaces import describe
from ._errors import DataError

ROWS, LABELS = ("features", "X", "x", "embeddings"), ("labels", "label", "y")
"""Names under which arrays and columns are looked for."""


class Stored(NamedTuple):
    """What a file holds."""

    rows: npt.NDArray
    labels: npt.NDArray | None


def read_npy(path: Path, key: str | None) -> Stored:
    """A single array; mapped, not read."""
    _no_key(path, key)
    return Stored(_array(path), None)


def read_npz(path: Path, key: str | None) -> Stored:
    """An archive: the rows under ``key``, or a usual name, or the one matrix in it."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            if key is None:
                usual = [name for name in ROWS if name in names]
                matrices = usual or [name for name in names if archive[name].ndim == 2]
                if len(matrices) != 1 and not usual:
                    raise DataError(
                        f"{path} holds {', '.join(names) or 'nothing'}: name the array of "
                        "features with --key"
                    )
                key = matrices[0]
            elif key not in names:
                raise DataError(f"{path} has no array {key!r}; it holds {', '.join(names)}")
            label = next((name for name in LABELS if name in names and name != key), None)
            return Stored(archive[key], None if label is None else archive[label])
    except (ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise _unreadable(path, error) from None


def read_vecs(path: Path, key: str | None) -> Stored:
    """Vectors as those of the TEXMEX collections: each begins with its length, an int32."""
    _no_key(path, key)
    raw = np.fromfile(path, np.uint8)
    if len(raw) < 4:
        raise DataError(f"{path} is truncated: {len(raw)} bytes")
    dtype = np.dtype("<f4" if path.suffix == ".fvecs" else "u1")
    dim = int(raw[:4].view("<i4")[0])
    width = 4 + dim * dtype.itemsize
    if dim < 1 or len(raw) % width:
        raise DataError(
            f"{path} is damaged: its first vector has {dim} elements, and {len(raw)} bytes are "
            "no whole number of such"
        )
    table = raw.reshape(-1, width)
    other = np.flatnonzero((table[:, :4] != table[0, :4]).any(1))
    if len(other):
        raise DataError(f"{path}: vector {other[0]} has another length than the first, {dim}")
    return Stored(np.ascontiguousarray(table[:, 4:]).view(dtype), None)


def read_parquet(path: Path, key: str | None) -> Stored:
    """A table: one column of lists, or a column for each feature; labels in a column ``label``."""
    require("pyarrow", extra="parquet", needed_for="reading .parquet files")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:  # pyarrow's own are among them
        raise _unreadable(path, error) from None
    names: list[str] = table.column_names
    if key is not None and key not in names:
        raise DataError(f"{path} has no column {key!r}; it holds {', '.join(names)}")
    label = next((name for name in LABELS if name in names and name != key), None)
    labels = None if label is None else np.asarray(table.column(label).to_pylist())
    rest = [name for name in names if name != label]
    chosen = key or next((name for name in ROWS if name in names), None)
    if chosen is None and len(rest) == 1:
        chosen = rest[0]
    try:
        if chosen is not None:
            rows = np.array(table.column(chosen).to_pylist())
        else:
            rows = np.stack([np.asarray(table.column(name).to_pylist()) for name in rest], axis=1)
    except ValueError as error:
        raise _unreadable(path, error) from None
    return Stored(rows, labels)


READERS: dict[str, Callable[[Path, str | None], Stored]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".fvecs": read_vecs,
    ".bvecs": read_vecs,
    ".parquet": read_parquet,
}


def read_labels(path: Path, key: str | None = None) -> npt.NDArray:
    """Labels of a ``.npy`` file, or under ``key`` or a usual name of an ``.npz``."""
    if path.suffix == ".npy":
        labels = np.array(_array(path))
    elif path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as archive:
                name = key or next((name for name in LABELS if name in archive.files), None)
                if name is None or name not in archive.files:
                    raise DataError(
                        f"{path} has no array of labels; it holds {', '.join(archive.files)}"
                    )
                labels = archive[name]
        except (ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
            raise _unreadable(path, error) from None
    else:
        raise DataError(f"labels must be in a .npy or .npz file, got {path}")
    if labels.ndim != 1:
        raise DataError(f"{path}: labels must have shape (n,), got {describe(labels)}")
    return labels


def _array(path: Path) -> npt.NDArray:
    try:
        array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise _unreadable(path, error) from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is an archive of arrays; give it the name .npz")
    return array


def _no_key(path: Path, key: str | None) -> None:
    if key is not None:
        raise DataError(f"{path} holds a single array: --key {key} names none")


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    return DataError(f"{path} cannot be read: {error}")
