"""Decision trees on rows of numbers."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from .. import _core
from ..files import FileFormatError
from ..interfaces import describe
from ._artifact import Artifact
from ._checks import check_threads
from ._graph import Graph, Node
from ._link import Link, check_classes, check_link, probabilities
from ._merge import merged_thresholds

_DTYPES = {
    "feature": (np.int32, 1),
    "threshold": (np.float32, 1),
    "children": (np.int32, 2),
    "root": (np.int32, 1),
    "leaf": (np.float32, 2),
    "bias": (np.float32, 1),
    "missing": (np.uint8, 1),
}


@dataclass(frozen=True, eq=False)
class Forest:
    """Trained trees, packed: they answer for rows of numbers without what trained them.

    At a node a row goes right where ``x[feature] > threshold``, else left, and in the end to a
    leaf in each tree; the scores are ``bias`` plus the sum of these leaves, added in float32 in
    the order of the trees. Trees whose features have at most 255 different thresholds each run on
    bytes, exactly (AVX-512 with VBMI); :meth:`quantised` makes any forest such a one.
    ``bitgrove.export.import_forest`` makes a forest out of scikit-learn's, LightGBM's or ydf's.

    Args:
        features: numbers in a row.
        feature: ``int32[nodes]``.
        threshold: ``float32[nodes]``, finite.
        children: ``int32[nodes, 2]``, left and right: a node, or below 0 the leaf ``-1 - child``.
        root: ``int32[trees]``, a node or a leaf likewise.
        leaf: ``float32[leaves, outputs]``. Averages are folded into it.
        bias: ``float32[outputs]``, or None for 0.
        missing: ``uint8[nodes]``, 1 where NaN goes right; None if there is to be no NaN, which is
            then refused.
        link: how scores become probabilities, see :data:`Link`.
        classes: what the outputs (or both sides of the one output) stand for, all texts or all
            whole numbers; None for a regression.

    Raises:
        TypeError: an array has another dtype; nothing is converted.
        ValueError: shapes do not fit, an index is out of range, a number is not finite, or the
            nodes are no trees.

    >>> stump = Forest(2, np.int32([1]), np.float32([0.5]), np.int32([[-1, -2]]), np.int32([0]),
    ...     np.float32([[0.9, 0.1], [0.2, 0.8]]), link="normalise", classes=("no", "yes"))
    >>> stump.predict(np.float32([[9, 0.5], [9, 0.6]]))
    array(['no', 'yes'], dtype='<U3')
    """

    features: int
    feature: npt.NDArray[np.int32] = field(repr=False)
    threshold: npt.NDArray[np.float32] = field(repr=False)
    children: npt.NDArray[np.int32] = field(repr=False)
    root: npt.NDArray[np.int32] = field(repr=False)
    leaf: npt.NDArray[np.float32] = field(repr=False)
    bias: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    missing: npt.NDArray[np.uint8] | None = field(default=None, repr=False)
    link: Link = "identity"
    classes: tuple[str | int, ...] | None = None

    def __post_init__(self) -> None:
        if type(self.features) is not int or not 1 <= self.features < 1 << 24:
            raise ValueError(f"features must be a number 1 to 2**24, got {self.features!r}")
        for name, (dtype, ndim) in _DTYPES.items():
            array = getattr(self, name)
            if array is None and name in ("bias", "missing"):
                continue
            if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != ndim:
                raise TypeError(
                    f"{name} must be an array of {np.dtype(dtype)} with {ndim} dimensions, "
                    f"got {describe(array)}"
                )
            held = np.ascontiguousarray(array).copy()
            held.flags.writeable = False
            object.__setattr__(self, name, held)
        check_link(self.link)
        self._check_classes()
        _ = self._core  # checks the trees

    def __repr__(self) -> str:
        return (
            f"Forest(trees={len(self.root)}, nodes={len(self.feature)}, "
            f"features={self.features}, outputs={self.outputs}, link={self.link!r}, "
            f"layout={self.layout!r})"
        )

    @property
    def outputs(self) -> int:
        """Scores of a row."""
        return self.leaf.shape[1]

    @property
    def layout(self) -> str:
        """How it lies in memory; the scores are the same.

        ``bytes`` or ``words`` (five levels of a tree at once, on ranks of 8 or 16 bits), ``steps``
        (node by node, on the numbers themselves), or ``nodes`` (trees too large for that).
        """
        return self._core.layout

    def predict_raw(
        self, x: npt.NDArray[np.float32], *, threads: int = 1
    ) -> npt.NDArray[np.float32]:
        """Scores ``float32[n, outputs]`` of the rows ``x``, ``float32[n, features]``.

        They do not depend on ``threads`` nor on the CPU.

        Raises:
            TypeError: ``x`` is no array of float32; nothing is converted.
            ValueError: it has another shape, or holds NaN where the trees know of none.
        """
        threads = check_threads(threads)
        if not isinstance(x, np.ndarray) or x.dtype != np.float32:
            raise TypeError(
                f"x must be a float32 array, got {describe(x)}; give np.asarray(x, np.float32)"
            )
        if x.ndim != 2 or x.shape[1] != self.features:
            raise ValueError(f"x must have shape (n, {self.features}), got {x.shape}")
        if self.missing is None and x.size and np.isnan(x.min()):
            raise ValueError("x must not hold NaN: these trees know no missing values")
        out = np.empty((len(x), self.outputs), np.float32)
        self._core.run(np.ascontiguousarray(x), out, threads)
        return out

    def predict_proba(
        self, x: npt.NDArray[np.float32], *, threads: int = 1
    ) -> npt.NDArray[np.float64]:
        """Probabilities ``float64[n, classes]``; arguments and errors as :meth:`predict_raw`.

        Raises:
            ValueError: a regression has none.
        """
        if self.classes is None:
            raise ValueError("this forest has no classes: predict gives its values")
        return probabilities(self.predict_raw(x, threads=threads), self.link)

    def predict(self, x: npt.NDArray[np.float32], *, threads: int = 1) -> npt.NDArray:
        """The class of each row; of a regression the values, ``[n]`` if there is one output.

        Arguments and errors as :meth:`predict_raw`.
        """
        if self.classes is None:
            raw = self.predict_raw(x, threads=threads)
            return raw[:, 0] if self.outputs == 1 else raw
        best = self.predict_proba(x, threads=threads).argmax(1)
        return np.asarray(self.classes)[best]

    def quantised(self, most: int = 255) -> Forest:
        """The same trees with at most ``most`` different thresholds for each feature, 1 to 255.

        A feature that has more keeps ``most`` of them: its thresholds in order are cut into groups
        of about the same weight, where a node in depth ``d`` weighs ``2**-d``, the share of the
        rows that come to it in a balanced tree, and each group becomes its middle one. A forest
        that has no more is returned as it is: bytes are exact then. Else some rows take other
        ways; measure what that does to the answers.

        Raises:
            ValueError: ``most`` is out of range.
        """
        if type(most) is not int or not 1 <= most <= 255:
            raise ValueError(f"most must be a number 1 to 255, got {most!r}")
        merged = merged_thresholds(self.feature, self.threshold, self.children, self.root, most)
        if np.array_equal(merged, self.threshold):
            return self
        return replace(self, threshold=merged)

    def artifact(self) -> Artifact:
        """The content of a ``.grove`` file: a network of one node on a series of one value."""
        tensors: dict[str, npt.NDArray] = {
            name: array for name in _DTYPES if (array := getattr(self, name)) is not None
        }
        if not len(self.feature):  # no tensor may be empty: a leaf becomes a node that leads to it
            leaf = self.root[0]
            tensors |= {
                "feature": np.zeros(1, np.int32),
                "threshold": np.zeros(1, np.float32),
                "children": np.array([[leaf, leaf]], np.int32),
                "root": np.concatenate([np.zeros(1, np.int32), self.root[1:]]),
            }
            if self.missing is not None:
                tensors["missing"] = np.zeros(1, np.uint8)
        node = Node("forest", "forest", (0,), {}, tensors)
        single = self.outputs == 1 and self.classes is not None
        return Artifact(
            Graph((self.features, 1), (node,), 1, 1),
            None if self.classes is None or single else [str(name) for name in self.classes],
            link=self.link,
            classes=None if self.classes is None else list(self.classes),
        )

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        """The forest in what :meth:`artifact` made.

        Raises:
            ValueError: it holds something else.
        """
        graph = artifact.graph
        if [node.op for node in graph.nodes] != ["forest"] or graph.input[1:] != (1,):
            raise ValueError("the model is no forest on rows; bitgrove.runtime.load runs it")
        classes = artifact.classes
        return cls(
            graph.input[0],
            **graph.nodes[0].widened(),
            link=artifact.link,
            classes=None if classes is None else tuple(classes),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a ``.grove`` file, atomically.

        ``bitgrove.runtime.load`` runs it too, on ``x[..., None]``, and so does the C library, but
        that takes no NaN.
        """
        self.artifact().save(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            FileFormatError: the file is damaged, or holds another model.
            OSError: it cannot be read.
        """
        try:
            return cls.of(Artifact.load(path))
        except (ValueError, TypeError) as error:
            if isinstance(error, FileFormatError):
                raise
            raise FileFormatError(f"{path}: {error}") from None

    @cached_property
    def _core(self) -> _core.Forest:
        if not len(self.root) or not len(self.leaf):
            raise ValueError("a forest needs at least one tree and one leaf")
        return _core.Forest(self.features, *(getattr(self, name) for name in _DTYPES))

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "_core"}

    def _check_classes(self) -> None:
        if self.classes is None:
            return
        check_classes(self.classes)
        single = self.outputs == 1 and self.link == "sigmoid"
        wanted = 2 if single else self.outputs
        if len(self.classes) != wanted:
            raise ValueError(f"{len(self.classes)} classes for {wanted} probabilities")
