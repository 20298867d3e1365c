"""Scores of retrieval by Hamming distance, counted right where rows are equally far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy.typing as npt

from ._codes import Codes
from ._histograms import PrecisionRecall, RadiusPrecision, distance_histograms
from ._relevance import Mask, Relevance
from ._rule import Divisor, Empty, Form, Rule, Ties


def mean_average_precision(
    query_codes: Codes,
    database_codes: Codes,
    relevant: Relevance | Mask,
    *,
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
    """Mean average precision of ranking a database by Hamming distance.

    Distances are small integers, so most rows are tied, and sorting them leaves the score to the
    order in which they happen to be stored. Here it is the mean over all orders of tied rows, by
    the closed form of McSherry and Najork, "Computing information retrieval performance measures
    efficiently in the presence of tied scores", ECIR 2008, as used for hashing by He, Cakir, Bargal
    and Sclaroff, "Hashing as tie-aware learning to rank", CVPR 2018; or a bound that no order
    crosses. Differences: cut-offs that fall among tied rows, and the trapezoid, are summed over all
    orders too.

    Args:
        query_codes: ``uint8[q, ceil(bits / 8)]`` in ``np.packbits`` order, padding bits zero, or
            :class:`~bitgrove.interfaces.PackedCodes`.
        database_codes: as wide, ``n`` rows.
        relevant: what is right for whom, a :class:`Relevance` or a bool matrix ``(q, n)``.
        at: only so many rows of each ranking count, 1 to ``n``; None for all.
        ap: ``"rectangle"``: mean of the precisions at the relevant rows, as most do.
            ``"trapezoid"``: each is averaged with the precision one row before (1 before the first
            row), as in the Oxford buildings' and UH-BDNN's evaluation. ``"interp21"``: mean over
            recalls 0, 0.05, ... 1 of the best precision from there on, as in SuBiC's.
        ties: ``"expected"``, or the ``"optimistic"`` or ``"pessimistic"`` bound: the best and worst
            value that any order of tied rows has. ``interp21`` has bounds alone; the mean over some
            random orders is :meth:`DistanceHistograms.sampled_average_precision`.
        divisor: of the sum of precisions, and of recall: relevant rows among the first ``at``
            (``"hits"``, as hashing papers count mAP@R), as many as could be there (``"reachable"``,
            ``min(at, relevant)``), or all (``"relevant"``). All the same without ``at``.
        empty: a query with nothing to divide by counts 0 (``"zero"``) or not at all (``"drop"``).
        exclude_self: leave each query out of its own ranking. Without ids, query ``i`` is row ``i``
            of the database.
        query_ids: ``q`` integers or strings; with ``database_ids`` it is checked that no query is
            in the database, or else found which row is left out.
        database_ids: ``n`` distinct ones.
        threads: by default one for each CPU; the result does not depend on it.

    Returns:
        A number in 0 to 1; NaN if all queries are dropped.

    Raises:
        TypeError: codes or ``relevant`` of another kind.
        ValueError: widths or numbers of rows that do not match, no rows, an unknown choice, ``at``
            out of range, the expected value of ``interp21``, or queries that are in the database.

    >>> import numpy as np
    >>> codes = np.array([[0b0000], [0b0001], [0b0010]], np.uint8)
    >>> truth = Relevance.from_labels(["a"], ["b", "a", "b"])
    >>> query = np.zeros((1, 1), np.uint8)  # distances 0, 1, 1: second or third
    >>> [mean_average_precision(query, codes, truth, ties=t) for t in ("expected", "optimistic")]
    [0.41666..., 0.5]
    """
    Rule(ap, ties, divisor, at)
    found = distance_histograms(
        query_codes,
        database_codes,
        relevant,
        exclude_self=exclude_self,
        query_ids=query_ids,
        database_ids=database_ids,
        threads=threads,
    )
    return found.mean_average_precision(at=at, ap=ap, ties=ties, divisor=divisor, empty=empty)


def precision_within_radius(
    query_codes: Codes,
    database_codes: Codes,
    relevant: Relevance | Mask,
    radius: int = 2,
    empty: Empty = "zero",
    *,
    exclude_self: bool = False,
    query_ids: npt.ArrayLike | None = None,
    database_ids: npt.ArrayLike | None = None,
    threads: int | None = None,
) -> RadiusPrecision:
    """Share of relevant rows among those within a Hamming radius, as look-up in a table finds them.

    With long codes most balls are empty. Papers count such a query as 0; the share of them says how
    much of a low figure is that.

    Args:
        query_codes: as in :func:`mean_average_precision`, like all others.
        database_codes: likewise.
        relevant: likewise.
        radius: bits that may differ, 0 to the length of a code.
        empty: a query with nobody in its ball counts 0 (``"zero"``) or not at all (``"drop"``).
        exclude_self: as in :func:`mean_average_precision`.
        query_ids: likewise.
        database_ids: likewise.
        threads: likewise.

    Returns:
        The mean precision, NaN if all queries are dropped, and the share of empty balls.

    Raises:
        TypeError: as :func:`mean_average_precision`, or a radius that is no integer.
        ValueError: likewise, or a radius out of range.

    >>> import numpy as np
    >>> queries, codes = np.array([[0], [255]], np.uint8), np.array([[1], [3]], np.uint8)
    >>> precision_within_radius(queries, codes, Relevance.from_labels([5, 5], [5, 4]))
    RadiusPrecision(precision=0.25, empty=0.5)
    """
    found = distance_histograms(
        query_codes,
        database_codes,
        relevant,
        exclude_self=exclude_self,
        query_ids=query_ids,
        database_ids=database_ids,
        threads=threads,
    )
    return found.precision_within_radius(radius, empty)


def precision_at_k(
    query_codes: Codes,
    database_codes: Codes,
    relevant: Relevance | Mask,
    k: Iterable[int] = (1, 10, 100),
    *,
    ties: Ties = "expected",
    exclude_self: bool = False,
    query_ids: npt.ArrayLike | None = None,
    database_ids: npt.ArrayLike | None = None,
    threads: int | None = None,
) -> dict[int, float]:
    """Share of relevant rows among the ``k`` nearest, mean over the queries.

    Where the ``k``-th row is one of several equally far, they count as any order has them on
    average, or as the best or worst does. Arguments and errors are those of
    :func:`mean_average_precision`; each of ``k`` is 1 to the number of rows.

    >>> import numpy as np
    >>> codes = np.array([[1], [2], [255]], np.uint8)
    >>> truth = Relevance.from_labels([5], [5, 4, 5])
    >>> precision_at_k(np.zeros((1, 1), np.uint8), codes, truth, k=(1, 2))
    {1: 0.5, 2: 0.5}
    """
    found = distance_histograms(
        query_codes,
        database_codes,
        relevant,
        exclude_self=exclude_self,
        query_ids=query_ids,
        database_ids=database_ids,
        threads=threads,
    )
    return found.precision_at_k(k, ties=ties)


def precision_recall_curve(
    query_codes: Codes,
    database_codes: Codes,
    relevant: Relevance | Mask,
    *,
    average: Literal["micro", "macro"] = "micro",
    empty: Empty = "zero",
    exclude_self: bool = False,
    query_ids: npt.ArrayLike | None = None,
    database_ids: npt.ArrayLike | None = None,
    threads: int | None = None,
) -> PrecisionRecall:
    """Precision and recall of all rows within radius 0, 1, ... as far as codes can differ.

    Args:
        query_codes: as in :func:`mean_average_precision`, like all others.
        database_codes: likewise.
        relevant: likewise.
        average: ``"micro"``: rows of all queries are counted together, as in most curves of hashing
            papers. ``"macro"``: means over the queries; one without a relevant row has no recall
            and does not count in it.
        empty: precision where nothing is found: 0 (``"zero"``), or such queries do not count
            (``"drop"``; NaN where nobody finds anything).
        exclude_self: as in :func:`mean_average_precision`.
        query_ids: likewise.
        database_ids: likewise.
        threads: likewise.

    Raises:
        TypeError: as :func:`mean_average_precision`.
        ValueError: likewise.

    >>> import numpy as np
    >>> codes = np.array([[1], [3], [7]], np.uint8)
    >>> truth = Relevance.from_labels([5], [5, 4, 5])
    >>> curve = precision_recall_curve(np.zeros((1, 1), np.uint8), codes, truth)
    >>> curve.precision[:4].round(2), curve.recall[:4]
    (array([0. , 1. , 0.5 , 0.67]), array([0. , 0.5, 0.5, 1. ]))
    """
    found = distance_histograms(
        query_codes,
        database_codes,
        relevant,
        exclude_self=exclude_self,
        query_ids=query_ids,
        database_ids=database_ids,
        threads=threads,
    )
    return found.precision_recall_curve(average=average, empty=empty)
