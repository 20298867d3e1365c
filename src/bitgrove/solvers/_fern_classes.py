"""The labels that random ferns know, and how they become more."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._labels import union


def with_more(known: list[npt.NDArray], classes: Any) -> list[npt.NDArray]:
    """The classes of every output, and those given."""
    if classes is None:
        return known
    lists = [classes] if len(known) == 1 else list(classes)
    if len(lists) != len(known):
        raise ValueError(f"classes must be {len(known)} lists of labels, got {len(lists)}")
    return [union(k, np.unique(more)) for k, more in zip(known, lists, strict=True)]


def with_new(known: list[npt.NDArray], labels: list[npt.NDArray]) -> list[npt.NDArray]:
    """The classes of every output, and those among its labels."""
    return [union(k, np.unique(o)) for k, o in zip(known, labels, strict=True)]


def codes_of(known: list[npt.NDArray], labels: list[npt.NDArray]) -> list[npt.NDArray[np.intp]]:
    """The numbers of the labels among the classes of their output."""
    return [np.searchsorted(k, o) for k, o in zip(known, labels, strict=True)]
