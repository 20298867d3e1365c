"""Which rows of the tables of a fern layer are read, and which never."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class FernUsage:
    """Visits of every row; print it for one line.

    >>> import torch
    >>> usage = FernUsage(torch.tensor([[3, 0, 0, 1], [2, 2, 0, 0]]))
    >>> usage.dead, usage.dead_rows()
    (4, [(0, 1), (0, 2), (1, 2), (1, 3)])
    >>> print(usage)
    4 of 8 rows never read; 0 ferns always read the same row; 45 % of the address bits' entropy
    """

    counts: Tensor
    """``int64[ferns, 2^depth]``, groups one after the other."""

    @property
    def dead(self) -> int:
        """Rows that were never read."""
        return int((self.counts == 0).sum())

    def dead_rows(self) -> list[tuple[int, int]]:
        """Them, as (fern, row)."""
        return [(fern, row) for fern, row in (self.counts == 0).nonzero().tolist()]

    @property
    def constant_ferns(self) -> int:
        """Ferns that read one row, whatever the input."""
        return int(((self.counts > 0).sum(1) <= 1).sum())

    @property
    def entropy(self) -> float:
        """Mean entropy of the addresses over that of even use, 0 to 1; NaN before any visit."""
        shares = self.counts.double() / self.counts.sum(1, keepdim=True)
        bits = -(shares * shares.clamp(min=1e-300).log2()).sum(1)
        return float(bits.mean()) / (self.counts.shape[1].bit_length() - 1)

    def __str__(self) -> str:
        return (
            f"{self.dead} of {self.counts.numel()} rows never read; {self.constant_ferns} ferns "
            f"always read the same row; {100 * self.entropy:.0f} % of the address bits' entropy"
        )
