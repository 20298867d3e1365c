"""Codes of bits: our exact index, and faiss's indexes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import faiss
import numpy as np
import numpy.typing as npt

from bitgrove.search import ClusteredCodes, Flat


@final
class FaissBinaryGraph:
    """IndexBinaryHNSW; ``rows`` are packed codes."""

    def __init__(self, *, links: int, effort: int) -> None:
        self._links, self._effort = links, effort

    def build(self, base: npt.NDArray, threads: int) -> None:
        faiss.omp_set_num_threads(threads)
        self._index = faiss.IndexBinaryHNSW(8 * base.shape[1], self._links)
        self._index.hnsw.efConstruction = self._effort
        self._index.add(base)

    def save(self, folder: Path) -> None:
        faiss.write_index_binary(self._index, str(folder / "index"))

    def load(self, folder: Path, base: npt.NDArray) -> None:
        self._index = faiss.read_index_binary(str(folder / "index"))

    def convert(self, queries: npt.NDArray) -> npt.NDArray:
        return queries

    def use(self, setting: dict[str, Any], threads: int) -> None:
        faiss.omp_set_num_threads(threads)
        self._index.hnsw.efSearch = setting["efSearch"]

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        return self._index.search(queries, k)[1]


@final
class FaissBinaryFlat:
    """IndexBinaryFlat, which selects by a heap by default, else by counts of distances."""

    def __init__(self, *, heap: bool = True) -> None:
        self._heap = heap

    def build(self, base: npt.NDArray, threads: int) -> None:
        faiss.omp_set_num_threads(threads)
        self._index = faiss.IndexBinaryFlat(8 * base.shape[1])
        self._index.use_heap = self._heap
        self._index.add(base)

    def save(self, folder: Path) -> None:
        faiss.write_index_binary(self._index, str(folder / "index"))

    def load(self, folder: Path, base: npt.NDArray) -> None:
        self._index = faiss.read_index_binary(str(folder / "index"))
        self._index.use_heap = self._heap

    def convert(self, queries: npt.NDArray) -> npt.NDArray:
        return queries

    def use(self, setting: dict[str, Any], threads: int) -> None:
        faiss.omp_set_num_threads(threads)

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        return self._index.search(queries, k)[1]


@final
class OurFlat:
    """``Flat`` for Hamming distances, on one thread."""

    def build(self, base: npt.NDArray, threads: int) -> None:
        self._index = Flat(8 * base.shape[1], "hamming", "bits")
        self._index.add(base, threads=threads)

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        return self._index.search(queries, k, threads=1).ids


class OurClusters(OurFlat):
    """``ClusteredCodes``, on one thread."""

    def build(self, base: npt.NDArray, threads: int) -> None:
        self._index = ClusteredCodes(8 * base.shape[1])
        self._index.add(base, threads=threads)
        self._index.build(threads=threads)
