"""Features that take minutes, kept in the folder of a run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...files import replacing
from ._study import Rows
from .tasks import Features


def keeping(features: Features, folder: Path) -> Features:
    """The same features; those of pictures that were there before are read from ``folder``.

    Raises:
        ValueError: when called, where a file is damaged.
    """

    def describe(images: npt.NDArray[np.uint8]) -> Rows:
        digest = hashlib.blake2b(repr(images.shape).encode(), digest_size=8)
        digest.update(np.ascontiguousarray(images).data)
        path = folder / f"features-{digest.hexdigest()}.npy"
        if path.exists():
            return _read(path, len(images))
        rows = features(images)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            np.save(file, rows, allow_pickle=False)
        return rows

    return describe


def _read(path: Path, count: int) -> Rows:
    try:
        rows: Rows = np.load(path, allow_pickle=False)
        if rows.ndim != 2 or len(rows) != count:
            raise ValueError(f"shape {rows.shape}")
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it to run anew") from None
    return rows
