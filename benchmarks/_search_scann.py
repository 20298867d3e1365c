"""ScaNN: a tree of partitions, 4-bit codes of anisotropic loss, exact re-ranking."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import scann


@final
class Scann:
    """``leaves`` partitions; rows are kept in float32 for the re-ranking."""

    def __init__(self, *, leaves: int, dims_per_block: int = 2, threshold: float = 0.2) -> None:
        self._leaves, self._block, self._threshold = leaves, dims_per_block, threshold

    def build(self, base: npt.NDArray, threads: int) -> None:
        rows = base.astype(np.float32, copy=False)
        builder = scann.scann_ops_pybind.builder(rows, 10, "squared_l2")
        builder = builder.tree(self._leaves, 10, training_sample_size=min(len(rows), 250_000))
        builder = builder.score_ah(self._block, anisotropic_quantization_threshold=self._threshold)
        builder = builder.reorder(100).set_n_training_threads(threads)
        self._index = builder.build()

    def save(self, folder: Path) -> None:
        self._index.serialize(str(folder), relative_path=True)

    def load(self, folder: Path, base: npt.NDArray) -> None:
        self._index = scann.scann_ops_pybind.load_searcher(str(folder))

    def convert(self, queries: npt.NDArray) -> npt.NDArray:
        return queries.astype(np.float32)

    def use(self, setting: dict[str, Any], threads: int) -> None:
        self._setting, self._threads = setting, threads
        self._index.set_num_threads(threads)

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        leaves, kept = self._setting["leaves"], self._setting["reorder"]
        if self._threads == 1:
            return self._index.search_batched(queries, k, kept, leaves)[0].astype(np.int64)
        return self._index.search_batched_parallel(
            queries, k, kept, leaves, -(-len(queries) // (4 * self._threads))
        )[0].astype(np.int64)
