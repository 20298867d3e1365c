"""Indexes to save, and when two are the same."""

import numpy as np

from bitgrove.search import Fanng

from .oracles import make_rows


def make(cls, metric="l2", dtype="float32", n=120, dim=9, **options):
    """A built index with mixed ids and a duplicate."""
    rng = np.random.default_rng(0)
    index = cls(dim, metric, dtype, **options)
    rows = make_rows(rng, n, dim, dtype)
    rows[-1:] = rows[:1]
    index.add(rows, rng.permutation(1000)[:n])
    if cls is Fanng:
        index.build()
    return index


def assert_same(a, b):
    """All that a file would hold is equal, to the last bit."""
    assert type(a) is type(b)
    assert a.settings() == b.settings()
    first, second = a.arrays(), b.arrays()
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].dtype == second[name].dtype
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
