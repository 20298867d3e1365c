"""Running a packed model."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _core
from ..files import FileFormatError
from ..interfaces import describe
from ..kernels import simd_level
from ._artifact import Artifact
from ._checks import check_count, check_threads
from ._fern_rows import MANY, FernRows
from ._graph import Graph
from ._link import probabilities
from ._preprocessing import ImageSource, Preprocessing
from ._profile import Profile, profile_graph


class Example(NamedTuple):
    """A remembered image near a query."""

    name: str
    label: str
    distance: float
    """Squared l2 between embeddings."""


class Prediction(NamedTuple):
    """The answer for one image."""

    label: str
    confidence: float
    """Probability of the label, 0 to 1."""
    neighbours: list[Example]
    """Nearest first; empty for a model without examples."""


class Session:
    """A packed model ready to run. Safe to use from several threads, but for :meth:`teach`.

    Args:
        artifact: what :meth:`Artifact.load` or ``bitgrove.export.pack`` returned.
        threads: how many share the work, 1 to 1024: several images, or rows and channels of one.
            Results do not depend on it.

    Raises:
        TypeError: ``artifact`` is no packed model, or ``threads`` no whole number.
        ValueError: the network cannot be built, ``threads`` is out of range, or ``BITGROVE_SIMD``
            names a level that this CPU cannot run.
    """

    def __init__(self, artifact: Artifact, threads: int = 1) -> None:
        if not isinstance(artifact, Artifact):
            raise TypeError(
                f"artifact must be a packed model, got {describe(artifact)}; "
                "bitgrove.runtime.load(path) opens a file"
            )
        self.threads = check_threads(threads)
        self.artifact = artifact
        self._network = artifact.graph.build(artifact.graph.outputs)
        self._ferns = FernRows.of(artifact.graph)
        self._check_labels()

    def __repr__(self) -> str:
        return f"Session({self.artifact.summary()}, threads={self.threads})"

    def run(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Class scores.

        Args:
            x: standardised images ``float32[n, c, h, w]``, without NaN; ``[n, c, l]`` or
                ``[n, c, d, h, w]`` for a model of series or volumes. Infinities are taken: where a
                real layer meets them, the result holds NaN or infinities. NaN is taken where
                nothing but forests that know missing values reads the image.

        Returns:
            Logits ``float32[n, classes]``; of a network that makes a map of more than one pixel,
            ``float32[n, *output_shape]``: channels, then sides.

        Raises:
            TypeError: ``x`` is no ``float32`` array; nothing is converted, neither doubles nor
                torch tensors.
            ValueError: ``x`` has another shape than the network takes, or holds NaN.
        """
        rows, shape = self._outputs(x)[self.artifact.graph.logits], self.output_shape
        return rows if math.prod(shape[1:]) == 1 else rows.reshape(len(x), *shape)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the result for one image: channels and sides, ``(classes, 1, 1)`` for a classifier."""
        return tuple(self._network.shape(self.artifact.graph.logits))

    def embed(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Embeddings ``float32[n, dim]`` of images, flat; arguments and errors as :meth:`run`."""
        return self._outputs(x)[self.artifact.graph.embedding]

    def predict(self, images: Sequence[ImageSource], *, k: int = 5) -> list[Prediction]:
        """Classify pictures: by their neighbours among the examples, else by the logits.

        Args:
            images: paths, bytes, Pillow images or ``uint8`` arrays, see :class:`Preprocessing`.
            k: neighbours to report for each picture, at least 1. How many vote is the model's.

        Raises:
            ImageError: a picture cannot be read.
            ValueError: the model has no preprocessing, or ``k`` is below 1.
        """
        if isinstance(images, str | bytes | os.PathLike):
            raise TypeError("images must be a list of pictures; write [path] for a single one")
        return self.classify(self.preprocessing(list(images)), k=k)

    def classify(self, x: npt.NDArray[np.float32], *, k: int = 5) -> list[Prediction]:
        """As :meth:`predict`, of standardised images ``float32[n, c, h, w]``."""
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        outputs = self._outputs(x)
        examples = self.artifact.examples
        if examples is None:
            if self.artifact.link == "identity" and self.artifact.labels is None:
                raise ValueError("this model has no classes: run gives its values")
            scores = probabilities(outputs[self.artifact.graph.logits], self.artifact.link)
            return [Prediction(self._label(p), float(p.max()), []) for p in scores]
        embeddings = outputs[self.artifact.graph.embedding]
        wanted = min(max(k, examples.k), len(examples))
        found = examples.nearest(embeddings, wanted, threads=self.threads)
        return [
            Prediction(
                examples.classes[int(p.argmax())],
                float(p.max()),
                [
                    Example(examples.names[i], examples.classes[examples.labels[i]], float(d))
                    for d, i in zip(distances[:k], ids[:k], strict=True)
                    if i >= 0
                ],
            )
            for p, distances, ids in zip(examples.vote(found), *found, strict=True)
        ]

    def teach(self, label: str, images: Sequence[ImageSource], names: Sequence[str]) -> None:
        """Learn a class, new or known, from example pictures, without retraining.

        The model in memory changes; ``session.artifact.save(path)`` keeps it.

        Raises:
            ImageError: a picture cannot be read; nothing was learnt.
            ValueError: the model has no examples to add to, no pictures came, or the class name is
                blank.
        """
        if self.artifact.examples is None:
            raise ValueError("this model holds no examples, so it cannot be taught")
        if not images:
            raise ValueError("at least one picture is needed")
        embeddings = self.embed(self.preprocessing(list(images)))
        self.artifact.examples.teach(label, embeddings, names)

    def profile(self, x: npt.NDArray[np.float32] | None = None, *, repeats: int = 20) -> Profile:
        """Time each part of the network on one image, with this session's threads.

        Args:
            x: ``float32[1, c, h, w]`` as in :meth:`run`; without it, noise. The time does not
                depend on what is in it.
            repeats: how many times the image is run, at least 1; the shortest time counts.

        Raises:
            TypeError, ValueError: as :meth:`run`, for more than one image, or for ``repeats`` that
                are no whole number or below 1.

        >>> from bitgrove.runtime import Node
        >>> graph = Graph((1, 8, 8), (Node("relu", "act", (0,)),), 1, 1)
        >>> [stage.name for stage in Session(Artifact(graph)).profile().stages]
        ['act']
        """
        repeats = check_count("repeats", repeats)
        graph = self.artifact.graph
        if x is None:
            x = np.random.default_rng(0).standard_normal((1, *graph.input), np.float32)
        check_input(x, graph)
        if len(x) != 1:
            raise ValueError(f"one image is timed, got {len(x)}")
        return profile_graph(self._network, graph, np.ascontiguousarray(x), repeats, self.threads)

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures become tensors; ``ValueError`` for a model that was packed without."""
        if self.artifact.preprocessing is None:
            raise ValueError("this model was packed without preprocessing: run tensors instead")
        return self.artifact.preprocessing

    def _outputs(self, x: npt.NDArray[np.float32]) -> dict[int, npt.NDArray[np.float32]]:
        if self._ferns is not None:
            check_input(x, self.artifact.graph)
            if len(x) >= MANY:
                return {self.artifact.graph.logits: self._ferns.run(x, self.threads)}
        outputs = run_graph(
            self._network, self.artifact.graph, self.artifact.graph.outputs, x, self.threads
        )
        return {
            number: array.reshape(len(x), math.prod(array.shape[1:]))
            for number, array in outputs.items()
        }

    def _label(self, scores: npt.NDArray) -> str:
        best = int(scores.argmax())
        names = self.artifact.labels or self.artifact.classes
        return str(names[best]) if names else str(best)

    def _check_labels(self) -> None:
        classes = int(np.prod(self._network.shape(self.artifact.graph.logits)))
        if self.artifact.labels is not None and len(self.artifact.labels) != classes:
            raise ValueError(f"{len(self.artifact.labels)} labels for {classes} logits")
        dim = int(np.prod(self._network.shape(self.artifact.graph.embedding)))
        if self.artifact.examples is not None and self.artifact.examples.dim != dim:
            raise ValueError(
                f"the examples have {self.artifact.examples.dim} dimensions, "
                f"the embedding has {dim}"
            )


def run_graph(
    network: _core.Network,
    graph: Graph,
    outputs: list[int],
    x: npt.NDArray[np.float32],
    threads: int,
) -> dict[int, npt.NDArray[np.float32]]:
    """Run a built graph; ``float32[n, c, sides]`` for each output, bits as +1 and -1."""
    threads = check_threads(threads)
    check_input(x, graph)
    arrays = {number: np.empty((len(x), *network.shape(number)), np.float32) for number in outputs}
    if len(x):
        network.run(np.ascontiguousarray(x), outputs, list(arrays.values()), threads)
    return arrays


def check_input(x: npt.NDArray[np.float32], graph: Graph) -> None:
    """Raise unless ``x`` is what the network takes: images, a row each, without NaN."""
    _check_float32(x)
    if x.shape[1:] != graph.input:
        expected = ", ".join(map(str, graph.input))
        raise ValueError(f"x must have shape (n, {expected}), got {x.shape}")
    # A minimum with NaN is NaN, and quickly found.
    if x.size and not graph.takes_nan and math.isnan(x.min()):
        raise ValueError("x must not hold NaN: its sign is undefined")


def _check_float32(x: object) -> None:
    """Raise ``TypeError``, with the way out, unless ``x`` is an array of ``float32``."""
    if isinstance(x, np.ndarray) and x.dtype == np.float32:
        return
    way_out = ""
    if isinstance(x, np.ndarray):
        way_out = "; give x.astype(np.float32)"
    elif hasattr(x, "numpy"):
        way_out = "; give x.numpy()"
    raise TypeError(f"x must be a float32 array, got {describe(x)}{way_out}")


def load(path: str | os.PathLike[str], threads: int = 1) -> Session:
    """Load a ``.grove`` file.

    Args:
        path: the file.
        threads: how many share the work, 1 to 1024.

    Raises:
        FileFormatError: the file is damaged, or holds what no packed model can.
        OSError: the file cannot be read.
        TypeError: ``threads`` is no whole number.
        ValueError: ``threads`` is out of range, or ``BITGROVE_SIMD`` names a level that this CPU
            cannot run.
    """
    threads = check_threads(threads)
    simd_level()  # says here, and not of the file, what is wrong with BITGROVE_SIMD
    artifact = Artifact.load(path)
    try:
        return Session(artifact, threads)
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}") from None
