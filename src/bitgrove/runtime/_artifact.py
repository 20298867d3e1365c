"""The content of a ``.grove`` file in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from .. import files
from ._examples import Examples
from ._graph import Graph
from ._link import Link, check_classes, check_link
from ._precision import RealDtype, check_real_dtype
from ._preprocessing import Preprocessing

_KIND, _OLDEST, _VERSION = "grove", 2, 4
_OPERATORS_OF_4 = frozenset({"fern_conv1d", "fern_conv2d", "fern_conv3d", "ferns", "forest"})


@dataclass(slots=True)
class Artifact:
    """A packed model: what ``bitgrove.export.pack`` makes and ``bitgrove.runtime`` runs.

    FORMAT.md beside this file specifies the bytes.
    """

    graph: Graph
    labels: list[str] | None = None
    """Names of the logits, in order."""
    preprocessing: Preprocessing | None = None
    """How a picture becomes the network's input; without it only tensors can be run."""
    examples: Examples | None = None
    """Remembered images; without them a model classifies by its logits and cannot be taught."""
    link: Link = "softmax"
    """How the logits become probabilities."""
    classes: list[str | int] | None = None
    """Of a forest on rows, what its answers stand for."""

    def __post_init__(self) -> None:
        check_link(self.link)
        if self.classes is not None:
            check_classes(self.classes)
        prep = self.preprocessing
        if prep and (prep.channels, prep.height, prep.width) != self.graph.input:
            raise ValueError(
                f"preprocessing makes {prep.channels}x{prep.height}x{prep.width}, "
                f"the network takes {'x'.join(map(str, self.graph.input))}"
            )

    def __repr__(self) -> str:
        return f"Artifact({self.summary()})"

    def summary(self) -> str:
        """Sizes in one line; ``bytes`` are those of the network, without the examples.

        >>> from bitgrove.runtime import Node
        >>> Artifact(Graph((1, 8, 8), (Node("relu", "act", (0,)),), 1, 1))
        Artifact(nodes=1, input=(1, 8, 8), bytes=0, labels=0, examples=0)
        """
        size = sum(array.nbytes for array in self.graph.arrays().values())
        return (
            f"nodes={len(self.graph.nodes)}, input={self.graph.input}, bytes={size}, "
            f"labels={len(self.labels or [])}, examples={len(self.examples or [])}"
        )

    def with_real_dtype(self, dtype: RealDtype) -> Artifact:
        """The same model with its real numbers stored in float16 or float32.

        Weights, scales, biases, slopes and maps become ``dtype``; packed weights stay as they are,
        and so do the thresholds of signs, which compare with exact integers. A tensor with a number
        above 65,504, or one so small (below 2**-14) that float16 would cut its bits, stays in
        float32; of a convolution's filter the largest weight counts. Whatever is stored, the
        executor computes in float32. Rounding moves a real number by up to 2**-11 of itself, so
        logits move in the third digit and pre-activations that are as near to their thresholds
        change their signs. What was rounded stays so when a model becomes float32 again.

        The choice is that of each tensor's dtype: a file that is loaded, taught and saved keeps it.
        Examples are copied as they are.

        Raises:
            ValueError: ``dtype`` is another name.

        >>> import numpy as np
        >>> from bitgrove.runtime import Node
        >>> tensors = {"scale": np.float32([0.1, 2]), "bias": np.float32([0.5, 1e-8])}
        >>> model = Artifact(Graph((2, 8, 8), (Node("affine", "a", (0,), {}, tensors),), 1, 1))
        >>> halved = model.with_real_dtype("float16").graph.nodes[0].tensors
        >>> halved["scale"].dtype, halved["bias"].dtype
        (dtype('float16'), dtype('float32'))
        """
        check_real_dtype(dtype)
        return self.with_graph(self.graph.with_real_dtype(dtype))

    def with_graph(self, graph: Graph) -> Artifact:
        """The same labels, preprocessing and examples, copied, around another network."""
        examples = self.examples
        if examples:
            examples = Examples.from_dict(examples.to_dict(), examples.arrays())
        return replace(
            self, graph=graph, labels=self.labels and list(self.labels), examples=examples
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file atomically: a reader sees the old content or the new one."""
        metadata: dict[str, Any] = {"network": self.graph.to_dict(), "labels": self.labels}
        arrays = self.graph.arrays()
        if self.preprocessing:
            metadata["preprocessing"] = self.preprocessing.to_dict()
        if self.link != "softmax":
            metadata["link"] = self.link
        if self.classes is not None:
            metadata["classes"] = self.classes
        if self.examples:
            metadata["examples"] = self.examples.to_dict()
            arrays |= self.examples.arrays()
        files.write(path, arrays, metadata, kind=_KIND, version=self._version(metadata))

    def _version(self, metadata: dict[str, Any]) -> int:
        """The oldest version of the format that has all that the file holds."""
        if "link" in metadata or "classes" in metadata:
            return 4
        if any(node.op in _OPERATORS_OF_4 for node in self.graph.nodes):
            return 4
        is_new = any("shared" in node for node in metadata["network"]["nodes"]) or any(
            array.dtype in (np.float16, np.int8)
            for node in self.graph.nodes
            for array in node.tensors.values()
        )
        return 3 if is_new else _OLDEST

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read and check a file.

        Raises:
            FileFormatError: the file is damaged, or holds what no packed model can.
            OSError: the file cannot be read.
        """
        arrays, metadata = files.read(path, kind=_KIND, version=_VERSION)
        version = files.peek(path)[1]
        if version < _OLDEST:
            raise files.FileFormatError(
                f"{path}: written in version {version} of the format, before its release; this "
                f"program reads versions {_OLDEST} to {_VERSION}: pack the model anew"
            )
        try:
            labels = metadata.get("labels")
            if labels is not None and not (
                isinstance(labels, list) and all(isinstance(name, str) for name in labels)
            ):
                raise ValueError("labels must be a list of names")
            prep, examples = metadata.get("preprocessing"), metadata.get("examples")
            return cls(
                graph=Graph.from_dict(_table(metadata.get("network"), "network"), arrays),
                labels=labels,
                preprocessing=prep and Preprocessing.from_dict(_table(prep, "preprocessing")),
                examples=examples and Examples.from_dict(_table(examples, "examples"), arrays),
                link=check_link(metadata.get("link", "softmax")),
                classes=_classes(metadata.get("classes")),
            )
        except ValueError as error:
            raise files.FileFormatError(f"{path}: {error}") from None


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"'{name}' is missing or no table")
    return value


def _classes(value: Any) -> list[str | int] | None:
    if value is not None and not isinstance(value, list):
        raise ValueError("classes must be a list")
    return value
