"""How the real input of a convolution is read in 8 bits: a step and a zero, found on images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..runtime import Graph, Node, run_graph

_CHUNK = 8
"""Images that are run at once, so that the inputs of all layers fit in memory."""

_SAMPLE = 4096
"""Numbers of an image that a layer's quantiles are taken of."""

_COVERAGES = (1.0, 0.9999, 0.999, 0.99)
"""Parts of the numbers, at either end, that the 8 bits may reach to; 1 is the least and the largest
number that was seen."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Real numbers as bytes: ``clip(round(x / step) + zero, 0, 255)``; 0 is one of them exactly."""

    step: float
    """A float32 number above 0."""
    zero: int
    """0 to 255."""

    @classmethod
    def between(cls, low: float, high: float) -> ByteRange:
        """The 256 numbers from ``low`` to ``high``, moved by up to half a step so that 0 is one.

        >>> ByteRange.between(-1.0, 3.0)
        ByteRange(step=0.01568627543747425, zero=64)
        """
        low, high = min(low, 0.0), max(high, 0.0)
        step = float(np.float32((high - low) / 255))
        if not 1e-30 <= step <= 1e30:
            return cls(1.0, 0)
        return cls(step, int(np.clip(np.rint(-low / step), 0, 255)))

    def rounded(self, x: Floats) -> Floats:
        """What is left of ``x`` after a trip through bytes."""
        whole = np.rint(x / np.float32(self.step))
        return np.clip(whole, -self.zero, 255 - self.zero) * np.float32(self.step)


def byte_weights(weight: Floats) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Filters ``[o, ...]`` as -127 to 127, and the number ``[o]`` that one unit stands for.

    >>> byte_weights(np.float32([[0.5, -1.27], [0, 0]]))
    (array([[  50, -127],
           [   0,    0]], dtype=int8), array([0.01, 1.  ]))
    """
    rows = weight.astype(np.float64).reshape(len(weight), -1)
    largest = np.abs(rows).max(1)
    unit = np.where(largest > 0, largest / 127, 1.0)
    whole = np.rint(rows / unit[:, None]).astype(np.int8)
    return whole.reshape(weight.shape), unit


def calibrate(
    graph: Graph, numbers: Sequence[int], images: Floats, threads: int
) -> dict[int, tuple[ByteRange, float]]:
    """For each convolution, by number of its node: the range of least error, and that error.

    The error is that of the layer's result when its weights and its input go through 8 bits: the
    root mean square of the difference over that of the result.
    """
    readers = {number: _Reader(graph, graph.nodes[number]) for number in numbers}
    for values in _values(graph, readers, images, threads):
        for number, reader in readers.items():
            reader.sample(values[number])
    for reader in readers.values():
        reader.choose_ranges()
    for values in _values(graph, readers, images, threads):
        for number, reader in readers.items():
            reader.compare(values[number], threads)
    return {number: reader.best() for number, reader in readers.items()}


class _Reader:
    """One convolution by itself, and what it was seen to read."""

    def __init__(self, graph: Graph, node: Node) -> None:
        self.value = node.inputs[0]
        self.ranges: list[ByteRange] = []
        self._node = node
        self._axes = graph.axes
        self._random = np.random.default_rng(0)
        self._seen: list[Floats] = []
        self._errors = np.zeros(len(_COVERAGES))
        self._size = 0.0

    def sample(self, x: Floats) -> None:
        for image in x.reshape(len(x), -1):
            some = image[self._random.integers(0, image.size, _SAMPLE)]
            self._seen.append(np.append(some, [image.min(), image.max()]))

    def choose_ranges(self) -> None:
        seen = np.concatenate(self._seen)
        for coverage in _COVERAGES:
            low, high = np.quantile(seen, [1 - coverage, coverage])
            self.ranges.append(ByteRange.between(float(low), float(high)))

    def compare(self, x: Floats, threads: int) -> None:
        weight = self._node.widened()["weight"]
        whole, unit = byte_weights(weight)
        unit = unit.reshape(-1, *[1] * (self._axes + 1))
        expected = self._run(weight, x, threads)
        self._size += float(np.square(expected, dtype=np.float64).sum())
        for i, scale in enumerate(self.ranges):
            got = self._run((whole * unit).astype(np.float32), scale.rounded(x), threads)
            self._errors[i] += float(np.square(got - expected, dtype=np.float64).sum())

    def best(self) -> tuple[ByteRange, float]:
        best = int(self._errors.argmin())
        error = np.sqrt(self._errors[best] / max(self._size, np.finfo(np.float64).tiny))
        return self.ranges[best], float(error)

    def _run(self, weight: Floats, x: Floats, threads: int) -> Floats:
        node = replace(self._node, inputs=(0,), tensors={"weight": weight})
        alone = Graph(tuple(x.shape[1:]), (node,), 1, 1)
        return run_graph(alone.build([1]), alone, [1], np.ascontiguousarray(x), threads)[1]


def _values(
    graph: Graph, readers: Mapping[int, _Reader], images: Floats, threads: int
) -> Iterator[dict[int, Floats]]:
    """What each convolution reads, some images at a time."""
    outputs = sorted({reader.value for reader in readers.values()} - {0})
    network = graph.build(outputs or graph.outputs)
    for start in range(0, len(images), _CHUNK):
        part = images[start : start + _CHUNK]
        values = {0: part}
        if outputs:
            values |= run_graph(network, graph, outputs, part, threads)
        yield {number: values[reader.value] for number, reader in readers.items()}
