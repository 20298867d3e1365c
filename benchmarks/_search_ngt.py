"""NGT: ANNG or ONNG over floats or 8-bit codes; the wheel has no quantised graph (QG)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import ngtpy
import numpy as np
import numpy.typing as npt


@final
class Ngt:
    """NGT keeps an index in a folder from the start.

    Args:
        edges: of each row at creation.
        object_type: ``Float``, ``Float16``, ``Byte``, or ``qsu8``: scalar quantised.
        outgoing, incoming: edges kept by the optimiser that makes an ONNG of the ANNG; None to
            leave the ANNG as it is.
    """

    def __init__(
        self, *, edges: int, object_type: str = "Float", onng: tuple[int, int] | None = None
    ) -> None:
        self._edges, self._type, self._onng = edges, object_type, onng
        self._scratch: Path | None = None

    def place(self, folder: Path) -> None:
        """Where to build."""
        self._scratch = folder

    def build(self, base: npt.NDArray, threads: int) -> None:
        assert self._scratch is not None
        path = str(self._scratch / ("anng" if self._onng else "index"))
        ngtpy.create(
            path,
            base.shape[1],
            edge_size_for_creation=self._edges,
            edge_size_for_search=0,
            distance_type="L2",
            object_type=self._type,
        )
        index = ngtpy.Index(path)
        index.batch_insert(base.astype(np.float32, copy=False), num_threads=threads)
        index.save()
        index.close()
        if self._onng:
            optimizer = ngtpy.Optimizer(log_disabled=True)
            optimizer.set(num_of_outgoings=self._onng[0], num_of_incomings=self._onng[1])
            optimizer.set_processing_modes(
                shortcut_reduction=True,
                search_parameter_optimization=True,
                prefetch_parameter_optimization=True,
                accuracy_table_generation=False,
            )
            optimizer.execute(path, str(self._scratch / "index"))

    def save(self, folder: Path) -> None:
        """It is there already."""

    def load(self, folder: Path, base: npt.NDArray) -> None:
        self._index = ngtpy.Index(str(folder / "index"), read_only=True, zero_based_numbering=True)

    def convert(self, queries: npt.NDArray) -> npt.NDArray:
        return queries.astype(np.float32)

    def use(self, setting: dict[str, Any], threads: int) -> None:
        self._index.set(epsilon=setting["epsilon"])

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        found = ngtpy.BatchResults()
        self._index.set(num_of_search_objects=k)
        self._index.batch_search(queries, found, k)
        return np.asarray(found.get_ids()).reshape(len(queries), k)
