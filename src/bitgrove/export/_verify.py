"""Proof that a packed model is the torch model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..nn import BinaryLayer
from ..runtime import Artifact, Graph, Node, Session, run_graph
from ._trace import with_named_layers

_CONVOLUTIONS: dict[int, Any] = {
    1: nn.functional.conv1d,
    2: nn.functional.conv2d,
    3: nn.functional.conv3d,
}

_CHUNK = 8
"""Images that are compared at once, so that their activations fit in memory."""

_TIE = 1e-5
"""A pre-activation this small against its layer's largest is a tie that rounding may break."""

_TIES_PER_SIGN = 1e-6
"""Several times what float32 rounding breaks; a real difference breaks far more."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a comparison of a packed model with its torch model found."""

    images: int
    integers: int
    """Results of binary layers compared, each layer given torch's own signs, or, if its input is
    real, that input rounded to integers."""
    integers_different: int
    signs: int
    """Bits compared end to end."""
    ties: int
    """Images in which float rounding turned the sign of a pre-activation next to zero."""
    signs_different: int
    """Bits that differ in images without such a tie."""
    relative_error: float
    """Largest difference of logits over the largest logit, in images without a tie."""

    def equal(self, tolerance: float = 1e-4) -> bool:
        """Whether integers are equal one by one and logits to the relative tolerance."""
        return (
            self.integers_different == 0
            and self.signs_different == 0
            and self.ties <= 2 + _TIES_PER_SIGN * self.signs
            and self.relative_error <= tolerance
        )


def verify(
    model: nn.Module, artifact: Artifact, x: npt.NDArray[np.float32], *, threads: int = 1
) -> Verification:
    """Compare a packed model with its torch model on images.

    Two comparisons. Layer by layer: every layer with binary weights is run packed on the very signs
    that torch computed (on integers, if its input is real), and its integers must be equal. End to
    end: all signs of all layers and the logits are compared. The real-valued parts agree to float
    rounding only, and rounding can turn the sign of a pre-activation that is all but at its
    threshold; an image in which the first such turn is a tie of this kind is counted and left out
    of the end-to-end comparison, never of the first one.

    Args:
        model: the torch model; evaluated in eval mode, not changed.
        artifact: what ``pack`` made of it.
        x: standardised images ``float32[n, c, h, w]``, or what else the model takes, without NaN.
        threads: for the packed model.

    Raises:
        ValueError: there is no image, or a binary layer is called more than once.
    """
    if not len(x):
        raise ValueError("at least one image is needed")
    model, graph = with_named_layers(model), artifact.graph
    modules = dict(model.named_modules())
    named = [(node, modules.get(node.name)) for node in graph.nodes]
    layers = [_Layer(graph, m, node, threads) for node, m in named if isinstance(m, BinaryLayer)]
    numbers = {number for layer in layers for number in layer.values}
    outputs = list(dict.fromkeys([*sorted(numbers), graph.logits]))
    network = graph.build(outputs)
    integers = different = signs = ties = signs_different = 0
    relative_error = 0.0
    for start in range(0, len(x), _CHUNK):
        part = x[start : start + _CHUNK]
        inputs, logits = _watch(model, torch.from_numpy(part))
        packed = run_graph(network, graph, outputs, part, threads)
        tied = np.zeros(len(part), bool)
        turned_signs = np.zeros(len(part), np.int64)
        for layer in layers:
            before = inputs[layer.name]
            count, wrong = layer.compare_integers(before)
            integers, different = integers + count, different + wrong
            turned, small = layer.compare_signs(before, packed)
            first = turned.any(1) & (turned_signs == 0)
            tied |= first & (small | ~turned).all(1)
            turned_signs += turned.sum(1)
            signs += turned.size
        kept = ~tied
        expected = logits.numpy().reshape(len(part), -1)[kept]
        got = packed[graph.logits].reshape(len(part), -1)[kept]
        size = np.abs(expected).max(1, initial=np.finfo(np.float32).tiny)
        error = np.abs(got - expected).max(1, initial=0) / size
        relative_error = max(relative_error, float(error.max(initial=0)))
        ties, signs_different = ties + int(tied.sum()), signs_different + turned_signs[kept].sum()
    return Verification(
        images=len(x),
        integers=integers,
        integers_different=different,
        signs=signs,
        ties=ties,
        signs_different=int(signs_different),
        relative_error=relative_error,
    )


