"""A million SIFT descriptors of the photographs of BSDS500, as arrays in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._errors import DataError
from ._places import local_folder

Rows = npt.NDArray[np.uint8]


class Descriptors(NamedTuple):
    """SIFT-1M computed from BSDS500: ``uint8[n, 128]`` each, of photographs that are not shared."""

    base: Rows
    """Those to be searched."""
    learn: Rows
    """Those to learn from."""
    query: Rows


def load_sift() -> Descriptors:
    """The descriptors in ``base.npy``, ``learn.npy`` and ``query.npy`` of a local folder ``sift``.

    They are not SIFT1M of Jegou et al., which has other photographs and another detector: figures
    measured on them are to be compared with each other alone. The files are mapped, not read.

    Raises:
        DataError: they are not at hand, damaged, or hold something else.
    """
    folder = local_folder("sift")
    missing = [
        name
        for name in ("base.npy", "learn.npy", "query.npy")
        if folder is None or not (folder / name).is_file()
    ]
    if folder is None or missing:
        raise DataError(
            f"the descriptors are not at hand: {folder or 'no folder sift'} lacks "
            f"{', '.join(missing)}; make_sift.py of the data collection computes them, and "
            "BITGROVE_DATA names the folder that holds their folder sift"
        )
    return Descriptors(*(_mapped(folder / f"{part}.npy") for part in Descriptors._fields))


def _mapped(path: Path) -> Rows:
    try:
        rows: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged ({error}); compute it again") from None
    if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != 128 or not len(rows):
        raise DataError(
            f"{path} must hold uint8 descriptors of shape (n, 128), got dtype={rows.dtype}, "
            f"shape={rows.shape}"
        )
    return rows
