"""faiss-cpu: one HNSW graph, searched on rows of several widths, and inverted files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import faiss
import numpy as np
import numpy.typing as npt

_TYPES = {
    "direct": faiss.ScalarQuantizer.QT_8bit_direct,
    "sq8": faiss.ScalarQuantizer.QT_8bit,
    "bf16": faiss.ScalarQuantizer.QT_bf16,
}


@final
class FaissGraph:
    """IndexHNSW with 32 links over rows held as ``rows``; a lossy one is refined by float32.

    A graph is built over ``direct`` (uint8, lossless where the data are integers) or else ``bf16``
    rows, and the rows that a search compares are put in its place when it is loaded, so one build
    serves all of them.

    Args:
        rows: ``float32``, ``direct``, ``sq8`` or ``bf16``.
        effort: efConstruction.
    """

    def __init__(self, rows: str, *, effort: int) -> None:
        self._rows, self._effort = rows, effort

    def build(self, base: npt.NDArray, threads: int) -> None:
        faiss.omp_set_num_threads(threads)
        held = _TYPES["direct" if base.dtype == np.uint8 else "bf16"]
        self._index = faiss.IndexHNSWSQ(base.shape[1], held, 32)
        self._index.hnsw.efConstruction = self._effort
        rows = base.astype(np.float32, copy=False)
        self._index.train(rows[:1000])
        self._index.add(rows)

    def save(self, folder: Path) -> None:
        faiss.write_index(self._index, str(folder / "index"))

    def load(self, folder: Path, base: npt.NDArray) -> None:
        graph = faiss.read_index(str(folder / "index"))
        rows = base.astype(np.float32, copy=False)
        if self._rows == "float32":
            storage: Any = faiss.IndexFlatL2(base.shape[1])
        else:
            storage = faiss.IndexScalarQuantizer(base.shape[1], _TYPES[self._rows])
            storage.train(rows[::4])
        storage.add(rows)
        faiss.downcast_index(graph.storage).reset()
        graph.storage = storage
        self._kept, self._graph, self._index = storage, graph, graph
        if self._rows in ("sq8", "bf16"):
            self._index = faiss.IndexRefineFlat(graph, faiss.swig_ptr(rows))

    def convert(self, queries: npt.NDArray) -> npt.NDArray:
        return queries.astype(np.float32)

    def use(self, setting: dict[str, Any], threads: int) -> None:
        faiss.omp_set_num_threads(threads)
        self._graph.hnsw.efSearch = setting["efSearch"]
        if "k_factor" in setting:
            self._index.k_factor = setting["k_factor"]

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        return self._index.search(queries, k)[1]


@final
class FaissLists:
    """Inverted lists of 4-bit product codes, scanned in registers, refined by float32."""

    def __init__(self, factory: str) -> None:
        self._factory = factory

    def build(self, base: npt.NDArray, threads: int) -> None:
        faiss.omp_set_num_threads(threads)
        rows = base.astype(np.float32, copy=False)
        self._index = faiss.index_factory(rows.shape[1], self._factory)
        lists = faiss.extract_index_ivf(self._index)
        lists.cp.niter = 10
        sample = np.random.default_rng(0).permutation(len(rows))[: max(40 * lists.nlist, 50_000)]
        self._index.train(rows[np.sort(sample)])
        self._index.add(rows)

    def save(self, folder: Path) -> None:
        faiss.write_index(self._index, str(folder / "index"))

    def load(self, folder: Path, base: npt.NDArray) -> None:
        self._index = faiss.read_index(str(folder / "index"))

    def convert(self, queries: npt.NDArray) -> npt.NDArray:
        return queries.astype(np.float32)

    def use(self, setting: dict[str, Any], threads: int) -> None:
        faiss.omp_set_num_threads(threads)
        faiss.extract_index_ivf(self._index).nprobe = setting["nprobe"]
        self._index.k_factor = setting["k_factor"]

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        return self._index.search(queries, k)[1]
