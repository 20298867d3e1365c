"""Scalable Vector Search: a Vamana graph walked on compressed rows (LVQ)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import svs


@final
class Svs:
    """A graph built on the rows as they are, searched on them or on their LVQ codes.

    Args:
        degree: most edges of a row.
        window: effort of the build.
        bits: of the first and second code, such as ``(4, 8)``; None for the rows as they are.
        turbo: SVS's packing for wide registers.
    """

    def __init__(
        self,
        *,
        degree: int,
        window: int,
        alpha: float = 1.2,
        bits: tuple[int, int] | None = None,
        turbo: bool = True,
    ) -> None:
        self._degree, self._window, self._alpha = degree, window, alpha
        self._bits, self._turbo = bits, turbo

    def build(self, base: npt.NDArray, threads: int) -> None:
        parameters = svs.VamanaBuildParameters(
            alpha=self._alpha,
            graph_max_degree=self._degree,
            window_size=self._window,
            max_candidate_pool_size=3 * self._window,
        )
        self._index = svs.Vamana.build(parameters, base, svs.DistanceType.L2, num_threads=threads)

    def save(self, folder: Path) -> None:
        self._index.save(*(str(folder / part) for part in ("config", "graph", "data")))

    def load(self, folder: Path, base: npt.NDArray) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            self._load(folder, base, Path(scratch))

    def _load(self, folder: Path, base: npt.NDArray, scratch: Path) -> None:
        kind = svs.DataType.uint8 if base.dtype == np.uint8 else svs.DataType.float32
        loader: Any = svs.VectorDataLoader(str(folder / "data"), kind, dims=base.shape[1])
        if self._bits:
            kind = svs.DataType.float32
            if base.dtype == np.uint8:  # LVQ compresses float32, so the rows are written so
                floats = scratch / "rows.fvecs"
                svs.write_vecs(base.astype(np.float32), str(floats))
                loader = svs.VectorDataLoader(str(floats), kind, dims=base.shape[1])
            strategy = svs.LVQStrategy.Turbo if self._turbo else svs.LVQStrategy.Sequential
            loader = svs.LVQLoader(loader, self._bits[0], self._bits[1], strategy=strategy)
        self._kind = np.uint8 if kind == svs.DataType.uint8 else np.float32
        self._index = svs.Vamana(
            str(folder / "config"),
            svs.GraphLoader(str(folder / "graph")),
            loader,
            svs.DistanceType.L2,
            query_type=kind,
        )

    def convert(self, queries: npt.NDArray) -> npt.NDArray:
        return queries.astype(self._kind)

    def use(self, setting: dict[str, Any], threads: int) -> None:
        parameters = svs.VamanaSearchParameters(
            svs.SearchBufferConfig(setting["window"], setting.get("capacity", setting["window"])),
            setting.get("visited_set", False),
            setting.get("lookahead", 4),
            setting.get("step", 1),
        )
        self._index.search_parameters = parameters
        self._index.num_threads = threads

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        return self._index.search(queries, k)[0].astype(np.int64)
