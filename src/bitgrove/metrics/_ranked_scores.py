"""Average precision of rankings by real numbers: asymmetric distances, similarities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _core
from ..interfaces import describe
from ._codes import own_rows, threads_of
from ._means import SampledPrecision, mean_of, sampled
from ._relevance import Mask, Relevance, relevance_of
from ._rule import Divisor, Empty, Form, Rule, Ties, Values, orders_of

_BLOCK = 1 << 24
"""Scores held at a time."""


def average_precision_of_scores(
    scores: npt.NDArray[np.floating] | Iterable[npt.NDArray[np.floating]],
    relevant: Relevance | Mask,
    *,
    higher_is_better: bool,
    at: int | None = None,
    ap: Form = "rectangle",
    ties: Ties = "expected",
    divisor: Divisor = "hits",
    empty: Empty = "zero",
    exclude_self: bool = False,
    query_ids: npt.ArrayLike | None = None,
    database_ids: npt.ArrayLike | None = None,
    threads: int | None = None,
) -> float:
    """Mean average precision of rankings by real numbers, tied where they are equal.

    Real numbers tie as well: rows of one code have one score, and similarities saturate.

    Args:
        scores: ``float32`` or ``float64`` of shape ``(q, n)``, one row for each query, without NaN;
            or blocks of such rows, one after the other, so that not all need to be held at once.
        relevant: as in :func:`mean_average_precision`, like all that follow but the next.
        higher_is_better: True for similarities, False for distances.
        at: as in :func:`mean_average_precision`.
        ap: likewise.
        ties: likewise.
        divisor: likewise.
        empty: likewise.
        exclude_self: likewise.
        query_ids: likewise.
        database_ids: likewise.
        threads: likewise.

    Returns:
        The mean over the queries, 0 to 1; NaN if all of them are dropped.

    Raises:
        TypeError: scores or ``relevant`` of another kind.
        ValueError: NaN, another number of rows than ``relevant`` speaks of, or as in
            :func:`mean_average_precision`.

    >>> scores = np.array([[0.9, 0.1, 0.9]])
    >>> truth = Relevance.from_labels(["a"], ["a", "a", "b"])
    >>> average_precision_of_scores(scores, truth, higher_is_better=True)
    0.708333...
    """
    found = precisions_of_scores(
        scores,
        relevant,
        (Rule(ap, ties, divisor, at),),
        higher_is_better=higher_is_better,
        exclude_self=exclude_self,
        query_ids=query_ids,
        database_ids=database_ids,
        threads=threads,
    )
    return mean_of(found.values[:, 0], found.defined[:, 0], ties, empty)


def sampled_average_precision_of_scores(
    scores: npt.NDArray[np.floating] | Iterable[npt.NDArray[np.floating]],
    relevant: Relevance | Mask,
    *,
    higher_is_better: bool,
    orders: int = 32,
    seed: int = 0,
    at: int | None = None,
    ap: Form = "rectangle",
    divisor: Divisor = "hits",
    empty: Empty = "zero",
    exclude_self: bool = False,
    query_ids: npt.ArrayLike | None = None,
    database_ids: npt.ArrayLike | None = None,
    threads: int | None = None,
) -> SampledPrecision:
    """Mean average precision over random orders of tied rows, with its standard error.

    What remains for ``ap="interp21"``, whose mean over all orders has no closed form; where there
    is one, :func:`average_precision_of_scores` has it.

    Args:
        scores: as in :func:`average_precision_of_scores`, like all that are not named here.
        relevant: likewise.
        higher_is_better: likewise.
        orders: how many are drawn, at least 2.
        seed: of the draws, 0 to ``2**64 - 1``; a query's do not depend on those of others.
        at: likewise.
        ap: likewise.
        divisor: likewise.
        empty: likewise; in each order for itself.
        exclude_self: likewise.
        query_ids: likewise.
        database_ids: likewise.
        threads: likewise.

    Raises:
        TypeError: as :func:`average_precision_of_scores`, or ``orders`` or ``seed`` is no integer.
        ValueError: likewise, or ``orders`` or ``seed`` is out of range.

    >>> scores = np.array([[0.9, 0.1, 0.9]])
    >>> truth = Relevance.from_labels(["a"], ["a", "a", "b"])  # the first row or the second
    >>> found = sampled_average_precision_of_scores(
    ...     scores, truth, higher_is_better=True, ap="interp21", orders=1000
    ... )
    >>> abs(found.mean - ((11 + 10 * 2 / 3) / 21 + 2 / 3) / 2) < 3 * found.standard_error
    True
    """
    drawn = precisions_of_scores(
        scores,
        relevant,
        (Rule(ap, "optimistic", divisor, at),),
        higher_is_better=higher_is_better,
        exclude_self=exclude_self,
        query_ids=query_ids,
        database_ids=database_ids,
        threads=threads,
        orders=orders_of(orders, seed),
        seed=seed,
    ).drawn
    return sampled(drawn, empty)


class Precisions(NamedTuple):
    """Of every query."""

    values: Values
    """``(queries, rules)``."""
    defined: Values
    """As many: the probability that there is something to count."""
    drawn: Values
    """``(queries, orders)`` by the first rule's form, divisor and cut-off; NaN for nothing."""
    rows: int
    """That were scored for each query."""


