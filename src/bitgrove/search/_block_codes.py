"""Asymmetric search over structured codes: real queries, one value for each block of a row."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple, Self, final

import numpy as np
import numpy.typing as npt

from .. import _core, files
from ..interfaces import Neighbours, describe
from ._asked import check_ids
from ._index import usable_threads
from ._layout import Array, as_numpy, positive_int

KIND, VERSION = "block-codes", 1
_MAX_VALUES = 256
_MAX_ROWS = (1 << 31) - 2
_SCORES = 1 << 24
"""Held at a time."""
_MAX_SCORE = float(np.finfo(np.float32).max) / 4


class _Rows(NamedTuple):
    """All that a search reads, of one moment."""

    codes: npt.NDArray[np.uint8]
    ids: npt.NDArray[np.int64]
    groups: npt.NDArray[np.uint8]
    """``uint8[ceil(n / 64), blocks, 64]``: the same codes as the kernel reads them."""


@final
class BlockCodes:
    """The exact index over codes that name one of ``values`` in each of ``blocks`` blocks.

    A row takes a byte for each block. A query keeps its real numbers, one for each value of each
    block; the score of a row is the sum of those that its code names, and larger is nearer. A table
    look-up for each block is all that a row costs, and most rows are dismissed by tables of bytes
    that bound the score from above.

    Source: Jain, Zepeda, Pérez, Gribonval, "SuBiC: A supervised, structured binary code for image
    search", ICCV 2017.

    Args:
        blocks: M, 1 to 256.
        values: K, of each block, 2 to 256.

    >>> index = BlockCodes(2, 3)
    >>> index.add(np.array([[0, 2], [1, 1], [0, 1]], np.uint8))
    >>> index.search(np.array([[0.5, 0.1, 0, 0, 0.25, 1]], np.float32), k=2)
    Neighbours(distances=array([[1.5 , 0.75]], dtype=float32), ids=array([[0, 2]]))
    """

    def __init__(self, blocks: int, values: int) -> None:
        self._blocks = positive_int("blocks", blocks)
        self._values = positive_int("values", values)
        if self._blocks > _core.MAX_BLOCKS:
            raise ValueError(f"blocks must be in 1 ..= {_core.MAX_BLOCKS}, got {blocks}")
        if not 2 <= self._values <= _MAX_VALUES:
            raise ValueError(f"values must be in 2 ..= {_MAX_VALUES}, got {values}")
        self._changing = threading.Lock()
        self._rows = self._grouped(np.empty((0, self._blocks), np.uint8), np.empty(0, np.int64))

    @property
    def blocks(self) -> int:
        """Blocks of a code."""
        return self._blocks

    @property
    def values(self) -> int:
        """Values that a block may take."""
        return self._values

    @property
    def codes(self) -> npt.NDArray[np.uint8]:
        """The rows, ``uint8[n, blocks]``, read-only."""
        return self._rows.codes

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """The id of every row, ``int64[n]``, read-only."""
        return self._rows.ids

    def __len__(self) -> int:
        return len(self._rows.ids)

    def __repr__(self) -> str:
        return f"BlockCodes(blocks={self.blocks}, values={self.values}) with {len(self)} rows"

    @staticmethod
    def largest(activations: npt.ArrayLike, blocks: int) -> npt.NDArray[np.uint8]:
        """The codes of real rows: in each block the largest number's value, of equals the first.

        Args:
            activations: of shape ``(n, blocks * values)``, block after block.
            blocks: how many.

        Raises:
            ValueError: another shape, NaN, or more than 256 values.

        >>> BlockCodes.largest([[0.5, 0.1, 0, 0, 0.25, 1]], blocks=2)
        array([[0, 2]], dtype=uint8)
        """
        numbers = np.asarray(activations)
        blocks = positive_int("blocks", blocks)
        if numbers.ndim != 2 or numbers.shape[1] % blocks or numbers.shape[1] == 0:
            raise ValueError(
                f"activations must have shape (n, {blocks} * values), got {describe(numbers)}"
            )
        values = numbers.shape[1] // blocks
        if values > _MAX_VALUES:
            raise ValueError(f"a block may have {_MAX_VALUES} values, got {values}")
        if np.isnan(numbers).any():
            raise ValueError("activations must not hold NaN: it is no largest number")
        return numbers.reshape(-1, blocks, values).argmax(2).astype(np.uint8)

    def add(self, codes: Array, ids: Array | None = None) -> None:
        """Append rows; all of them, or on an error none.

        Every row is laid out anew, so add many at once.

        Args:
            codes: ``uint8[n, blocks]``, each below ``values``; :meth:`largest` makes them.
            ids: ``int64[n]``, unique and not negative; by default the numbers that follow the
                largest id held, from 0.

        Raises:
            TypeError: an array of another dtype or number of axes.
            ValueError: a code of no value, named; an id that is negative or held already.
        """
        rows = as_numpy("codes", codes)
        self._check_codes(rows)
        with self._changing:
            held = self._rows
            first = int(held.ids.max(initial=-1)) + 1
            fresh = np.arange(first, first + len(rows)) if ids is None else check_ids("ids", ids)
            if len(fresh) != len(rows):
                raise ValueError(f"{len(rows)} codes need as many ids, got {len(fresh)}")
            all_ids = np.concatenate([held.ids, fresh])
            _check_distinct(all_ids)
            self._rows = self._grouped(np.concatenate([held.codes, rows]), all_ids)

    def search(self, queries: Array, k: int, *, threads: int | None = None) -> Neighbours:
        """Find the ``k`` rows of the largest score for every query, exactly.

        Args:
            queries: ``float32[q, blocks * values]``, block after block, finite.
            k: at least 1.
            threads: by default one for each CPU; the result does not depend on it.

        Returns:
            The scores, summed in float32 block after block, as ``distances``: the largest first;
            ties in order of the id. Where fewer than ``k`` rows exist: id -1 at ``-inf``.

        Raises:
            TypeError: queries of another dtype or number of axes.
            ValueError: of another length; NaN, infinity, or numbers so large that scores overflow.
        """
        asked = self._asked(queries)
        k = positive_int("k", k)
        found = Neighbours(
            np.empty((len(asked), k), np.float32), np.empty((len(asked), k), np.int64)
        )
        rows = self._rows
        _core.search_blocks(
            rows.groups,
            rows.ids,
            self.values,
            np.require(asked, requirements=["C", "A"]),
            usable_threads(threads),
            *found,
        )
        return found

    def scores(self, queries: Array) -> Iterator[npt.NDArray[np.float32]]:
        """The score of every row for every query, some queries at a time.

        What :func:`bitgrove.metrics.average_precision_of_scores` takes; to find the best rows,
        :meth:`search` is much faster.

        Args:
            queries: ``float32[q, blocks * values]``, block after block, finite.

        Yields:
            ``float32[some, n]``, query after query, rows in the order of ``ids``: the same numbers
            as those of :meth:`search`.

        Raises:
            TypeError: as :meth:`search`.
            ValueError: likewise.

        >>> index = BlockCodes(2, 2)
        >>> index.add(np.array([[0, 1], [1, 1]], np.uint8))
        >>> list(index.scores(np.array([[1, 2, 3, 4]], np.float32)))
        [array([[5., 6.]], dtype=float32)]
        """
        asked, rows = self._asked(queries), self._rows
        step = max(1, _SCORES // max(1, len(rows.ids)))
        return (self._sums(asked[i : i + step], rows.codes) for i in range(0, len(asked), step))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to one file, atomically.

        Raises:
            OSError: the file cannot be written; one that exists is as before.
        """
        rows = self._rows
        files.write(
            path,
            {"codes": rows.codes, "ids": rows.ids},
            {"blocks": self.blocks, "values": self.values},
            kind=KIND,
            version=VERSION,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read an index that :meth:`save` wrote.

        Raises:
            FileFormatError: a damaged file, one of another kind or a newer version, or an undamaged
                one whose content is no such index.
            OSError: the file cannot be read.
        """
        arrays, settings = files.read(path, kind=KIND, version=VERSION)
        try:
            if arrays.keys() != {"codes", "ids"} or settings.keys() != {"blocks", "values"}:
                raise ValueError(f"unknown content {sorted(arrays)} {sorted(settings)}")
            index = cls(settings["blocks"], settings["values"])
            index.add(arrays["codes"], arrays["ids"])
        except (TypeError, ValueError) as error:
            raise files.FileFormatError(f"{path}: {error}") from None
        return index

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.blocks, self.values, self.codes, self.ids)

    def _asked(self, queries: Array) -> npt.NDArray[np.float32]:
        """Queries whose every score is finite."""
        asked = as_numpy("queries", queries)
        width = self.blocks * self.values
        if not isinstance(asked, np.ndarray) or asked.dtype != np.float32 or asked.ndim != 2:
            raise TypeError(
                f"queries must be a float32 array of shape (n, {width}), got {describe(asked)}"
            )
        if asked.shape[1] != width:
            raise ValueError(
                f"queries must have {width} columns ({self.blocks} blocks of {self.values} "
                f"values), got shape {asked.shape}"
            )
        largest = (
            np.abs(asked.reshape(-1, self.blocks, self.values), dtype=np.float64).max(2).sum(1)
        )
        if not (largest <= _MAX_SCORE).all():
            bad = int(np.flatnonzero(~(largest <= _MAX_SCORE))[0])
            raise ValueError(
                f"queries row {bad} holds NaN, infinity, or numbers whose sum overflows float32"
            )
        return asked

    def _sums(
        self, queries: npt.NDArray[np.float32], codes: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        sums = np.zeros((len(queries), len(codes)), np.float32)
        for block in range(self.blocks):
            numbers = queries[:, block * self.values : (block + 1) * self.values]
            sums += np.take(numbers, codes[:, block], axis=1)
        return sums

    def _check_codes(self, codes: object) -> None:
        if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8 or codes.ndim != 2:
            raise TypeError(
                f"codes must be a uint8 array of shape (n, {self.blocks}), got {describe(codes)}"
            )
        if codes.shape[1] != self.blocks:
            raise ValueError(f"codes must have {self.blocks} columns, got shape {codes.shape}")
        if len(codes) and codes.max() >= self.values:
            bad, block = (int(i) for i in np.argwhere(codes >= self.values)[0])
            raise ValueError(
                f"codes row {bad} has {codes[bad, block]} in block {block}, which has only "
                f"{self.values} values"
            )

    def _grouped(self, codes: npt.NDArray[np.uint8], ids: npt.NDArray[np.int64]) -> _Rows:
        if len(codes) > _MAX_ROWS:
            raise ValueError(f"an index holds {_MAX_ROWS} rows, got {len(codes)}")
        codes = np.ascontiguousarray(codes)
        groups = np.empty(
            (-(-len(codes) // _core.BLOCK_GROUP), self.blocks, _core.BLOCK_GROUP), "u1"
        )
        _core.group_blocks(codes, groups)
        for array in (codes, ids, groups):
            array.flags.writeable = False
        return _Rows(codes, ids, groups)


def _rebuilt(
    blocks: int, values: int, codes: npt.NDArray[np.uint8], ids: npt.NDArray[np.int64]
) -> BlockCodes:
    index = BlockCodes(blocks, values)
    index.add(codes, ids)
    return index


def _check_distinct(ids: npt.NDArray[np.int64]) -> None:
    if len(ids) == 0:
        return
    ordered = np.sort(ids)
    if ordered[0] < 0 or ordered[-1] == np.iinfo(np.int64).max:
        raise ValueError(
            f"ids must be in 0 ..= 2^63 - 2, got {ordered[0 if ordered[0] < 0 else -1]}"
        )
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        raise ValueError(f"ids: id {ordered[twice[0]]} is given twice, or held already")
