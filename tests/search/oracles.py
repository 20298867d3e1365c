"""Definitions by numpy that share no code with the indexes, and data for them."""

import numpy as np

FORMATS = [
    ("l2", "float32"),
    ("l2", "float16"),
    ("l2", "uint8"),
    ("ip", "float32"),
    ("ip", "float16"),
    ("ip", "uint8"),
    ("cosine", "float32"),
    ("cosine", "float16"),
    ("cosine", "uint8"),
    ("hamming", "bits"),
]


def scores(metric, queries, rows):
    """What every metric reports, in float64."""
    if metric == "hamming":
        bits = np.unpackbits(queries, axis=1)[:, None, :] != np.unpackbits(rows, axis=1)[None]
        return bits.sum(-1).astype(np.float64)
    queries, rows = queries.astype(np.float64), rows.astype(np.float64)
    if metric == "l2":
        return ((queries[:, None, :] - rows[None, :, :]) ** 2).sum(-1)
    if metric == "cosine":
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return queries @ rows.T


def nearest(metric, queries, rows, ids, k):
    """The k nearest by (distance, id), padded as the interface says."""
    values = scores(metric, queries, rows)
    larger_is_nearer = metric in ("ip", "cosine")
    order = [np.lexsort((ids, -v if larger_is_nearer else v))[:k] for v in values]
    far = -np.inf if larger_is_nearer else np.inf
    distances = np.full((len(queries), k), far)
    found = np.full((len(queries), k), -1)
    for i, o in enumerate(order):
        distances[i, : len(o)] = values[i, o]
        found[i, : len(o)] = ids[o]
    return distances, found


def make_rows(rng, n, dim, dtype, spread=4):
    """Random rows of small integers, so that sums are exact and ties are many."""
    if dtype == "bits":
        return np.packbits(rng.integers(0, 2, (n, dim), dtype=np.uint8), axis=1)
    low = 0 if dtype == "uint8" else -spread
    values = rng.integers(low, spread + 1, (n, dim))
    values[:, 0] += values.any(axis=1) == 0  # none without a direction
    return values.astype(dtype)


def recall(found, expected):
    """Share of the expected ids that were found."""
    hits = [len(np.intersect1d(a, b)) for a, b in zip(found, expected, strict=True)]
    return np.sum(hits) / expected.size
