"""bitgrove's graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from bitgrove.search import Fanng


@final
class Ours:
    """``Fanng`` on the rows as they are: uint8 where the data are integers, else float32.

    Args:
        degree: limit of the edges of a row.
        bits: rows are packed codes, compared by Hamming distance.
        build: options of ``Fanng.build``.
    """

    def __init__(self, *, degree: int = 64, bits: bool = False, **build: Any) -> None:
        self._degree, self._bits, self._build, self._threads = degree, bits, build, 1

    def build(self, base: npt.NDArray, threads: int) -> None:
        columns, dtype = base.shape[1], str(base.dtype)
        layout = (8 * columns, "hamming", "bits") if self._bits else (columns, "l2", dtype)
        self._index = Fanng(*layout, max_degree=self._degree)
        self._index.add(base)
        self._index.build(threads=threads, **self._build)

    def save(self, folder: Path) -> None:
        self._index.save(folder / "index")

    def load(self, folder: Path, base: npt.NDArray) -> None:
        self._index = Fanng.load(folder / "index")

    def convert(self, queries: npt.NDArray) -> npt.NDArray:
        return queries

    def use(self, setting: dict[str, Any], threads: int) -> None:
        self._setting, self._threads = setting, threads

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        return self._index.search(queries, k, threads=self._threads, **self._setting).ids
