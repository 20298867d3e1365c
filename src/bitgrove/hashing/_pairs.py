"""Which rows are alike, as groups of rows with the same labels: no matrix of all pairs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_KEPT = 1 << 28
"""Bytes of a matrix of groups, one for each pair, that are kept; else it is made in blocks anew."""


class SamePairs:
    """``S``: +1 for rows that share a class, -1 for others, by groups.

    With one class for each row, the groups are the classes. With several, rows of the same set of
    classes are a group, and two groups are alike if they share at least one class; a row without
    any is like none, itself included.

    Args:
        labels: classes ``(n,)``, or an indicator matrix ``(n, classes)``.
        block: groups whose pairs are made at a time.
    """

    def __init__(self, labels: npt.NDArray, *, block: int = 1024) -> None:
        self._block = block
        self._sets: Tensor | None = None
        self._kept: Tensor | None = None
        if labels.ndim == 1:
            found, group = np.unique(labels, return_inverse=True)
            self.groups = len(found)
        else:
            sets, group = np.unique(labels != 0, axis=0, return_inverse=True)
            self._sets, self.groups = torch.from_numpy(sets.astype(np.float32)), len(sets)
            if self.groups**2 <= _KEPT:
                parts = [self._alike(start) for start in range(0, self.groups, block)]
                self._kept = torch.cat(parts)
        self._group = torch.from_numpy(group.reshape(-1).astype(np.int64))

    def group_sums(self, codes: Tensor) -> Tensor:
        """Sums of rows ``(n, k)`` over each group, ``(groups, k)``."""
        sums = torch.zeros(self.groups, codes.shape[1], dtype=codes.dtype)
        return sums.index_add_(0, self._group, codes)

    def of_rows(self, of_groups: Tensor) -> Tensor:
        """Each row's own line of ``(groups, k)``, ``(n, k)``."""
        return of_groups[self._group]

    def times(self, sums: Tensor) -> Tensor:
        """``S`` of the groups times ``(groups, k)``."""
        if self._sets is None:  # S = 2 I - 1 1'
            return 2 * sums - sums.sum(0)
        starts = range(0, self.groups, self._block)
        return torch.cat([self._rows_of_s(start).to(sums.dtype) @ sums for start in starts])

    def _rows_of_s(self, start: int) -> Tensor:
        if self._kept is not None:
            return self._kept[start : start + self._block]
        return self._alike(start)

    def _alike(self, start: int) -> Tensor:
        assert self._sets is not None
        shared = self._sets[start : start + self._block] @ self._sets.T
        return torch.where(shared > 0, 1, -1).to(torch.int8)