def precisions_of_scores(
    scores: npt.NDArray[np.floating] | Iterable[npt.NDArray[np.floating]],
    relevant: Relevance | Mask,
    rules: Sequence[Rule],
    *,
    higher_is_better: bool,
    exclude_self: bool = False,
    query_ids: npt.ArrayLike | None = None,
    database_ids: npt.ArrayLike | None = None,
    threads: int | None = None,
    orders: int = 0,
    seed: int = 0,
) -> Precisions:
    """By several rules of one cut-off at once: scores are made and sorted only once.

    Raises:
        TypeError: as :func:`average_precision_of_scores`.
        ValueError: likewise.
    """
    if not isinstance(higher_is_better, bool):
        raise TypeError(f"higher_is_better must be a bool, got {higher_is_better!r}")
    relevant, workers = relevance_of(relevant), threads_of(threads)
    values, defined = np.empty((2, relevant.queries, len(rules)))
    drawn = np.empty((relevant.queries, orders))
    numbers = np.array([rule.numbers() for rule in rules], np.uint64)
    done, own, rows = 0, None, 0
    for block in _blocks(scores):
        rows = block.shape[1]
        if done == 0:
            own = own_rows(exclude_self, query_ids, database_ids, relevant.queries, rows)
            rules[0].check_rows(rows - bool(own is not None and (own >= 0).any()))
        relevant.check(relevant.queries, rows)
        part = slice(done, done + len(block))
        if part.stop > relevant.queries:
            raise ValueError(f"scores have more rows than relevant's {relevant.queries} queries")
        mine = np.full(len(block), -1, np.int64) if own is None else own[part]
        for some, masks, which in relevant.masks(rows, (rows + 63) // 64, part=part):
            local = slice(some.start - done, some.stop - done)
            _core.average_precisions_of_scores(
                block[local],
                higher_is_better,
                masks,
                which,
                np.ascontiguousarray(mine[local]),
                numbers,
                int(seed),
                some.start,
                values[some],
                defined[some],
                drawn[some],
                workers,
            )
        done = part.stop
    if done != relevant.queries or not done:
        raise ValueError(f"relevant speaks of {relevant.queries} queries, scores have {done} rows")
    return Precisions(values, defined, drawn, rows)


def _blocks(
    scores: npt.NDArray[np.floating] | Iterable[npt.NDArray[np.floating]],
) -> Iterable[npt.NDArray[np.floating]]:
    whole = scores
    if isinstance(whole, np.ndarray):
        step = max(1, _BLOCK // whole.shape[1]) if whole.ndim == 2 and whole.size else 1
        scores = (whole[i : i + step] for i in range(0, len(whole), step))
        if whole.ndim != 2 or not whole.size:
            scores = (whole,)
    width = None
    for block in scores:
        if (
            not isinstance(block, np.ndarray)
            or block.dtype not in (np.float32, np.float64)
            or block.ndim != 2
        ):
            raise TypeError(
                "scores must be float32 or float64 of shape (q, n), or blocks of such rows, got "
                f"{describe(block)}"
            )
        if not block.size:
            raise ValueError(f"scores must hold numbers, got shape {block.shape}")
        if width not in (None, block.shape[1]):
            raise ValueError(f"blocks of scores differ in width: {width} and {block.shape[1]}")
        if np.isnan(block).any():
            raise ValueError("scores must not hold NaN: it has no place in a ranking")
        width = block.shape[1]
        yield np.ascontiguousarray(block)
