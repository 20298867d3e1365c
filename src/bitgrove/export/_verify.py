"""Proof that a packed model is the torch model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..nn import BinaryLayer
from ..runtime import Artifact, Graph, Node, RealDtype, Session, run_graph
from ._trace import with_named_layers

_CONVOLUTIONS: dict[int, Any] = {
    1: nn.functional.conv1d,
    2: nn.functional.conv2d,
    3: nn.functional.conv3d,
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
    """Results of binary layers compared, each layer given the same signs as torch's, or, if its
    input is real, that input rounded to integers."""
    integers_different: int
    signs: int
    """Bits compared end to end, of all images."""
    ties: int
    """Images in which float rounding turned the sign of a pre-activation at its threshold."""
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
    that torch has (on integers, if its input is real), and its integers must be equal. End to end:
    all signs of all layers and the logits are compared. The real-valued parts agree to float
    rounding only, and rounding can turn the sign of a pre-activation that is all but at its
    threshold. Such a tie is counted, and torch goes on with the packed sign, so that the layers
    behind it, and the logits, are compared all the same.

    Fern layers, which are exact too, are compared by what follows of them.

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
            or a binary layer is called more than once; or the model was quantised, which is no
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
        _Layer(graph, module, node, tie, threads)
        for node, module in named
        if isinstance(module, BinaryLayer)
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


class _Layer:
    """One binary layer of a model, its node, and what the comparison found."""

    def __init__(
        self, graph: Graph, module: BinaryLayer, node: Node, tie: float, threads: int
    ) -> None:
        self.name = node.name
        self.module = module
        self.integers = self.integers_different = 0
        self.signs = self.signs_turned = self.signs_different = 0
        self._axes = graph.axes
        self._node = node
        self._tie = tie
        self._threads = threads
        self._sign: Node | None = None
        if module.input_estimator is not None:
            self._sign = graph.nodes[node.inputs[0] - 1]
        self._alone: Session | None = None
        self._called = True
        self._packed: dict[int, npt.NDArray[np.float32]] = {}
        self._tied = np.zeros(0, bool)

    @property
    def values(self) -> list[int]:
        """What of the packed network is looked at: the signs and what they are taken of."""
        return [] if self._sign is None else [self._node.inputs[0], self._sign.inputs[0]]

    def begin(self, packed: dict[int, npt.NDArray[np.float32]], tied: npt.NDArray) -> None:
        """Await a call: ``packed`` are the values of the images, ``tied`` is where to mark them."""
        self._packed, self._tied, self._called = packed, tied, False

    def hook(self, module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Compare torch's input of the layer; hand on the packed signs where there are ties."""
        if self._called:
            raise ValueError(
                f"layer '{self.name}' is called twice, and one call of a layer is followed: put "
                "copy.deepcopy of it where it is called again, then pack and verify that model"
            )
        self._called = True
        x = args[0].detach() if self._sign is None else self._compare_signs(args[0].detach())
        if self.module.weight_estimator is not None:
            self._compare_integers(x)
        return (x, *args[1:])

    def _compare_signs(self, x: Tensor) -> Tensor:
        assert self._sign is not None
        bits, values = (self._packed[number] for number in self.values)
        n = len(x)
        turned = (bits > 0).reshape(n, -1) != (x.numpy() >= 0).reshape(n, -1)
        self.signs += turned.size
        if not turned.any():
            return x
        threshold = self._sign.tensors.get("threshold", np.zeros(1, np.float32))
        margin = np.abs(values - threshold.astype(np.float64).reshape(-1, *[1] * self._axes))
        largest = np.abs(values).reshape(n, -1).max(1, keepdims=True)
        small = margin.reshape(n, -1) <= self._tie * largest
        self.signs_turned += int((turned & small).sum())
        self.signs_different += int((turned & ~small).sum())
        self._tied |= (turned & small).any(1)
        size = x.abs().clamp(min=1e-30)
        wanted = torch.where(torch.from_numpy(bits > 0).reshape(x.shape), size, -size)
        return torch.where(torch.from_numpy(turned).reshape(x.shape), wanted, x)

    def _compare_integers(self, x: Tensor) -> None:
        if x.ndim == 2:
            x = x.reshape(*x.shape, *[1] * self._axes)
        if self._sign is None:
            x = (x * (127 / x.abs().max().clamp(min=1e-30))).round()
        else:
            x = torch.where(x >= 0, 1.0, -1.0)
        expected = self._torch(x).numpy().reshape(len(x), -1)
        if self._alone is None:
            self._alone = self._session(tuple(x.shape[1:]))
        got = self._alone.run(np.ascontiguousarray(x.numpy()))
        self.integers += expected.size
        self.integers_different += int((expected != got.reshape(len(x), -1)).sum())

    def _torch(self, x: Tensor) -> Tensor:
        attributes = self._node.attributes
        border = [side for side in reversed(attributes["padding"]) for _ in range(2)]
        weight = self.module.binary_weight()
        return _CONVOLUTIONS[self._axes](
            nn.functional.pad(x, border, value=attributes["pad_value"]),
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
    model: nn.Module, layers: list[_Layer], x: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Torch's logits, with the layers' hooks; the model is left as it was."""
    training = {module: module.training for module in model.modules()}
    handles = [layer.module.register_forward_pre_hook(layer.hook) for layer in layers]
    try:
        model.eval()
        with torch.no_grad():
            return model(torch.from_numpy(x)).numpy()
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in training.items():
            module.training = mode
