"""hnswlib, built from source for this very processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import hnswlib
import numpy as np
import numpy.typing as npt


@final
class Hnswlib:
    """float32 HNSW; ``add_items`` and ``knn_query`` take whole arrays and a number of threads."""

    def __init__(self, *, links: int, effort: int) -> None:
        self._links, self._effort, self._threads = links, effort, 1

    def build(self, base: npt.NDArray, threads: int) -> None:
        self._index = hnswlib.Index("l2", base.shape[1])
        self._index.init_index(
            len(base), M=self._links, ef_construction=self._effort, random_seed=0
        )
        self._index.add_items(base.astype(np.float32, copy=False), num_threads=threads)

    def save(self, folder: Path) -> None:
        self._index.save_index(str(folder / "index"))

    def load(self, folder: Path, base: npt.NDArray) -> None:
        self._index = hnswlib.Index("l2", base.shape[1])
        self._index.load_index(str(folder / "index"), max_elements=len(base))

    def convert(self, queries: npt.NDArray) -> npt.NDArray:
        return queries.astype(np.float32)

    def use(self, setting: dict[str, Any], threads: int) -> None:
        self._index.set_ef(setting["ef"])
        self._threads = threads

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        return self._index.knn_query(queries, k, num_threads=self._threads)[0]
