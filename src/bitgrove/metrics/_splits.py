"""Who asks, who answers and who teaches: the splits of published tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..interfaces import describe

Rows: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Numbers of images: those of the training set first, those of the test set after them.

    With ``features = np.concatenate([of_training_images, of_test_images])``, the queries are
    ``features[split.query]``.
    """

    query: Rows
    train: Rows
    """What codes are learnt from."""
    database: Rows
    """What is ranked for every query."""
    validation: Rows
    """What settings are chosen by; may be empty."""


@dataclass(frozen=True, slots=True)
class SplitRule:
    """How a table's authors drew it.

    Args:
        queries: of each class, drawn from all images; None for the test images.
        train: of each class; None for all that are allowed to teach.
        validation: drawn from what may teach: ``("class", n)`` of each class besides ``train``,
            ``("all", n)`` of those that do teach, or None.
        database: ``"rest"``: all but the queries, or the training images where queries are the test
            images. ``"rest without train"``. ``"queries"``: the queries themselves.
    """

    queries: int | None
    train: int | None
    validation: tuple[Literal["class", "all"], int] | None = None
    database: Literal["rest", "rest without train", "queries"] = "rest"

    def draw(self, labels: npt.ArrayLike, test_labels: npt.ArrayLike | None, seed: int) -> Split:
        """Draw by a seed.

        Raises:
            ValueError: too few images of a class, or no test images where they are the queries.
        """
        own = _labels("labels", labels)
        other = own[:0] if test_labels is None else _labels("test_labels", test_labels)
        rng = np.random.default_rng(seed)
        everyone = np.concatenate([own, other])
        if self.queries is None:
            if not len(other):
                raise ValueError("test_labels must be given: the queries are the test images")
            query = np.arange(len(own), len(everyone))
            rest = np.arange(len(own))
        else:
            query, rest = _take(everyone, np.arange(len(everyone)), self.queries, "queries", rng)
        train, left = rest, rest[:0]
        if self.train is not None:
            train, left = _take(everyone, rest, self.train, "training images", rng)
        validation = rest[:0]
        if self.validation is not None:
            whose, count = self.validation
            if whose == "class":
                validation, _ = _take(everyone, left, count, "validation images", rng)
            elif count > len(train):
                raise ValueError(f"labels must be of at least {count} images, got {len(train)}")
            else:
                validation = np.sort(rng.choice(train, count, replace=False))
        database = {"rest": rest, "rest without train": left, "queries": query}[self.database]
        return Split(query, train, database, validation)


def _labels(name: str, labels: npt.ArrayLike) -> npt.NDArray:
    found = np.asarray(labels)
    if found.ndim != 1 or not len(found):
        raise ValueError(f"{name} must be labels of shape (n,), got {describe(found)}")
    return found


def _take(
    labels: npt.NDArray, rows: Rows, count: int, what: str, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """So many rows of each class, and the others; both in the order of their numbers."""
    taken = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        mine = rows[labels[rows] == label]
        if len(mine) < count:
            raise ValueError(
                f"the protocol draws {count} {what} of each class, but of {label.item()!r} there "
                f"are {len(mine)} left"
            )
        taken[rng.permutation(mine)[:count]] = True
    return rows[taken[rows]], rows[~taken[rows]]
