"""Exact search on codes that lie in clusters."""

from __future__ import annotations

from typing import final

from .. import _core
from ._layout import Layout
from ._prepared import PreparedCodes

_MOST_CLUSTERS = (1 << 32) - 1


@final
class ClusteredCodes(PreparedCodes[_core.ClusterIndex]):
    """Exact neighbours in Hamming space, where codes lie in clusters as those of real data do.

    A row is no nearer to a query than their distances to a centre differ. Rows are held cluster
    after cluster, each in the order of its distance to the centre; the query begins in the nearest
    cluster, and of the others compares the stretch that may still hold one of the ``k`` nearest,
    which most have not. Of a million real codes of 64, 128 and 256 bits it passes over a tenth
    to a third. The result is that of :class:`Flat`, ties included; among codes without any
    structure it takes a little longer.

    Add rows, :meth:`build` once, then search. Rows added later are compared one by one until they
    are an eighth of all; then, and at every removal or update, clusters are made anew.

    Args:
        bits: length of a code, at most 4096.
        clusters: by default four tenths of the square root of the rows. Codes are held twice, once in
            the order of their clusters, with four bytes more for each.

    >>> import numpy as np
    >>> index = ClusteredCodes(12)
    >>> codes = np.packbits(np.random.default_rng(0).random((5000, 12)) < 0.5, axis=1)
    >>> index.add(codes)
    >>> index.build()
    >>> index.search(codes[:1], k=3)
    Neighbours(distances=array([[0., 0., 0.]], dtype=float32), ids=array([[   0, ...]]))
    """

    _type = "clustered"
    _parts = "clusters"
    _kind = _core.ClusterIndex

    def __init__(self, bits: int, clusters: int | None = None) -> None:
        super().__init__(bits, clusters)

    @property
    def clusters(self) -> int:
        """How many there are now; 0 before :meth:`build`."""
        return self._native.parts

    @classmethod
    def _most(cls, layout: Layout) -> int:
        return _MOST_CLUSTERS
