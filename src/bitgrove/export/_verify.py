"""Proof that a packed model is the torch model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..nn import BinaryLayer, FernLayer, HardForest, ResidualForestHead
from ..runtime import Artifact, Graph, RealDtype, run_graph
from ._trace import with_named_layers
from ._verify_binary import FollowedBinary
from ._verify_ferns import FollowedFerns
from ._verify_forest import FollowedForest
from ._verify_layer import Followed

_FOLLOWED: dict[type[nn.Module], Any] = {
    BinaryLayer: FollowedBinary,
    FernLayer: FollowedFerns,
    HardForest: FollowedForest,
    ResidualForestHead: FollowedForest,
}

_CHUNK = 8
"""Images that are compared at once, so that their activations fit in memory."""


class _Rounding(NamedTuple):
    """What rounding may do, several times what it was seen to do in the networks of ``models``."""

    tie: float
    """A pre-activation this near to its threshold, against its layer's largest, is a tie that
    rounding may break."""
    ties_per_sign: float
    """More broken ties than that are a real difference."""
    logits: float
    """Difference of logits over the largest."""


_ROUNDING: dict[RealDtype, _Rounding] = {
    "float32": _Rounding(tie=1e-5, ties_per_sign=1e-6, logits=1e-4),
    "float16": _Rounding(tie=4e-3, ties_per_sign=1e-3, logits=2e-2),
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What a comparison of a packed model with its torch model found."""

    images: int
    integers: int
    """Results of layers compared one by one: of binary layers, each given the same signs as torch's
    or, if its input is real, that input rounded to integers; sums of ferns and leaves of trees,
    each given what the packed layer reads."""
    integers_different: int
    signs: int
    """Bits compared end to end, of all images: signs, and the answers to the tests of ferns and
    of the nodes on the packed model's ways through its trees."""
    ties: int
    """Images in which float rounding turned such a bit, of a number at its threshold."""
    signs_turned: int
    """Such signs."""
    signs_different: int
    """Bits that differ and are no such ties."""
    relative_error: float
    """Largest difference of logits over the largest logit."""
    real_dtype: RealDtype = "float32"
    """``"float16"`` if the packed model stores any real number so: then a tie is wider, and more of
    them are excused."""

    def equal(self, tolerance: float | None = None) -> bool:
        """Whether integers are equal one by one, signs but for ties, and logits to the tolerance.

        The tolerance is relative to the largest logit of an image. By default it is 1e-4, or 2e-2
        if real numbers are stored in float16: torch computes with numbers that were not rounded.
        """
        rounding = _ROUNDING[self.real_dtype]
        return (
            self.integers_different == 0
            and self.signs_different == 0
            and self.signs_turned <= 2 + rounding.ties_per_sign * self.signs
            and self.relative_error <= (rounding.logits if tolerance is None else tolerance)
        )


def verify(
    model: nn.Module, artifact: Artifact, x: npt.NDArray[np.float32], *, threads: int = 1
) -> Verification:
    """Compare a packed model with its torch model on images.

    Two comparisons. Layer by layer: every layer with binary weights is run packed on the very signs
    that torch has (on integers, if its input is real), every layer of ferns and every hard forest
    on what the packed model has there, and the integers must be equal: sums of signs, sums of
    table entries, numbers of leaves. End to end: all signs of all layers, all answers to tests and
    the logits are compared. The real-valued parts agree to float rounding only, and rounding can
    turn the sign of a number that is all but at its threshold. Such a tie is counted, and torch
    goes on with the packed sign, so that the layers behind it, and the logits, are compared all the
    same.

    The rounded numbers of a model that is stored in float16 are compared with torch's as they are.
    The integers must be equal all the same; a pre-activation is at its threshold up to 4e-3 of its
    layer's largest instead of 1e-5, and logits may differ by 2e-2. To prove more, verify the model
    in float32 and only then make it float16: ``Artifact.with_real_dtype`` does nothing but round.

    Args:
        model: the torch model; evaluated in eval mode, not changed.
        artifact: what ``pack`` made of it.
        x: standardised images ``float32[n, c, h, w]``, or what else the model takes, without NaN.
        threads: for the packed model.

    Raises:
        TypeError: ``x`` is no ``float32`` array; of a torch tensor, give ``x.numpy()``.
        ValueError: there is no image, ``x`` has another shape than the network takes or holds NaN,
            or such a layer is called more than once; or the model was quantised, which is no
            rounding.
    """
    if not len(x):
        raise ValueError("at least one image is needed")
    _refuse_quantised(artifact.graph)
    real_dtype = _real_dtype(artifact.graph)
    model, graph = with_named_layers(model), artifact.graph
    modules = dict(model.named_modules())
    named = [(node, modules.get(node.name)) for node in graph.nodes]
    tie = _ROUNDING[real_dtype].tie
    layers = [
        follow(graph, module, node, tie, threads)
        for node, module in named
        for kind, follow in _FOLLOWED.items()
        if isinstance(module, kind)
    ]
    outputs = sorted({number for layer in layers for number in layer.values} | {graph.logits})
    network = graph.build(outputs)
    ties = 0
    relative_error = 0.0
    for start in range(0, len(x), _CHUNK):
        part = x[start : start + _CHUNK]
        packed = run_graph(network, graph, outputs, part, threads)
        tied = np.zeros(len(part), bool)
        for layer in layers:
            layer.begin(packed, tied)
        expected = _run(model, layers, part).reshape(len(part), -1)
        got = packed[graph.logits].reshape(len(part), -1)
        size = np.abs(expected).max(1, initial=np.finfo(np.float32).tiny)
        error = np.abs(got - expected).max(1, initial=0) / size
        relative_error = max(relative_error, float(error.max(initial=0)))
        ties += int(tied.sum())
    return Verification(
        images=len(x),
        integers=sum(layer.integers for layer in layers),
        integers_different=sum(layer.integers_different for layer in layers),
        signs=sum(layer.signs for layer in layers),
        ties=ties,
        signs_turned=sum(layer.signs_turned for layer in layers),
        signs_different=sum(layer.signs_different for layer in layers),
        relative_error=relative_error,
        real_dtype=real_dtype,
    )


def _refuse_quantised(graph: Graph) -> None:
    for node in graph.nodes:
        if node.op.startswith("byte_conv"):
            raise ValueError(
                f"layer '{node.name}' was quantised to 8 bits and does not equal torch's any more: "
                "verify the model before that; quantise() says what it costs"
            )


def _real_dtype(graph: Graph) -> RealDtype:
    halved = any(a.dtype == np.float16 for node in graph.nodes for a in node.tensors.values())
    return "float16" if halved else "float32"


def _run(
    model: nn.Module, layers: list[Followed], x: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Torch's logits, with the layers' hooks; the model is left as it was."""
    training = {module: module.training for module in model.modules()}
    handles = [layer.register() for layer in layers]
    try:
        model.eval()
        with torch.no_grad():
            return model(torch.from_numpy(x)).numpy()
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in training.items():
            module.training = mode
