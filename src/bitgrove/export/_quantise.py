"""Real convolutions in 8 bits, and the proof that the answers stay the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..interfaces import describe
from ..runtime import Artifact, Graph, Node, Session
from ._calibration import ByteRange, byte_weights, calibrate

_LARGEST_FILTER = 1 << 16
_CHUNK = 64

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class QuantisedLayer:
    """A convolution that was replaced."""

    name: str
    step: float
    """What a unit of the 8-bit input stands for."""
    zero: int
    """The byte that stands for 0."""
    error: float
    """Of the layer's result on the calibration images: root mean square of the difference over that
    of the float layer's result, without its bias."""
    agreement: float | None
    """As that of the report, with this layer alone in 8 bits. Signs behind a layer can make much of
    little, so this tells which layer costs most."""
    logits_error: float
    """As the relative error of the report, with this layer alone in 8 bits."""


@dataclass(frozen=True, slots=True)
class Quantisation:
    """What quantising a model cost, measured on images that calibrated nothing."""

    layers: tuple[QuantisedLayer, ...]
    """In the order of the graph."""
    left: dict[str, str]
    """Real convolutions that cannot be in 8 bits, by name, and why."""
    images: int
    """Held out, compared."""
    agreement: float | None
    """Part of the images with the same answer: by the examples' vote if the model holds examples,
    else by the largest logit; of pixels, if the model makes a map. None for a map of one channel,
    whose numbers are no answers."""
    relative_error: float
    """Of the logits: root mean square of the difference over that of the float model's."""


class Quantised(NamedTuple):
    """A quantised model and what that cost."""

    artifact: Artifact
    report: Quantisation


def quantise(
    artifact: Artifact,
    images: Floats,
    *,
    held_out: Floats | None = None,
    layers: Sequence[str] | None = None,
    least_agreement: float | None = 0.98,
    threads: int = 1,
) -> Quantised:
    """Turn real convolutions into convolutions of 8-bit integers.

    Weights become -127 to 127 times a scale for each filter, by its largest weight; a layer's input
    becomes 0 to 255 times one step, with a zero of its own (Jacob et al., Quantization and Training
    of Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018, equation 1). The
    range of an input is that of all numbers seen, or of 99.99, 99.9 or 99 % of them at either end:
    whichever gave the layer's result the least squared error on the images. Sums are exact
    integers; the result, its scale and the bias are float32, so nothing else in the model changes.

    Args:
        artifact: what ``pack`` made; it is not changed. Its examples are copied as they are.
        images: to calibrate, ``float32[n, c, h, w]`` as the model takes them; some hundred that are
            typical.
        held_out: images to compare answers on. By default every fourth one of ``images``, which
            then calibrates nothing.
        layers: names of real convolutions and linear layers; None for all that can be in 8 bits.
        least_agreement: refuse a model that agrees with the float one on a smaller part of the
            images held out, 0 to 1; None to accept any.
        threads: of the packed models.

    Returns:
        ``(artifact, report)``: the new model, and what it cost.

    Raises:
        TypeError: images are no float32 array, ``layers`` no names, or ``least_agreement`` no
            number.
        ValueError: images are too few, or have another shape than the model takes, or are not
            finite; a layer is none of the model's real convolutions or cannot be in 8 bits; there
            is nothing to quantise; or the models agree too rarely: the message names the layer that
            costs most.

    >>> import torch
    >>> import bitgrove as bg
    >>> model = bg.models.create("birealnet_small", num_classes=3, width=8).eval()
    >>> images = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)).numpy()
    >>> packed = bg.export.pack(model, torch.zeros(1, 1, 8, 8))
    >>> found = quantise(packed, images, least_agreement=0.5)
    >>> [layer.name for layer in found.report.layers][:1], found.report.images
    (['stem.0'], 10)
    """
    graph = artifact.graph
    _check_images("images", images, graph)
    if held_out is None:
        if len(images) < 4:
            raise ValueError(f"images must be 4 or more without held_out, got {len(images)}")
        is_held = np.arange(len(images)) % 4 == 3
        images, held_out = images[~is_held], images[is_held]
    _check_images("held_out", held_out, graph)
    if least_agreement is not None and (
        isinstance(least_agreement, bool) or not isinstance(least_agreement, Real)
    ):
        raise TypeError(
            f"least_agreement must be a number from 0 to 1 or None, got {describe(least_agreement)}"
        )
    if least_agreement is not None and not 0 <= least_agreement <= 1:
        raise ValueError(f"least_agreement must be 0 to 1 or None, got {least_agreement!r}")
    numbers, left = _choose(graph, layers)
    found = calibrate(graph, numbers, images, threads)
    nodes = {
        number: _in_bytes(graph.nodes[number], r, graph.axes) for number, (r, _) in found.items()
    }
    quantised = artifact.with_graph(_replaced(graph, nodes))
    agreement, error = _compare(artifact, quantised, held_out, threads)
    done = []
    for number, (byte_range, layer_error) in found.items():
        name = graph.nodes[number].name
        alone = replace(artifact, graph=_replaced(graph, {number: nodes[number]}))
        costs = _compare(artifact, alone, held_out, threads)
        done.append(QuantisedLayer(name, byte_range.step, byte_range.zero, layer_error, *costs))
    report = Quantisation(tuple(done), left, len(held_out), agreement, error)
    _refuse_disagreement(report, least_agreement)
    return Quantised(quantised, report)