class _Layer:
    """One binary layer of a model, and its node."""

    def __init__(self, graph: Graph, module: BinaryLayer, node: Node, threads: int) -> None:
        self.name = node.name
        self._axes = graph.axes
        self._module = module
        self._node = node
        self._threads = threads
        self._sign: Node | None = None
        if module.input_estimator is not None:
            self._sign = graph.nodes[node.inputs[0] - 1]
        self._alone: Session | None = None

    @property
    def values(self) -> list[int]:
        """What of the packed network is looked at: the signs and what they are taken of."""
        return [] if self._sign is None else [self._node.inputs[0], self._sign.inputs[0]]

    def compare_signs(
        self, before: Tensor, packed: dict[int, npt.NDArray[np.float32]]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Which signs differ from torch's, and which are ties: ``bool[n, signs]`` each."""
        n = len(before)
        if self._sign is None:
            return np.zeros((n, 0), bool), np.zeros((n, 0), bool)
        bits, values = (packed[number] for number in self.values)
        turned = (bits > 0).reshape(n, -1) != (before.numpy() >= 0).reshape(n, -1)
        threshold = self._sign.tensors.get("threshold", np.zeros(1, np.float32))
        margin = np.abs(values - threshold.astype(np.float64).reshape(-1, *[1] * self._axes))
        largest = np.abs(values).reshape(n, -1).max(1, keepdims=True)
        return turned, margin.reshape(n, -1) <= _TIE * largest

    def compare_integers(self, before: Tensor) -> tuple[int, int]:
        """How many results were compared, and how many differ."""
        if self._module.weight_estimator is None:
            return 0, 0
        if before.ndim == 2:
            before = before.reshape(*before.shape, *[1] * self._axes)
        if self._sign is None:
            before = (before * (127 / before.abs().max().clamp(min=1e-30))).round()
        else:
            before = torch.where(before >= 0, 1.0, -1.0)
        expected = self._torch(before).numpy().reshape(len(before), -1)
        if self._alone is None:
            self._alone = self._session(tuple(before.shape[1:]))
        got = self._alone.run(np.ascontiguousarray(before.numpy()))
        return expected.size, int((expected != got).sum())

    def _torch(self, before: Tensor) -> Tensor:
        attributes = self._node.attributes
        border = [side for side in reversed(attributes["padding"]) for _ in range(2)]
        weight = self._module.binary_weight()
        return _CONVOLUTIONS[self._axes](
            nn.functional.pad(before, border, value=attributes["pad_value"]),
            weight if weight.ndim > 2 else weight.reshape(*weight.shape, *[1] * self._axes),
            stride=attributes["stride"],
            dilation=attributes["dilation"],
            groups=attributes["groups"],
        )

    def _session(self, shape: tuple[int, ...]) -> Session:
        """The layer by itself, without scale and bias."""
        attributes, tensors = self._node.attributes, {"weight": self._node.tensors["weight"]}
        nodes = [Node(self._node.op, "layer", (0,), attributes, tensors)]
        if self._sign is not None:
            nodes = [
                Node("sign", "sign", (0,), {"groups": attributes["groups"]}),
                Node(self._node.op, "layer", (1,), attributes, tensors),
            ]
        return Session(Artifact(Graph(shape, tuple(nodes), len(nodes), len(nodes))), self._threads)


def _watch(model: nn.Module, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Inputs of all binary layers, and the logits."""
    inputs: dict[str, Tensor] = {}

    def keep(name: str):
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            if name in inputs:
                raise ValueError(f"layer '{name}' is called twice and cannot be verified")
            inputs[name] = args[0].detach().clone()

        return hook

    training = {module: module.training for module in model.modules()}
    handles = [
        module.register_forward_pre_hook(keep(name))
        for name, module in model.named_modules()
        if isinstance(module, BinaryLayer)
    ]
    try:
        model.eval()
        with torch.no_grad():
            logits = model(x)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in training.items():
            module.training = mode
    return inputs, logits
