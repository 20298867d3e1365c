"""Stratified splits that depend on the names of the images, not on their order."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._errors import DataError

Rows = npt.NDArray[np.int64]


class SplitRows(NamedTuple):
    """Row numbers of the three parts, each in increasing order."""

    train: Rows
    validation: Rows
    test: Rows


def stratified_rows(
    labels: npt.NDArray[np.int64],
    names: Sequence[str],
    classes: Sequence[str],
    *,
    validation: float,
    test: float,
    seed: int,
) -> SplitRows:
    """Divide the images of every class in the same proportions.

    The images of a class are ranked by a hash of the seed and their name; the first become the test
    part, the next the validation part. So the split does not depend on the order in which a file
    system lists files, and an image that is added later moves few others.

    Args:
        labels: ``int64[n]``, indices into ``classes``.
        names: one distinct name per image.
        classes: the names of the classes.
        validation: fraction of every class, 0 to below 1.
        test: fraction of every class, 0 to below 1; the two together stay below 1.
        seed: another seed, another split.

    Raises:
        ValueError: a fraction is out of range.
        DataError: a class cannot give at least one image to every part asked for.

    >>> labels, names = np.zeros(10, np.int64), [f"{i}.png" for i in range(10)]
    >>> rows = stratified_rows(labels, names, ["a"], validation=0.2, test=0.2, seed=0)
    >>> [len(part) for part in rows]
    [6, 2, 2]
    """
    for argument, fraction in (("validation", validation), ("test", test)):
        if not 0 <= fraction < 1:
            raise ValueError(f"{argument} must be a fraction in 0 to below 1, got {fraction}")
    if validation + test >= 1:
        raise ValueError(
            f"validation and test must leave images to train on, got {validation} + {test}"
        )
    parts = [validation > 0, test > 0]
    kept: tuple[list[int], list[int], list[int]] = ([], [], [])
    for label, name in enumerate(classes):
        rows = np.flatnonzero(labels == label)
        n_test, n_validation = (
            max(round(fraction * len(rows)), 1) if fraction > 0 else 0
            for fraction in (test, validation)
        )
        if len(rows) - n_test - n_validation < 1:
            raise DataError(
                f"class {name!r} has too few images for the split: {len(rows)}, and "
                f"{1 + sum(parts)} is the least; add images or remove the class"
            )
        ranked = sorted((int(row) for row in rows), key=lambda row: _rank(seed, names[row]))
        kept[2].extend(ranked[:n_test])
        kept[1].extend(ranked[n_test : n_test + n_validation])
        kept[0].extend(ranked[n_test + n_validation :])
    return SplitRows(*(np.array(sorted(part), np.int64) for part in kept))


def _rank(seed: int, name: str) -> tuple[bytes, str]:
    key = str(seed).encode() + b":" + os.fsencode(name)
    return hashlib.blake2b(key, digest_size=8).digest(), name
