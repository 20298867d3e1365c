"""Proof that a packed model is the torch model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..nn import BinaryConv2d, BinaryLinear
from ..runtime import Artifact, Graph, Node, Session, run_graph
from ._pack import with_named_layers

_TIE = 1e-5
"""A pre-activation this small against its layer's largest is a tie that rounding may break."""

_TIES_PER_SIGN = 1e-6
"""Several times what float32 rounding breaks; a real difference breaks far more."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a comparison of a packed model with its torch model found."""

    images: int
    integers: int
    """Results of binary layers compared, each layer given the same bits as torch's."""
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

    Two comparisons. Layer by layer: every binary layer is run packed on the very signs that torch
    computed, and its integers must be equal. End to end: all signs of all layers and the logits are
    compared. The real-valued parts agree to float rounding only, and rounding can turn the sign of
    a pre-activation that is all but zero; an image in which the first such turn is a tie of this
    kind is counted and left out of the end-to-end comparison, never of the first one.

    Args:
        model: the torch model; evaluated in eval mode, not changed.
        artifact: what ``pack`` made of it.
        x: standardised images ``float32[n, c, h, w]``, without NaN.
        threads: for the packed model.

    Raises:
        ValueError: there is no image, or a binary layer is called more than once.
    """
    if not len(x):
        raise ValueError("at least one image is needed")
    model = with_named_layers(model)
    inputs, logits = _watch(model, torch.from_numpy(x))
    layers = {node.name: node for node in artifact.graph.nodes if node.op == "binary_conv2d"}
    integers = different = 0
    for name, node in layers.items():
        layer = model.get_submodule(name)
        expected, got = _both(layer, node, inputs[name], threads)
        integers += expected.size
        different += int((expected != got).sum())

    graph = artifact.graph
    numbers = [node.inputs[0] for node in layers.values()]
    outputs = list(dict.fromkeys([*numbers, graph.logits]))
    packed = run_graph(graph.build(outputs), graph, outputs, x, threads)
    tied = np.zeros(len(x), bool)
    turned_signs = np.zeros(len(x), np.int64)
    signs = 0
    for name, node in layers.items():
        before = inputs[name].numpy().reshape(len(x), -1)
        bits = packed[node.inputs[0]].reshape(len(x), -1) > 0
        turned = bits != (before >= 0)
        signs += bits.size
        first = turned.any(1) & (turned_signs == 0)
        small = np.abs(before) <= _TIE * np.abs(before).max(1, keepdims=True)
        tied |= first & (small | ~turned).all(1)
        turned_signs += turned.sum(1)
    kept = ~tied
    expected_logits = logits.numpy().reshape(len(x), -1)[kept]
    error = np.abs(packed[graph.logits].reshape(len(x), -1)[kept] - expected_logits).max(
        1, initial=0
    )
    size = np.abs(expected_logits).max(1, initial=np.finfo(np.float32).tiny)
    return Verification(
        images=len(x),
        integers=integers,
        integers_different=different,
        signs=signs,
        ties=int(tied.sum()),
        signs_different=int(turned_signs[kept].sum()),
        relative_error=float((error / size).max(initial=0)),
    )


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
        if isinstance(module, BinaryConv2d | BinaryLinear)
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


def _both(
    layer: nn.Module, node: Node, before: Tensor, threads: int
) -> tuple[npt.NDArray, npt.NDArray]:
    """Torch's and the packed integers of one layer on torch's signs."""
    signs = torch.where(before >= 0, 1.0, -1.0)
    if signs.ndim == 2:
        signs = signs[:, :, None, None]
    weight = layer.binary_weight()  # pyright: ignore[reportCallIssue]
    attributes = node.attributes
    padded = torch.nn.functional.pad(
        signs,
        [side for side in reversed(attributes["padding"]) for _ in range(2)],
        value=attributes["pad_value"],
    )
    expected = torch.nn.functional.conv2d(
        padded,
        weight.reshape(len(weight), -1, *weight.shape[2:])
        if weight.ndim == 4
        else weight[..., None, None],
        stride=attributes["stride"],
        dilation=attributes["dilation"],
        groups=attributes["groups"],
    )
    alone = Graph(
        input=(signs.shape[1], signs.shape[2], signs.shape[3]),
        nodes=(
            Node("sign", "sign", (0,), {"groups": attributes["groups"]}),
            Node("binary_conv2d", "layer", (1,), attributes, {"weight": node.tensors["weight"]}),
        ),
        logits=2,
        embedding=2,
    )
    session = Session(Artifact(alone), threads)
    got = session.run(np.ascontiguousarray(signs.numpy()))
    return expected.numpy().reshape(len(signs), -1), got
