"""What is searched: rows, queries and their true distances, from folders of ``.npy`` files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from _search_truth import exact_hamming, exact_l2, found_bits, found_distances, tie_aware_recall


@dataclass(frozen=True, slots=True)
class Data:
    """Rows to index, queries, and the distances of each query's nearest rows, nearest first."""

    name: str
    base: npt.NDArray
    """float32, uint8, or packed bits."""
    queries: npt.NDArray
    truth: npt.NDArray
    measure: Callable[..., npt.NDArray[np.float64]]
    """Distances of returned rows, in the unit of ``truth``."""

    @property
    def integers(self) -> bool:
        """Whether uint8 holds the rows without loss."""
        return self.base.dtype == np.uint8

    def recall(self, ids: npt.NDArray[np.integer], k: int, first: int = 0) -> float:
        """Tie-aware recall at ``k`` of what was returned for the queries from ``first`` on."""
        chosen = slice(first, first + len(ids))
        found = self.measure(self.base, self.queries[chosen], ids[:, :k])
        return tie_aware_recall(found, ids, self.truth[chosen], k)


def load(name: str, folder: Path, rows: int | None) -> Data:
    """A data set of vectors: ``base.npy``, ``query.npy`` and ``gt_dist.npy`` in ``folder``.

    With ``rows``, only so many of them, with 2,000 queries and their own ground truth.
    """
    base, queries = np.load(folder / "base.npy"), np.load(folder / "query.npy")
    if rows is None or rows >= len(base):
        truth = np.load(folder / "gt_dist.npy")
        return Data(name, base, queries, truth, found_distances)
    base, queries = base[:rows].copy(), queries[:2000].copy()
    _, truth = exact_l2(base, queries)
    return Data(f"{name}-{rows}", base, queries, truth, found_distances)


def load_codes(folder: Path, bits: int, rows: int | None, queries: int) -> Data:
    """Packed codes: the first ``bits`` of ``base_codes.npy`` and ``query_codes.npy``."""
    base = np.load(folder / "base_codes.npy")[:rows, : bits // 8].copy()
    asked = np.load(folder / "query_codes.npy")[:queries, : bits // 8].copy()
    return Data(f"codes-{bits}-{len(base)}", base, asked, exact_hamming(base, asked), found_bits)


def described(folder: Path) -> dict[str, object]:
    """What the makers of a data set wrote about it."""
    path = folder / "meta.json"
    return json.loads(path.read_text()) if path.exists() else {}