def _check_images(name: str, images: object, graph: Graph) -> None:
    if not isinstance(images, np.ndarray) or images.dtype != np.float32:
        raise TypeError(f"{name} must be a float32 array, got {describe(images)}")
    if images.shape[1:] != graph.input or not len(images):
        expected = ", ".join(map(str, graph.input))
        raise ValueError(f"{name} must have shape (n, {expected}), n above 0, got {images.shape}")
    if not np.isfinite(images).all():
        raise ValueError(f"{name} must be finite, but hold NaN or infinities")


def _choose(graph: Graph, layers: Sequence[str] | None) -> tuple[list[int], dict[str, str]]:
    """Numbers of the nodes to replace, and the names of others with the reason."""
    if isinstance(layers, str):
        raise TypeError(f"layers must be a list of names, got the string {layers!r}")
    real = {node.name: i for i, node in enumerate(graph.nodes) if node.op == f"conv{graph.axes}d"}
    reasons = {name: _obstacle(graph.nodes[i]) for name, i in real.items()}
    left = {name: reason for name, reason in reasons.items() if reason}
    if layers is None:
        chosen = [name for name in real if name not in left]
        if not chosen:
            raise ValueError("the model has no real convolution that can be in 8 bits")
        return [real[name] for name in chosen], left
    for name in layers:
        if name not in real:
            raise ValueError(
                f"layers: {name!r} is no real convolution of the model; there are: "
                f"{', '.join(real) or 'none'}"
            )
        if name in left:
            raise ValueError(f"layers: {name!r} cannot be in 8 bits: {left[name]}")
    if not layers:
        raise ValueError("layers names no layer; leave it out to quantise all that can be")
    return sorted({real[name] for name in layers}), left


def _obstacle(node: Node) -> str:
    filter_size = node.tensors["weight"][0].size
    if node.attributes["pad_value"] != 0 and any(node.attributes["padding"]):
        return f"its border is {node.attributes['pad_value']}, not 0"
    if filter_size > _LARGEST_FILTER:
        return f"a filter has {filter_size} weights, more than {_LARGEST_FILTER}"
    return ""


def _replaced(graph: Graph, nodes: Mapping[int, Node]) -> Graph:
    return replace(graph, nodes=tuple(nodes.get(i, node) for i, node in enumerate(graph.nodes)))


def _in_bytes(node: Node, byte_range: ByteRange, axes: int) -> Node:
    weight, unit = byte_weights(node.widened()["weight"])
    attributes = {key: value for key, value in node.attributes.items() if key != "pad_value"}
    scale = (unit * byte_range.step).astype(np.float32)
    quantised = replace(
        node,
        op=f"byte_conv{axes}d",
        attributes=attributes | {"step": byte_range.step, "zero": byte_range.zero},
        tensors=node.tensors | {"weight": weight, "scale": scale},
    )
    if node.tensors["weight"].dtype == np.float16:
        return quantised.with_real_dtype("float16", axes)
    return quantised


def _compare(
    real: Artifact, quantised: Artifact, images: Floats, threads: int
) -> tuple[float | None, float]:
    """Agreement of the answers and relative error of the logits."""
    sessions = [Session(model, threads) for model in (real, quantised)]
    same = count = 0
    difference = size = 0.0
    for start in range(0, len(images), _CHUNK):
        part = images[start : start + _CHUNK]
        expected, got = (session.run(part) for session in sessions)
        difference += float(np.square(got - expected, dtype=np.float64).sum())
        size += float(np.square(expected, dtype=np.float64).sum())
        answers = [_answers(s, part, y) for s, y in zip(sessions, (expected, got), strict=True)]
        same += int((answers[0] == answers[1]).sum())
        count += answers[0].size
    error = np.sqrt(difference / max(size, np.finfo(np.float64).tiny))
    return same / count if count else None, float(error)


def _answers(session: Session, images: Floats, logits: Floats) -> npt.NDArray:
    """What the model says: a label for each image, or a class for each pixel; empty if neither."""
    if session.artifact.examples:
        return np.array([answer.label for answer in session.classify(images, k=1)])
    if logits.shape[1] == 1:
        return np.empty(0, np.int64)
    return logits.argmax(1)


def _refuse_disagreement(report: Quantisation, least: float | None) -> None:
    if least is None:
        return
    if report.agreement is None:
        raise ValueError(
            "the model gives one number instead of scores for classes, so there are no answers to "
            "agree on: give least_agreement=None and judge report.relative_error"
        )
    if report.agreement >= least:
        return
    worst = min(report.layers, key=lambda layer: (layer.agreement or 0, -layer.logits_error))
    raise ValueError(
        f"in 8 bits the model gives the same answer for {report.agreement:.2%} of {report.images} "
        f"images held out, less than least_agreement={least:g}; layer '{worst.name}' costs "
        f"most ({worst.agreement or 0:.2%} with it alone): leave it out of layers, or give more "
        "typical images"
    )
