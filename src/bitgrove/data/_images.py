"""Labelled images in memory: what every source of data becomes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from ..interfaces import describe
from ..runtime import Preprocessing
from ._split import stratified_rows


class Skipped(NamedTuple):
    """A file that was left out, and why."""

    name: str
    reason: str


class Splits(NamedTuple):
    """The three parts of a data set."""

    train: ImageData
    validation: ImageData
    test: ImageData


@dataclass(frozen=True, slots=True, eq=False)
class ImageData:
    """Images of one size with their labels.

    Args:
        images: ``uint8[n, h, w, c]``, ``c`` 1 (grey) or 3 (RGB).
        labels: ``int64[n]``, indices into ``classes``.
        classes: distinct names of the classes.
        names: one name per image that stays the same from run to run: the path relative to the
            folder, with ``/``, or such as ``digits/0123``.
        skipped: files of the whole source that could not be used. Subsets keep the list.

    Raises:
        TypeError: an array has another dtype.
        ValueError: the shapes disagree, or a label is out of range.

    >>> data = ImageData(
    ...     np.zeros((3, 2, 2, 1), np.uint8), np.array([0, 1, 1]), ("cat", "dog"), ("a", "b", "c"))
    >>> len(data), data.counts()
    (3, {'cat': 1, 'dog': 2})
    >>> data.only_classes(["dog"]).labels
    array([0, 0])
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    names: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            raise TypeError(f"images must be a uint8 array, got {describe(images)}")
        if not isinstance(labels, np.ndarray) or labels.dtype != np.int64:
            raise TypeError(f"labels must be an int64 array, got {describe(labels)}")
        if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape[1:]:
            raise ValueError(f"images must have shape (n, h, w, 1 or 3), got {images.shape}")
        if labels.shape != (len(images),) or len(self.names) != len(images):
            raise ValueError(
                f"every image needs one label and one name, got {len(images)} images, "
                f"labels of shape {labels.shape} and {len(self.names)} names"
            )
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes must be distinct, got {self.classes}")
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise ValueError(
                f"labels must lie in 0 to {len(self.classes) - 1} ({len(self.classes)} classes), "
                f"got {labels.min()} to {labels.max()}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def counts(self) -> dict[str, int]:
        """How many images every class has."""
        counted = np.bincount(self.labels, minlength=len(self.classes))
        return {name: int(count) for name, count in zip(self.classes, counted, strict=True)}

    def select(self, indices: npt.ArrayLike) -> Self:
        """Copy the images at ``indices``, in that order, with all classes kept.

        Raises:
            TypeError: ``indices`` are neither integers nor a mask of booleans.
            IndexError: an index is out of range.
        """
        rows = np.asarray(indices)
        if rows.size == 0:
            rows = np.empty(0, np.int64)
        if rows.ndim != 1 or rows.dtype.kind not in "iub":
            raise TypeError(f"indices must be a list of integers or a mask, got {describe(rows)}")
        if rows.dtype == bool and len(rows) != len(self):
            raise IndexError(f"the mask has {len(rows)} entries for {len(self)} images")
        numbers = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(
            self,
            images=self.images[numbers],
            labels=self.labels[numbers],
            names=tuple(self.names[row] for row in numbers),
        )

    def only_classes(self, classes: Sequence[str]) -> Self:
        """Keep the images of some classes; labels are renumbered in the order given.

        Raises:
            ValueError: a class is unknown or named twice, or none is named.
        """
        chosen = tuple(classes)
        unknown = [name for name in chosen if name not in self.classes]
        if isinstance(classes, str) or unknown or not chosen or len(set(chosen)) != len(chosen):
            raise ValueError(
                f"classes must be a list of distinct names among {list(self.classes)}, "
                f"got {classes!r}"
            )
        number = np.full(len(self.classes), -1, np.int64)
        number[[self.classes.index(name) for name in chosen]] = np.arange(len(chosen))
        kept = self.select(np.flatnonzero(number[self.labels] >= 0))
        return replace(kept, labels=number[kept.labels], classes=chosen)

    def split(self, *, validation: float = 0.2, test: float = 0.2, seed: int = 0) -> Splits:
        """Divide the images of every class into three parts.

        Which part an image goes to depends on ``seed`` and the names alone, so it is the same in
        whatever order the images come. A part whose fraction is above 0 gets at least one image of
        every class.

        Args:
            validation: fraction of every class; 0 makes the part empty.
            test: fraction of every class; 0 makes the part empty.
            seed: another seed, another split.

        Raises:
            ValueError: a fraction is out of range.
            DataError: a class has fewer images than there are parts.
        """
        rows = stratified_rows(
            self.labels, self.names, self.classes, validation=validation, test=test, seed=seed
        )
        return Splits(*(self.select(part) for part in rows))

    def preprocessing(self) -> Preprocessing:
        """The preprocessing that standardises by the mean and spread of these images.

        A channel that is the same everywhere gets the spread of one grey level.

        Raises:
            ValueError: there is no image.

        >>> pixels = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
        >>> data = ImageData(pixels, np.zeros(2, np.int64), ("a",), ("x", "y"))
        >>> data.preprocessing()
        Preprocessing(height=1, width=1, channels=1, mean=(0.5,), std=(0.5,))
        """
        if not len(self):
            raise ValueError("the mean of no images is undefined")
        _, height, width, channels = self.images.shape
        means, stds = [], []
        for channel in range(channels):
            counts = np.zeros(256, np.int64)
            for start in range(0, len(self), 4096):  # bounds the copy that bincount makes
                block = self.images[start : start + 4096, :, :, channel]
                counts += np.bincount(block.ravel(), minlength=256)
            levels = np.arange(256) / 255
            mean = float(counts @ levels / counts.sum())
            means.append(mean)
            stds.append(max(float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum())), 1 / 255))
        return Preprocessing(height, width, channels, tuple(means), tuple(stds))

    def fingerprint(self) -> str:
        """A digest of the pixels, labels and classes: equal data, equal digest."""
        digest = hashlib.sha256(repr((self.images.shape, self.classes)).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()
