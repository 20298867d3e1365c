"""Means over queries, some of which may have nothing to count."""

from __future__ import annotations

from typing import NamedTuple, get_args

import numpy as np

from ._rule import Empty, Ties, Values, choose

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_FAR = 60.0
"""Powers of e below minus this are nothing beside 1."""


class SampledPrecision(NamedTuple):
    """A mean over some orders of tied rows that were drawn at random: no exact value."""

    mean: float
    """Of the mean over the queries; NaN if all of them are dropped in every order."""
    standard_error: float
    """Of ``mean``: standard deviation between orders over the root of their number."""
    orders: int
    """How many were drawn."""


def mean_of(values: Values, defined: Values, ties: Ties, empty: Empty) -> float:
    """The mean over queries, over all orders of ties or in the best or worst of them.

    Args:
        values: for each query; expected ones count 0 where the query has nothing to count, the
            others are those of the best or worst order in which it has something.
        defined: probability that the query has something to count.
        ties: which of these ``values`` are.
        empty: whether a query with nothing counts 0 or is dropped.

    Returns:
        NaN if every query is dropped in every order.
    """
    choose("empty", empty, get_args(Empty))
    if empty == "zero":
        if ties == "optimistic":
            values = np.where(defined > 0, values, 0)
        elif ties == "pessimistic":
            values = np.where(defined >= 1, values, 0)
        return float(values.mean())
    values, defined = values[defined > 0], defined[defined > 0]
    if not len(values):
        return float("nan")
    sure = defined >= 1
    if sure.all():
        return float(values.mean())
    if ties == "expected":
        return _expected(values, defined)
    sign = 1 if ties == "optimistic" else -1
    return sign * _best(sign * values[sure], sign * values[~sure])


def sampled(drawn: Values, empty: Empty) -> SampledPrecision:
    """The mean over queries and drawn orders.

    Args:
        drawn: ``(queries, orders)``, NaN where a query has nothing to count.
        empty: whether such a query counts 0 or is dropped.
    """
    choose("empty", empty, get_args(Empty))
    there = ~np.isnan(drawn)
    totals = np.where(there, drawn, 0).sum(0)
    counts = there.sum(0) if empty == "drop" else np.full(drawn.shape[1], len(drawn))
    means = totals[counts > 0] / counts[counts > 0]  # orders in which anyone is there
    if len(means) < 2:
        mean = float(means[0]) if len(means) else float("nan")
        return SampledPrecision(mean, float("nan"), len(means))
    error = means.std(ddof=1) / np.sqrt(len(means))
    return SampledPrecision(float(means.mean()), float(error), len(means))


def _expected(values: Values, defined: Values) -> float:
    """Mean of those that are there, averaged over who is; given that anyone is.

    With S of the others there, one that is there counts 1 / (1 + S), and the mean of that is the
    integral over z in 0 to 1 of the product of ``1 - p + p z`` over the others.
    """
    whole = float(defined.sum())
    end = min(1.0, _FAR / whole)  # in 1 - z; the product is below exp(-whole * (1 - z))
    total = 0.0
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        factors = 1 - defined * (end * (node + 1) / 2)
        total += weight * np.exp(np.log(factors).sum()) * (values / factors).sum()
    anyone = -np.expm1(np.log1p(-defined[defined < 1]).sum()) if (defined < 1).all() else 1.0
    return float(total * end / 2 / anyone)


def _best(sure: Values, others: Values) -> float:
    """The highest mean of all of the sure ones and any of the others, at least one in all."""
    kept = list(sure)
    for value in np.sort(others)[::-1]:
        if kept and value <= sum(kept) / len(kept):
            break
        kept.append(value)
    return float(np.mean(kept))
