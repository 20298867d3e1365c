"""Exact search on codes by looking up their substrings."""

from __future__ import annotations

from typing import final

from .. import _core
from ._layout import Layout
from ._prepared import PreparedCodes


@final
class MultiIndexHashing(PreparedCodes[_core.MultiIndex]):
    """Exact neighbours in Hamming space, found in the buckets of substrings of the codes.

    Codes that differ in ``r`` bits agree up to ``r // m`` bits in one of ``m`` substrings, so a few
    buckets of each substring hold all rows within a small radius; the radius grows until it holds
    ``k`` rows. A query that would look at more than a comparison with every row costs is answered
    by that comparison: the result is exact always, and never much later than that of :class:`Flat`.
    It is the faster one where neighbours are near: on a million real codes of 64 bits, and not of
    256.

    Add rows, :meth:`build` once, then search. Rows added later are compared one by one until they
    are an eighth of all; then, and at every removal or update, the tables are made anew.

    Source: Norouzi, Punjani, Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", CVPR
    2012. Where they keep hash tables for substrings of any length, here long ones are hashed to
    about as many buckets as there are rows, whose other rows cost a distance each.

    Args:
        bits: length of a code, any number.
        tables: substrings, at least ``bits / 64`` and at most ``bits``; by default as many as make
            one about ``log2(rows)`` bits long. Each takes 4 bytes for each row, and about as many
            for its buckets.

    >>> import numpy as np
    >>> index = MultiIndexHashing(12)
    >>> codes = np.packbits(np.random.default_rng(0).random((5000, 12)) < 0.5, axis=1)
    >>> index.add(codes)
    >>> index.build()
    >>> index.search(codes[:1], k=3)
    Neighbours(distances=array([[0., 0., 0.]], dtype=float32), ids=array([[   0, ...]]))
    """

    _type = "multi_index"
    _parts = "tables"
    _kind = _core.MultiIndex

    def __init__(self, bits: int, tables: int | None = None) -> None:
        super().__init__(bits, tables)

    @property
    def tables(self) -> int:
        """Of the substrings, as they are now; 0 before :meth:`build`."""
        return self._native.parts

    @property
    def scanned(self) -> int:
        """Queries so far that were answered by comparing every row."""
        return self._native.scanned

    @classmethod
    def _most(cls, layout: Layout) -> int:
        return layout.dim
