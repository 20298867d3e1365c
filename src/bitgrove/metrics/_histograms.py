"""How many relevant and other rows lie at each Hamming distance: all that scores need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from .. import _core
from ._codes import Codes, check_codes, own_rows, threads_of
from ._means import SampledPrecision, mean_of, sampled
from ._relevance import Mask, Relevance, relevance_of
from ._rule import Divisor, Empty, Form, Rule, Ties, Values, at_least_one, choose, orders_of


class RadiusPrecision(NamedTuple):
    """Precision among the rows within a radius, and how many queries found nobody there."""

    precision: float
    """Mean over the queries; NaN if all of them are dropped."""
    empty: float
    """Share of the queries whose ball is empty."""


class PrecisionRecall(NamedTuple):
    """Precision and recall of all rows within each radius; one number for each radius."""

    radius: npt.NDArray[np.int64]
    """From 0 to the number of bits."""
    precision: Values
    recall: Values
    empty: Values
    """Share of the queries whose ball is empty."""


@dataclass(frozen=True, slots=True)
class DistanceHistograms:
    """Rows at each distance from each query: every score of a ranking with ties follows from it.

    From :func:`distance_histograms`. Rows at equal distance are tied; nothing here depends on the
    order in which they are stored.
    """

    others: npt.NDArray[np.uint32]
    """``(queries, bits + 1)``: rows that are not relevant."""
    relevant: npt.NDArray[np.uint32]
    """As many: rows that are."""

    def average_precisions(
        self,
        *,
        at: int | None = None,
        ap: Form = "rectangle",
        ties: Ties = "expected",
        divisor: Divisor = "hits",
    ) -> tuple[Values, Values]:
        """Average precision of each query, and the probability that it has anything to count.

        Arguments and errors are those of :func:`mean_average_precision`. Expected values count 0
        for an order with nothing to count; the others are those of the orders that have something.
        """
        rule = Rule(ap, ties, divisor, at)
        rule.check_rows(self._rows())
        values, defined = np.empty((2, len(self.others)))
        _core.average_precisions(self.others, self.relevant, *rule.numbers(), values, defined)
        return values, defined

    def mean_average_precision(
        self,
        *,
        at: int | None = None,
        ap: Form = "rectangle",
        ties: Ties = "expected",
        divisor: Divisor = "hits",
        empty: Empty = "zero",
    ) -> float:
        """As :func:`mean_average_precision`, without measuring anew."""
        values, defined = self.average_precisions(at=at, ap=ap, ties=ties, divisor=divisor)
        return mean_of(values, defined, ties, empty)

    def sampled_average_precision(
        self,
        *,
        orders: int = 32,
        seed: int = 0,
        at: int | None = None,
        ap: Form = "rectangle",
        divisor: Divisor = "hits",
        empty: Empty = "zero",
    ) -> SampledPrecision:
        """Mean average precision over random orders of tied rows, with its standard error.

        What remains for ``ap="interp21"``, whose mean over all orders has no closed form; where
        there is one, :meth:`mean_average_precision` has it.

        Args:
            orders: how many are drawn, at least 2.
            seed: of the draws, 0 to ``2**64 - 1``; a query's do not depend on those of others.
            at: as in :func:`mean_average_precision`.
            ap: likewise.
            divisor: likewise.
            empty: likewise; in each order for itself.

        Raises:
            TypeError: a number is no integer.
            ValueError: an unknown choice, or a number out of range.
        """
        rule = Rule(ap, "optimistic", divisor, at)
        rule.check_rows(self._rows())
        form, _, by, rows = rule.numbers()
        drawn = np.empty((len(self.others), orders_of(orders, seed)))
        _core.drawn_precisions(self.others, self.relevant, form, by, rows, int(seed), drawn)
        return sampled(drawn, empty)

    def precision_within_radius(self, radius: int = 2, empty: Empty = "zero") -> RadiusPrecision:
        """As :func:`precision_within_radius`, without measuring anew."""
        if isinstance(radius, bool) or not isinstance(radius, int | np.integer):
            raise TypeError(f"radius must be an integer, got {radius!r}")
        if not 0 <= radius < self.others.shape[1]:
            raise ValueError(f"radius must be in 0 ..= {self.others.shape[1] - 1}, got {radius}")
        hits = self.relevant[:, : radius + 1].sum(1, dtype=np.int64)
        found = hits + self.others[:, : radius + 1].sum(1, dtype=np.int64)
        defined = (found > 0).astype(np.float64)
        precision = mean_of(hits / np.maximum(found, 1), defined, "expected", empty)
        return RadiusPrecision(precision, float(1 - defined.mean()))

    def precision_at_k(
        self, k: Iterable[int] = (1, 10, 100), *, ties: Ties = "expected"
    ) -> dict[int, float]:
        """As :func:`precision_at_k`, without measuring anew."""
        choose("ties", ties, get_args(Ties))
        wanted = list(k)
        for value in wanted:
            at_least_one("k", value)
        if not wanted or max(wanted) > self._rows():
            raise ValueError(
                f"k must be numbers of at most {self._rows()}, the rows ranked, got {tuple(wanted)}"
            )
        everyone = self.others.astype(np.int64) + self.relevant
        rows, hits = everyone.cumsum(1), self.relevant.cumsum(1, dtype=np.int64)
        queries = np.arange(len(rows))
        result = {}
        for value in wanted:
            group = (rows >= value).argmax(1)  # that of the last row that counts
            n = everyone[queries, group]
            r = self.relevant[queries, group].astype(np.int64)
            room = value - rows[queries, group] + n
            among = {
                "expected": room * (r / n),
                "optimistic": np.minimum(room, r),
                "pessimistic": np.maximum(0, room - (n - r)),
            }[ties]
            result[int(value)] = float((hits[queries, group] - r + among).mean() / value)
        return result

    def precision_recall_curve(
        self, *, average: Literal["micro", "macro"] = "micro", empty: Empty = "zero"
    ) -> PrecisionRecall:
        """As :func:`precision_recall_curve`, without measuring anew."""
        choose("average", average, ("micro", "macro"))
        choose("empty", empty, get_args(Empty))
        hits = self.relevant.cumsum(1, dtype=np.int64)
        found = hits + self.others.cumsum(1, dtype=np.int64)
        relevant = hits[:, -1]
        nobody = 0.0 if empty == "zero" else np.nan
        if average == "micro":
            hits_of_all, found_by_all = hits.sum(0), found.sum(0)
            precision = np.full(len(found_by_all), nobody)
            np.divide(hits_of_all, found_by_all, out=precision, where=found_by_all > 0)
            recall = np.full(len(found_by_all), np.nan)
            np.divide(hits_of_all, relevant.sum(), out=recall, where=relevant.sum() > 0)
        else:
            counted = np.ones_like(found) if empty == "zero" else (found > 0)
            precision = np.full(found.shape[1], np.nan)
            shares = (hits / np.maximum(found, 1)).sum(0)
            np.divide(shares, counted.sum(0), out=precision, where=counted.sum(0) > 0)
            asked = relevant > 0
            recall = np.full(found.shape[1], np.nan)
            if asked.any():
                recall = (hits[asked] / relevant[asked, None]).mean(0)
        return PrecisionRecall(np.arange(found.shape[1]), precision, recall, (found == 0).mean(0))

    def _rows(self) -> int:
        """Ranked for every query."""
        return int((self.others.sum(1, dtype=np.int64) + self.relevant.sum(1)).min())


def distance_histograms(
    query_codes: Codes,
    database_codes: Codes,
    relevant: Relevance | Mask,
    *,
    exclude_self: bool = False,
    query_ids: npt.ArrayLike | None = None,
    database_ids: npt.ArrayLike | None = None,
    threads: int | None = None,
) -> DistanceHistograms:
    """Count relevant and other rows at every Hamming distance from every query.

    One pass over the database serves all scores of all forms. Nothing is sorted: the rows are held
    bit by bit, and all distances of 512 rows are added up at once. Arguments and errors are those
    of :func:`mean_average_precision`.

    >>> codes = np.array([[0b11110000], [0b11100000], [0b00001111]], np.uint8)
    >>> truth = Relevance.from_labels(["a"], ["a", "b", "a"])
    >>> found = distance_histograms(codes[:1], codes, truth)
    >>> found.relevant, found.others
    (array([[1, 0, 0, 0, 0, 0, 0, 0, 1]], dtype=uint32),
     array([[0, 1, 0, 0, 0, 0, 0, 0, 0]], dtype=uint32))
    """
    queries, database, bits = check_codes(query_codes, database_codes)
    relevant, workers = relevance_of(relevant), threads_of(threads)
    relevant.check(len(queries), len(database))
    own = own_rows(exclude_self, query_ids, database_ids, len(queries), len(database))
    if own is not None and query_ids is None and not np.array_equal(queries, database):
        raise ValueError(
            "exclude_self without ids means that query i is row i of the database, but their codes "
            "differ; give query_ids and database_ids"
        )
    order = relevant.order()
    held = _core.Slices(database if order is None else database[order])
    shape = len(queries), 8 * queries.shape[1] + 1
    others, found = np.empty(shape, np.uint32), np.empty(shape, np.uint32)
    for part, masks, which in relevant.masks(len(database), held.words, order):
        held.count(queries[part], masks, which, others[part], found[part], workers)
    if own is not None:
        asked = np.flatnonzero(own >= 0)
        rows = own[asked]
        distances = _ones(np.bitwise_xor(queries[asked], database[rows]))
        right = relevant.pairs(asked, rows)
        found[asked[right], distances[right]] -= 1
        others[asked[~right], distances[~right]] -= 1
    return DistanceHistograms(others[:, : bits + 1].copy(), found[:, : bits + 1].copy())


def _ones(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    return np.unpackbits(codes, axis=1).sum(1, dtype=np.int64)
