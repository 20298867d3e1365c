"""Products with rows that hold many zeros: features that are hardly ever used cost hardly any."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .. import require
from ._principal import Matrix

Precision = Literal["float64", "float32"]

_RARE = 0.05
"""Features that are used by fewer of the rows are kept as a list of their values. Of MNIST's 784
pixels 398 are used more often."""


class FewZeros:
    """Rows ``(n, features)`` to multiply with, again and again.

    Features that are 0 in every row are left out, rare ones are sparse, all others dense.

    Args:
        rows: in float64.
        precision: of the products, and of all that goes in and comes out.

    Attributes:
        used: features that are not always 0, dense ones first; all weights are in this order.
    """

    def __init__(self, rows: Matrix, precision: Precision) -> None:
        share = np.count_nonzero(rows, axis=0) / len(rows)
        often, rare = np.flatnonzero(share >= _RARE), np.flatnonzero((share > 0) & (share < _RARE))
        self.used: npt.NDArray[np.intp] = np.concatenate([often, rare])
        self._often = len(often)
        whole = self._often == rows.shape[1]
        dense = rows if whole else rows[:, often]
        self._dense = torch.from_numpy(np.ascontiguousarray(dense, dtype=precision))
        self._sparse = None
        if len(rare):
            sparse: Any = require("scipy.sparse", extra="train", needed_for="bitgrove.hashing")
            self._sparse = sparse.csr_array(rows[:, rare].astype(precision))
            self._turned = self._sparse.T  # by columns: the slopes are read once, in their order

    def through(self, weight: Tensor, bias: Tensor, out: Tensor) -> Tensor:
        """``rows @ weight.T + bias``, written to ``out``, ``(n, units)``."""
        torch.addmm(bias, self._dense, weight[:, : self._often].T, out=out)
        if self._sparse is not None:
            rare = np.ascontiguousarray(weight[:, self._often :].T.numpy())
            out += torch.from_numpy(self._sparse @ rare)
        return out

    def back(self, slope: Tensor) -> Tensor:
        """``slope.T @ rows`` for ``(n, units)``, ``(units, features)``."""
        often = slope.T @ self._dense
        if self._sparse is None:
            return often
        return torch.cat([often, torch.from_numpy(self._turned @ slope.numpy()).T], 1)
