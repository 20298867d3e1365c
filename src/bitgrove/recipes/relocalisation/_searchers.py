"""What looks up descriptors: the graph, every row, and OpenCV's trees, each on one thread."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt

from ... import require
from ...interfaces import Neighbours
from ...search import Fanng, Flat


@final
class OnOneThread:
    """An index of this library, searched without helpers.

    Args:
        index: with ids that are the rows of the map.
    """

    def __init__(self, index: Fanng | Flat) -> None:
        self._index = index

    def search(self, queries: npt.NDArray[np.uint8], k: int, /) -> Neighbours:
        """The ``k`` nearest rows."""
        return self._index.search(queries, k, threads=1)


@final
class KdTrees:
    """OpenCV's FLANN: randomised k-d trees (Muja and Lowe, VISAPP 2009).

    Args:
        rows: ``uint8[n, 128]``; FLANN holds them as ``float32``.
        checks: leaves looked at for a query; OpenCV's default is 32.
        trees: OpenCV's default is 4.

    Raises:
        ModuleNotFoundError: OpenCV is not installed.
    """

    def __init__(self, rows: npt.NDArray[np.uint8], checks: int, trees: int = 4) -> None:
        cv2 = require("cv2", extra="localisation", needed_for="FLANN")
        cv2.setRNGSeed(0)
        self._rows = rows.astype(np.float32)  # FLANN keeps no copy
        self._trees = cv2.flann_Index(self._rows, {"algorithm": 1, "trees": trees})
        self._checks = checks

    def with_checks(self, checks: int) -> KdTrees:
        """The same trees, searched for longer or shorter."""
        other = object.__new__(KdTrees)
        other._rows, other._trees, other._checks = self._rows, self._trees, checks
        return other

    def search(self, queries: npt.NDArray[np.uint8], k: int, /) -> Neighbours:
        """The ``k`` nearest rows that were met."""
        ids, distances = self._trees.knnSearch(
            queries.astype(np.float32), k, params={"checks": self._checks}
        )
        return Neighbours(distances, ids.astype(np.int64))
