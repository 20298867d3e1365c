"""Trees of other libraries, put one after the other into the arrays of a packed forest."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..runtime import Forest, Link


@dataclass(frozen=True, slots=True)
class Tree:
    """One binary tree; children below 0 are leaves ``-1 - child``, and so is a ``root`` of -1."""

    feature: npt.NDArray
    threshold: npt.NDArray[np.float64]
    """A row goes left where ``x <= threshold``."""
    children: npt.NDArray
    leaf: npt.NDArray[np.float64]
    """``[leaves, outputs]``."""
    missing: npt.NDArray | None = None
    """1 where NaN goes right; None where there is none."""


@dataclass(slots=True)
class Grove:
    """Collects trees; :meth:`forest` packs them."""

    features: int
    outputs: int
    trees: list[Tree] = field(default_factory=list)

    def forest(
        self,
        link: Link,
        classes: tuple[str | int, ...] | None = None,
        bias: npt.NDArray | None = None,
    ) -> Forest:
        """All of them, with doubles rounded so that every row of float32 goes the same way.

        Raises:
            ValueError: a threshold is beyond float32, or a leaf is not finite.
        """
        trees = self.trees
        nodes = np.cumsum([0, *(len(tree.feature) for tree in trees)])
        leaves = np.cumsum([0, *(len(tree.leaf) for tree in trees)])
        starts = list(zip(trees, nodes[:-1], leaves[:-1], strict=True))
        knows_missing = any(tree.missing is not None for tree in trees)

        def joined(parts: list[npt.NDArray], dtype: type, shape: tuple[int, ...]) -> npt.NDArray:
            parts = [np.asarray(part).reshape(shape) for part in parts]
            return np.concatenate(parts).astype(dtype)

        missing = [
            np.zeros(len(tree.feature)) if tree.missing is None else tree.missing for tree in trees
        ]
        return Forest(
            self.features,
            joined([tree.feature for tree in trees], np.int32, (-1,)),
            rounded_down(joined([tree.threshold for tree in trees], np.float64, (-1,))),
            joined(
                [
                    np.where(tree.children >= 0, tree.children + node, tree.children - leaf)
                    for tree, node, leaf in starts
                ],
                np.int32,
                (-1, 2),
            ),
            np.array(
                [node if len(tree.feature) else -1 - leaf for tree, node, leaf in starts],
                np.int32,
            ),
            joined([tree.leaf for tree in trees], np.float32, (-1, self.outputs)),
            None if bias is None or not np.any(bias) else np.asarray(bias).astype(np.float32),
            joined(missing, np.uint8, (-1,)) if knows_missing else None,
            link=link,
            classes=classes,
        )


def rounded_down(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 that is not above each: ``x <= t`` stays the same for every float32 x.

    Infinity becomes the largest number, so that infinite x alone may go another way.

    Raises:
        ValueError: one is NaN, or below all of float32.

    >>> rounded_down(np.float64([0.1, 0.5])) <= [0.1, 0.5]
    array([ True,  True])
    """
    largest = np.finfo(np.float32).max
    if not (thresholds >= -float(largest)).all():
        raise ValueError("a threshold is NaN or below the smallest float32")
    near = np.minimum(thresholds, float(largest)).astype(np.float32)
    with np.errstate(over="ignore"):
        below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near > thresholds, below, near)


def class_names(classes: npt.NDArray | list) -> tuple[str | int, ...]:
    """Names of classes as plain texts or whole numbers.

    Raises:
        ValueError: they are neither.
    """
    values = np.asarray(classes).tolist()
    if all(type(value) in (int, bool) for value in values):
        return tuple(int(value) for value in values)
    if all(type(value) is str for value in values):
        return tuple(values)
    if all(type(value) is float and value == int(value) for value in values):
        return tuple(int(value) for value in values)
    raise ValueError(f"classes must be texts or whole numbers, got {values[:3]}")
