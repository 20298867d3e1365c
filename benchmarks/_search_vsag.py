"""VSAG's HGraph: a graph walked on quantised rows, re-ranked on exact ones."""

from __future__ import annotations

import contextlib
import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

with contextlib.suppress(ImportError):
    import svs  # noqa: F401  # cannot read its own files where pyvsag was loaded first
import pyvsag


@final
class Vsag:
    """HGraph over ``base`` codes; its Python module takes one query at a time."""

    def __init__(self, *, degree: int, effort: int, base: str, reorder: bool, **more: Any) -> None:
        self._parameters = {
            "base_quantization_type": base,
            "max_degree": degree,
            "ef_construction": effort,
            "use_reorder": reorder,
            **({"precise_quantization_type": "fp32"} if reorder else {}),
            **more,
        }

    def _empty(self, dim: int, threads: int = 1) -> pyvsag.Index:
        parameters = {
            "dtype": "float32",
            "metric_type": "l2",
            "dim": dim,
            "index_param": {**self._parameters, "build_thread_count": threads},
        }
        pyvsag.set_logger_off()
        return pyvsag.Index("hgraph", json.dumps(parameters))

    def build(self, base: npt.NDArray, threads: int) -> None:
        rows = base.astype(np.float32, copy=False)
        self._index = self._empty(rows.shape[1], threads)
        ids = np.arange(len(rows), dtype=np.int64)
        self._index.build(vectors=rows.ravel(), ids=ids, num_elements=len(rows), dim=rows.shape[1])

    def save(self, folder: Path) -> None:
        self._index.save(str(folder / "index"))

    def load(self, folder: Path, base: npt.NDArray) -> None:
        self._index = self._empty(base.shape[1])
        self._index.load(str(folder / "index"))

    def convert(self, queries: npt.NDArray) -> npt.NDArray:
        return queries.astype(np.float32)

    def use(self, setting: dict[str, Any], threads: int) -> None:
        self._setting = json.dumps({"hgraph": {"ef_search": setting["ef"]}})
        self._threads = threads

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        if self._threads == 1:
            return self._one_by_one(queries, k)
        parts = np.split(queries, [math.ceil(len(queries) / 2)])
        with ThreadPoolExecutor(self._threads) as pool:
            return np.concatenate(list(pool.map(lambda p: self._one_by_one(p, k), parts)))

    def _one_by_one(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        found, search, setting = (
            np.full((len(queries), k), -1),
            self._index.knn_search,
            self._setting,
        )
        for row, query in enumerate(queries):
            ids = search(query, k, setting)[0]
            found[row, : len(ids)] = ids
        return found
