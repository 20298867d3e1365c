"""Images with a label for every pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from ..interfaces import describe
from ..runtime import Preprocessing
from ._images import ImageData


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationData:
    """Images of one size with the class of every pixel.

    Args:
        images: ``uint8[n, h, w, c]``, ``c`` 1 (grey) or 3 (RGB).
        labels: ``uint8[n, h, w]``, indices into ``classes``, or ``void``.
        classes: distinct names of the classes.
        names: one name per image that stays the same from run to run.
        void: label of the pixels that no one labelled: neither trained on nor counted. At least
            the number of classes.

    Raises:
        TypeError: an array has another dtype.
        ValueError: the shapes disagree, or a label is out of range.

    >>> labels = np.array([[[0, 1], [1, 255]]], np.uint8)
    >>> data = SegmentationData(
    ...     np.zeros((1, 2, 2, 3), np.uint8), labels, ("sky", "road"), ("a",), void=255)
    >>> len(data), data.shares()
    (1, {'sky': 0.333..., 'road': 0.666...})
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    classes: tuple[str, ...]
    names: tuple[str, ...]
    void: int

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        for name, array in (("images", images), ("labels", labels)):
            if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
                raise TypeError(f"{name} must be a uint8 array, got {describe(array)}")
        if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape[1:]:
            raise ValueError(f"images must have shape (n, h, w, 1 or 3), got {images.shape}")
        if labels.shape != images.shape[:3] or len(self.names) != len(images):
            raise ValueError(
                f"every image needs a label for each pixel and one name, got images of shape "
                f"{images.shape}, labels of shape {labels.shape} and {len(self.names)} names"
            )
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes must be distinct, got {self.classes}")
        if not len(self.classes) <= self.void <= 255:
            raise ValueError(f"void must be {len(self.classes)} to 255, got {self.void}")
        known = np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
        wrong = [int(n) for n in known if n >= len(self.classes) and n != self.void]
        if wrong:
            raise ValueError(
                f"labels must be 0 to {len(self.classes) - 1} or {self.void} for void, got {wrong}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def shares(self) -> dict[str, float]:
        """The share of every class among the labelled pixels."""
        counts = np.bincount(self.labels.ravel(), minlength=256)[: len(self.classes)]
        total = max(int(counts.sum()), 1)
        return {name: int(n) / total for name, n in zip(self.classes, counts, strict=True)}

    def select(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Self:
        """Copy the images that ``rows`` numbers, or marks, with their labels.

        Raises:
            IndexError: a number is out of range, or the marks are not one for each image.
        """
        numbers = np.arange(len(self))[rows]
        return replace(
            self,
            images=self.images[numbers],
            labels=self.labels[numbers],
            names=tuple(self.names[row] for row in numbers),
        )

    def preprocessing(self) -> Preprocessing:
        """The preprocessing that standardises by the mean and spread of these images.

        Raises:
            ValueError: there is no image.
        """
        return ImageData(
            self.images, np.zeros(len(self), np.int64), ("all",), self.names
        ).preprocessing()
