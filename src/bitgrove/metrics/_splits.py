"""Who asks, who answers and who teaches: the splits of published tables."""

from __future__ import annotations

from collections.abc import Mapping
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
    """What codes are learnt from. Where it is drawn, class by class in the order of the draw."""
    database: Rows
    """What is ranked for every query."""
    validation: Rows
    """What settings are chosen by, in the order of the draw; may be empty."""


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

    def draw(
        self,
        labels: npt.ArrayLike,
        test_labels: npt.ArrayLike | None,
        seed: int | np.random.Generator,
    ) -> Split:
        """Draw by a seed: each class is shuffled once, then dealt out.

        Raises:
            ValueError: too few images of a class, or no test images where they are the queries.
        """
        own = _labels("labels", labels)
        other = own[:0] if test_labels is None else _labels("test_labels", test_labels)
        rng = np.random.default_rng(seed)
        everyone = np.concatenate([own, other])
        if self.queries is None and not len(other):
            raise ValueError("test_labels must be given: the queries are the test images")
        whose, count = self.validation or (None, 0)
        query, train, validation = _dealt(
            everyone,
            len(own) if self.queries is None else len(everyone),
            {
                "queries": self.queries or 0,
                "training images": self.train or 0,
                "validation images": count if whose == "class" else 0,
            },
            rng,
        )
        if self.queries is None:
            query, rest = np.arange(len(own), len(everyone)), np.arange(len(own))
        else:
            query = np.sort(query)
            rest = np.setdiff1d(np.arange(len(everyone)), query)
        left = np.setdiff1d(rest, train)
        if self.train is None:
            train = rest
        if whose == "all":
            if count > len(train):
                raise ValueError(
                    f"the protocol sets {count} of the training images apart, but there are "
                    f"{len(train)}"
                )
            validation = np.sort(rng.choice(train, count, replace=False))
        database = {"rest": rest, "rest without train": left, "queries": query}[self.database]
        return Split(query, train, database, validation)


def _labels(name: str, labels: npt.ArrayLike) -> npt.NDArray:
    found = np.asarray(labels)
    if found.ndim != 1 or not len(found):
        raise ValueError(f"{name} must be labels of shape (n,), got {describe(found)}")
    return found


def _dealt(
    labels: npt.NDArray, rows: int, counts: Mapping[str, int], rng: np.random.Generator
) -> list[Rows]:
    """So many of each class for each use, none twice, of the first ``rows`` images."""
    dealt: list[list[Rows]] = [[] for _ in counts]
    for label in np.unique(labels) if any(counts.values()) else ():
        mine = rng.permutation(np.flatnonzero(labels[:rows] == label))
        for part, (what, count) in zip(dealt, counts.items(), strict=True):
            if len(mine) < count:
                raise ValueError(
                    f"the protocol draws {count} {what} of each class, but of {label.item()!r} "
                    f"there are {len(mine)} left"
                )
            part.append(mine[:count])
            mine = mine[count:]
    return [np.concatenate(part) if part else np.empty(0, np.int64) for part in dealt]
