"""What is learnt from, who asks, who is ranked, and who is right for whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from .. import data
from ..search import Flat

if TYPE_CHECKING:
    from ..metrics import Protocol, Relevance, Split

Kind = Literal["pixels", "gist"]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A ranking to be measured."""

    protocol: Protocol | None
    queries: npt.NDArray[np.floating]
    database: npt.NDArray[np.floating]
    relevant: Relevance
    truth: str
    """What is right, in words."""
    ids: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None
    """Numbers of the queries and of the database's rows, where both are of one source."""


def of_source(source: str, kind: Kind, key: str | None, labels: Path | None) -> data.FeatureParts:
    """The rows of a file, folder or built-in data set."""
    return data.load_features(source, kind=kind, key=key, labels=labels)


def training_rows(parts: data.FeatureParts, name: str | None, seed: int) -> data.Features:
    """The rows that a protocol learns from; without one, all but the test part.

    Raises:
        ValueError: no such protocol, or it needs labels that there are none of.
    """
    from ..metrics import protocol

    if name is None:
        return parts.train
    table = protocol(name)
    if table.rule is None:  # its files are what they are
        return parts.train
    if table.rule.queries is None and parts.test is None:
        parts = data.FeatureParts(parts.train, _nobody(parts.train))
    everyone = whole(parts)
    rows = _split(table, parts, seed).train
    labels = None if everyone.labels is None else everyone.labels[rows]
    return data.Features(everyone.rows[rows], labels)


def task_of(
    parts: data.FeatureParts,
    asked: data.Features | None,
    name: str | None,
    neighbours: int | None,
    seed: int,
    threads: int | None,
) -> Task:
    """Who asks and who is ranked, by a protocol or as the files say.

    Raises:
        ValueError: no such protocol, nobody asks, or nothing says who is right.
    """
    from ..metrics import protocol

    if name is not None:
        return _by_protocol(protocol(name), parts, asked, seed, threads)
    queries = asked or parts.test
    if queries is None:
        raise ValueError("nobody asks: give --queries, or --protocol with one that draws them")
    return _plain(queries, parts.train, neighbours, threads)


def _by_protocol(
    table: Protocol,
    parts: data.FeatureParts,
    asked: data.Features | None,
    seed: int,
    threads: int | None,
) -> Task:
    if asked is not None:
        if table.rule is not None and table.rule.queries is not None:
            raise ValueError(
                f"{table.name} draws its queries from all rows: leave out --queries, or --protocol"
            )
        parts = data.FeatureParts(parts.train, asked)
    if parts.test is None and (table.rule is None or table.rule.queries is None):
        raise ValueError(f"{table.name} has queries set apart from the database: give --queries")
    everyone = whole(parts)
    if table.rule is None:
        own, ids = len(parts.train), np.arange(len(everyone))
        query, database = ids[own:], ids[:own]
    else:
        split = _split(table, parts, seed)
        query, database = split.query, split.database
    asks, ranked = everyone.rows[query], everyone.rows[database]
    if table.neighbours is None:
        if everyone.labels is None:
            raise ValueError(_no_labels(f"{table.name} calls right who has the same label"))
        labels = everyone.labels
        relevant = table.ground_truth(labels[query], labels[database])
        truth = "the same label"
    else:
        plain = (np.ascontiguousarray(rows, np.float32) for rows in (asks, ranked))
        relevant = table.ground_truth(*plain, threads=threads)
        truth = _nearest(table.neighbours)
    return Task(table, asks, ranked, relevant, truth, (query, database))


def _plain(
    queries: data.Features, database: data.Features, neighbours: int | None, threads: int | None
) -> Task:
    from ..metrics import Relevance

    width = database.rows.shape[1]
    if queries.rows.shape[1] != width:
        raise ValueError(
            f"the queries have {queries.rows.shape[1]:,} features, the database {width:,}"
        )
    if neighbours is not None:
        if neighbours > len(database):
            raise ValueError(
                f"--neighbours must be at most {len(database):,}, the rows of the database, "
                f"got {neighbours:,}"
            )
        index = Flat(width)
        index.add(database.rows.astype(np.float32))
        near = index.search(queries.rows.astype(np.float32), neighbours, threads=threads).ids
        relevant, truth = Relevance.from_neighbours(near), _nearest(neighbours)
    else:
        if queries.labels is None or database.labels is None:
            raise ValueError(_no_labels("nothing says who is right"))
        relevant = Relevance.from_labels(queries.labels, database.labels)
        truth = "the same label"
    return Task(None, queries.rows, database.rows, relevant, truth, None)


def _nearest(neighbours: int) -> str:
    return f"the {neighbours:,} nearest rows by Euclidean distance"


def _no_labels(why: str) -> str:
    return (
        f"{why}, and there are no labels of queries and database: give --labels and "
        "--query-labels, or files that hold them, or --neighbours"
    )


def _split(table: Protocol, parts: data.FeatureParts, seed: int) -> Split:
    rule = table.rule
    takes_classes = rule is not None and (rule.queries is not None or rule.train is not None)
    labels = parts.train.labels
    test = None if parts.test is None else parts.test.labels
    if takes_classes and (labels is None or (parts.test is not None and test is None)):
        raise ValueError(f"{table.name} draws rows of each class: give --labels")
    if labels is None or not takes_classes:  # only their number counts
        labels = np.zeros(len(parts.train), np.int64)
        test = None if parts.test is None else np.zeros(len(parts.test), np.int64)
    if rule is not None:  # nobody chooses settings here, and the other rows are the same
        table = replace(table, rule=replace(rule, validation=None))
    return table.split(labels, test, seed)


def whole(parts: data.FeatureParts) -> data.Features:
    """All rows: those to learn from, then the test's.

    Raises:
        ValueError: rows of two lengths.
    """
    own, test = parts.train, parts.test
    if test is None:
        return own
    if own.rows.shape[1] != test.rows.shape[1]:
        raise ValueError(
            f"the queries have {test.rows.shape[1]:,} features, the database {own.rows.shape[1]:,}"
        )
    labels = None
    if own.labels is not None and test.labels is not None:
        labels = np.concatenate([own.labels, test.labels])
    return data.Features(np.concatenate([own.rows, test.rows]), labels)


def _nobody(like: data.Features) -> data.Features:
    """One row in the place of queries that do not matter."""
    return data.Features(like.rows[:1], None if like.labels is None else like.labels[:1])
