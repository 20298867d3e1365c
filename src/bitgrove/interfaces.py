"""The types that cross layers. Read this file first.

Data flows left to right::

    image ─► features ─► code / embedding ─► solver ─► answer
             binary conv   hashing head        forest
             fern conv     metric embedding    ferns
             float conv                        neighbours ◄── FANNG index ◄── examples
                        └──────── pack ────────► one .grove file ─► runtime (no torch)

A new class is new rows among the examples: no retraining.

Conventions that hold everywhere: ``sign(0) = +1`` (``-0.0`` too); bit 1 is +1 and bit 0 is -1; NaN
is refused at a public boundary; images are ``float32[n, c, h, w]`` outside; ``l2`` distances are
squared; a smaller distance is nearer for every metric but ``ip`` and ``cosine``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class PackedCodes:
    """Rows of bits in ``np.packbits`` order: the layout of faiss and sentence-transformers.

    Bit ``i`` of a row is bit ``7 - i % 8`` of byte ``i // 8``; padding bits are zero.

    Args:
        data: ``uint8`` of shape ``(n, ceil(bits / 8))``, C-contiguous.
        bits: number of bits in a row, at least 1.

    Raises:
        TypeError: ``data`` is not a two-dimensional ``uint8`` array. Nothing is converted, because
            a cast and a reinterpretation give different codes.
        ValueError: the width is not ``ceil(bits / 8)``, or a padding bit is set.

    >>> codes = PackedCodes.from_signs(np.array([[1.0, -1.0, 0.0]]))
    >>> codes.bits, codes.data          # +1 -1 +1, then five padding bits: 0b10100000
    (3, array([[160]], dtype=uint8))
    >>> codes.signs()
    array([[ 1, -1,  1]], dtype=int8)
    """

    data: npt.NDArray[np.uint8]
    bits: int

    def __post_init__(self) -> None:
        data, bits = self.data, self.bits
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2:
            raise TypeError(f"data must be a uint8 array of shape (n, bytes), got {describe(data)}")
        if bits < 1:
            raise ValueError(f"bits must be at least 1, got {bits}")
        if data.shape[1] != (bits + 7) // 8:
            raise ValueError(
                f"codes of {bits} bits have {(bits + 7) // 8} bytes a row, got {data.shape[1]}"
            )
        if bits % 8 and (data[:, -1] & (0xFF >> bits % 8)).any():
            raise ValueError(f"padding bits of codes of {bits} bits must be zero")

    @classmethod
    def from_signs(cls, values: npt.ArrayLike) -> Self:
        """Pack the signs of real values of shape ``(n, bits)``; zero counts as +1."""
        values = np.asarray(values)
        if values.ndim != 2:
            raise ValueError(f"values must have shape (n, bits), got shape {values.shape}")
        if np.isnan(values).any():
            raise ValueError("values must not hold NaN: its sign is undefined")
        return cls(np.packbits(values >= 0, axis=1), values.shape[1])

    def signs(self) -> npt.NDArray[np.int8]:
        """The codes as +1 and -1, ``int8[n, bits]``."""
        ones = np.unpackbits(self.data, axis=1, count=self.bits)
        return (2 * ones.astype(np.int8) - 1).astype(np.int8)

    def __len__(self) -> int:
        return len(self.data)


class Neighbours(NamedTuple):
    """The ``k`` nearest rows of every query, nearest first.

    Where fewer than ``k`` rows exist, the rest holds id ``-1`` at distance ``inf`` (``-inf`` for
    ``ip`` and ``cosine``).
    """

    distances: npt.NDArray[np.float32]
    """Shape ``(queries, k)``, in the units of the metric."""
    ids: npt.NDArray[np.int64]
    """Shape ``(queries, k)``."""


class RangeNeighbours(NamedTuple):
    """All rows within a radius of every query, nearest first.

    Those of query ``i`` are ``distances[limits[i]:limits[i + 1]]`` and the same part of ``ids``.
    """

    limits: npt.NDArray[np.int64]
    """Shape ``(queries + 1,)``, from 0."""
    distances: npt.NDArray[np.float32]
    """Of all queries, one after the other, in the units of the metric."""
    ids: npt.NDArray[np.int64]
    """As many."""


@runtime_checkable
class Encoder(Protocol):
    """Turns images into embeddings: a packed session, a torch module's wrapper, a hash method."""

    def embed(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map ``float32[n, c, h, w]`` to ``float32[n, dim]``."""
        ...


@runtime_checkable
class Index(Protocol):
    """Holds vectors and finds the nearest; ``Flat`` is exact, ``Fanng`` is fast."""

    def add(self, vectors: npt.NDArray, ids: npt.NDArray[np.int64] | None = None) -> None:
        """Append rows of shape ``(n, dim)``; ``ids`` default to the running row numbers."""
        ...

    def search(
        self, queries: npt.NDArray, k: int, *, budget: int | None = None, threads: int | None = None
    ) -> Neighbours:
        """Find the ``k`` nearest rows of every query; ``budget`` bounds distances per query."""
        ...

    def __len__(self) -> int:
        """Number of rows held."""
        ...


@runtime_checkable
class Solver(Protocol):
    """Turns embeddings into answers, scikit-learn's way."""

    def fit(self, X: npt.NDArray[np.float32], y: npt.NDArray) -> Self:
        """Learn from embeddings ``X`` of shape ``(n, dim)`` and their labels."""
        ...

    def predict(self, X: npt.NDArray[np.float32]) -> npt.NDArray:
        """Answer for every row of ``X``."""
        ...


def describe(value: object) -> str:
    """How an error message names what came: dtype and shape of an array, else the type.

    >>> describe(np.zeros((2, 3), np.float32)), describe("x")
    ('dtype=float32, shape=(2, 3)', 'str')
    """
    if isinstance(value, np.ndarray):
        return f"dtype={value.dtype}, shape={value.shape}"
    return type(value).__name__
