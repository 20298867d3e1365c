"""A protocol: split, ground truth and score together, as one published table has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ._codes import Codes
from ._histograms import distance_histograms
from ._means import SampledPrecision, mean_of, sampled
from ._neighbours import euclidean_neighbours
from ._ranked_scores import precisions_of_scores
from ._relevance import Relevance
from ._rule import Divisor, Form, Rule, Ties, orders_of
from ._splits import Split, SplitRule

RADIUS = 2
ORDERS = 32
"""Drawn by default where the mean over all has no closed form."""


@dataclass(frozen=True, slots=True)
class Published:
    """A figure that was read in its source."""

    method: str
    dataset: str
    bits: int
    value: float
    """Mean average precision, 0 to 1."""
    source: str


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """What a protocol measures, with the numbers of rows that it was measured on."""

    protocol: str
    queries: int
    database: int
    mean_average_precision: float | None
    """Over all orders of tied rows; None where the form has no such value (``interp21``)."""
    optimistic: float
    """No order of tied rows is better."""
    pessimistic: float
    """None is worse."""
    precision_within_2: float | None
    """Of the rows within Hamming radius 2, 0 for an empty ball; None for real-valued rankings."""
    empty_balls: float | None
    """Share of the queries with nobody within radius 2."""
    sampled: SampledPrecision | None = None
    """Where ``mean_average_precision`` is None: over some random orders, with its error."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Everything by which figures of the same data differ; see :func:`protocol` for their names.

    Attributes:
        name: as in ``protocol(name)``.
        summary: the table in a sentence.
        truth: ``"labels"``, or ``"neighbours"`` in the space of the features.
        neighbours: how many, where they are the truth.
        rule: how the split is drawn; None where it comes with the data's files.
        asymmetric: rankings are by real-valued queries against codes (:meth:`evaluate_scores`),
            not by Hamming distance.
        ap: form of average precision.
        at: ranked rows that count; None for all.
        divisor: see :func:`mean_average_precision`. A query with nothing to count counts 0.
        not_checked: what of it could not be read in a primary source; None if all was.
        published: figures that may stand beside one's own.
    """

    name: str
    summary: str
    truth: Literal["labels", "neighbours"]
    rule: SplitRule | None
    asymmetric: bool = False
    ap: Form = "rectangle"
    at: int | None = None
    divisor: Divisor = "hits"
    neighbours: int | None = None
    not_checked: str | None = None
    published: tuple[Published, ...] = field(default=(), repr=False)

    def split(
        self,
        labels: npt.ArrayLike,
        test_labels: npt.ArrayLike | None = None,
        seed: int | np.random.Generator = 0,
    ) -> Split:
        """Draw queries, training images and database.

        Args:
            labels: of the training images.
            test_labels: of the test images; all images together are drawn from where the queries
                are not the test images themselves.
            seed: same seed, same split; a generator is drawn from as it stands.

        Raises:
            ValueError: too few images of a class, no test images where they are the queries, or a
                protocol whose split comes with its files.

        >>> from bitgrove.metrics import protocol
        >>> split = protocol("cifar10-1").split(np.arange(50_000) % 10, np.arange(10_000) % 10)
        >>> len(split.query), len(split.train), len(split.database)
        (1000, 5000, 59000)
        """
        if self.rule is None:
            raise ValueError(f"the split of {self.name} comes with its files: {self.summary}")
        return self.rule.draw(labels, test_labels, seed)

    def ground_truth(
        self, queries: npt.ArrayLike, database: npt.ArrayLike, *, threads: int | None = None
    ) -> Relevance:
        """Who is right for whom, from labels or from features, as ``truth`` says.

        It is the same for codes of every length, and neighbours take a while: keep it.

        Raises:
            TypeError: features are not ``float32``, or labels of different kinds.
            ValueError: as :meth:`Relevance.from_labels` or :func:`euclidean_neighbours`.
        """
        if self.neighbours is None:
            return Relevance.from_labels(queries, database)
        near = euclidean_neighbours(
            np.asarray(queries), np.asarray(database), self.neighbours, threads=threads
        )
        return Relevance.from_neighbours(near)

    def evaluate(
        self,
        query_codes: Codes,
        database_codes: Codes,
        relevant: Relevance,
        *,
        query_ids: npt.ArrayLike | None = None,
        database_ids: npt.ArrayLike | None = None,
        threads: int | None = None,
        orders: int = ORDERS,
        seed: int = 0,
    ) -> RetrievalScores:
        """Score codes by Hamming distance.

        Args:
            query_codes: ``uint8[q, ceil(bits / 8)]`` in ``np.packbits`` order.
            database_codes: as wide.
            relevant: from :meth:`ground_truth`.
            query_ids: such as ``split.query``: no query may be in the database. Where the protocol
                ranks the queries themselves, it is checked that it is so.
            database_ids: such as ``split.database``; given if and only if ``query_ids`` is.
            threads: by default one for each CPU; the result does not depend on it.
            orders: how many orders of tied rows are drawn where their mean has no closed form.
            seed: of these draws.

        Raises:
            TypeError: codes of another kind.
            ValueError: another ground truth than the protocol's, queries in the database, rows
                that do not match, or a protocol that does not rank by Hamming distance.

        >>> from bitgrove.metrics import protocol
        >>> codes, labels = np.arange(6, dtype=np.uint8)[:, None], [0, 0, 0, 1, 1, 1]
        >>> table = protocol("cifar10-1")
        >>> truth = table.ground_truth(labels[::3], labels)
        >>> round(table.evaluate(codes[::3], codes, truth).mean_average_precision, 3)
        0.779
        """
        self._check(relevant)
        if self.asymmetric:
            raise ValueError(
                f"{self.name} ranks codes by real-valued queries, not by Hamming distance: give "
                "their scores to evaluate_scores"
            )
        query_ids, database_ids = self._ids(query_ids, database_ids)
        found = distance_histograms(
            query_codes,
            database_codes,
            relevant,
            query_ids=query_ids,
            database_ids=database_ids,
            threads=threads,
        )
        near = found.precision_within_radius(min(RADIUS, found.others.shape[1] - 1))

        def precision(ties: Ties) -> float:
            return found.mean_average_precision(
                at=self.at, ap=self.ap, ties=ties, divisor=self.divisor
            )

        closed = self.ap != "interp21"
        return RetrievalScores(
            self.name,
            len(query_codes),
            len(database_codes),
            precision("expected") if closed else None,
            precision("optimistic"),
            precision("pessimistic"),
            near.precision,
            near.empty,
            None
            if closed
            else found.sampled_average_precision(
                orders=orders, seed=seed, at=self.at, ap=self.ap, divisor=self.divisor
            ),
        )

    def evaluate_scores(
        self,
        scores: npt.NDArray[np.floating] | Iterable[npt.NDArray[np.floating]],
        relevant: Relevance,
        *,
        higher_is_better: bool,
        query_ids: npt.ArrayLike | None = None,
        database_ids: npt.ArrayLike | None = None,
        threads: int | None = None,
        orders: int = ORDERS,
        seed: int = 0,
    ) -> RetrievalScores:
        """Score rankings by real numbers, such as SuBiC's asymmetric ones.

        Args:
            scores: ``float32`` or ``float64`` of shape ``(q, n)``, without NaN, or blocks of such
                rows, one after the other.
            relevant: from :meth:`ground_truth`.
            higher_is_better: True for similarities, False for distances.
            query_ids: as in :meth:`evaluate`.
            database_ids: likewise.
            threads: likewise.
            orders: likewise.
            seed: likewise.

        Raises:
            TypeError: scores of another kind.
            ValueError: as :meth:`evaluate`, or NaN.
        """
        self._check(relevant)
        query_ids, database_ids = self._ids(query_ids, database_ids)
        closed = self.ap != "interp21"
        wanted: list[Ties] = ["optimistic", "pessimistic"]
        if closed:
            wanted.append("expected")
        found = precisions_of_scores(
            scores,
            relevant,
            [Rule(self.ap, ties, self.divisor, self.at) for ties in wanted],
            higher_is_better=higher_is_better,
            query_ids=query_ids,
            database_ids=database_ids,
            threads=threads,
            orders=0 if closed else orders_of(orders, seed),
            seed=seed,
        )
        means = {
            ties: mean_of(found.values[:, i], found.defined[:, i], ties, "zero")
            for i, ties in enumerate(wanted)
        }
        return RetrievalScores(
            self.name,
            relevant.queries,
            found.rows,
            means.get("expected"),
            means["optimistic"],
            means["pessimistic"],
            None,
            None,
            None if closed else sampled(found.drawn, "zero"),
        )

    def _check(self, relevant: Relevance) -> None:
        if not isinstance(relevant, Relevance):
            raise TypeError(
                f"relevant must come from protocol({self.name!r}).ground_truth(...), got "
                f"{type(relevant).__name__}"
            )
        if relevant.kind != self.truth or relevant.neighbours != self.neighbours:
            mine = _named(self.truth, self.neighbours)
            given = _named(relevant.kind, relevant.neighbours)
            raise ValueError(
                f"the ground truth of {self.name} is {mine}, got {given}: make it with "
                f"protocol({self.name!r}).ground_truth(...)"
            )

    def _ids(
        self, query_ids: npt.ArrayLike | None, database_ids: npt.ArrayLike | None
    ) -> tuple[npt.ArrayLike | None, npt.ArrayLike | None]:
        if self.rule is None or self.rule.database != "queries":
            return query_ids, database_ids
        if (query_ids is None) != (database_ids is None):
            raise ValueError("query_ids and database_ids go together: give both or neither")
        if query_ids is not None and not np.array_equal(
            np.asarray(query_ids), np.asarray(database_ids)
        ):
            raise ValueError(f"{self.name} ranks the queries themselves: the ids must be the same")
        return None, None


def _named(truth: str, neighbours: int | None) -> str:
    return truth if neighbours is None else f"the {neighbours} nearest neighbours"
