"""usearch: HNSW over scalars of a chosen width."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
from usearch.index import Index


@final
class Usearch:
    """``dtype`` is what the index holds: ``f32``, ``f16``, ``bf16``, ``i8``."""

    def __init__(self, *, links: int, effort: int, dtype: str) -> None:
        self._links, self._effort, self._dtype, self._threads = links, effort, dtype, 1

    def _empty(self, dim: int) -> Index:
        return Index(
            ndim=dim,
            metric="l2sq",
            dtype=self._dtype,
            connectivity=self._links,
            expansion_add=self._effort,
        )

    def build(self, base: npt.NDArray, threads: int) -> None:
        self._index = self._empty(base.shape[1])
        rows = base.astype(np.float32, copy=False)
        self._index.add(np.arange(len(rows), dtype=np.uint64), rows, threads=threads)

    def save(self, folder: Path) -> None:
        self._index.save(str(folder / "index"))

    def load(self, folder: Path, base: npt.NDArray) -> None:
        self._index = self._empty(base.shape[1])
        self._index.load(str(folder / "index"))

    def convert(self, queries: npt.NDArray) -> npt.NDArray:
        return queries.astype(np.float32)

    def use(self, setting: dict[str, Any], threads: int) -> None:
        self._index.expansion_search = setting["expansion"]
        self._threads = threads

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        found = self._index.search(queries, k, threads=self._threads)
        return np.atleast_2d(found.keys).astype(np.int64)
