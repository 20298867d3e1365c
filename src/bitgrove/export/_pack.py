"""Packing: trace a torch model, fold what folds, write every binary weight as one bit."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.fx.proxy import TraceError

from ..nn import BinaryConv2d, BinaryLinear
from ..runtime import Artifact, Graph, Preprocessing
from ._convert import CONVERTERS, adaptive_avg_pool2d, binary_conv2d, binary_linear
from ._emitter import Emitter, Folded


def pack(
    model: nn.Module,
    example_input: Tensor,
    *,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
) -> Artifact:
    """Turn a trained torch model into a packed one.

    The model is traced in eval mode and is not changed. Binary weights become one bit each; a batch
    norm after a convolution becomes its scale and bias; a batch norm that only signs read becomes
    their thresholds, exactly (``gamma`` negative or zero too). The embedding is what the last
    linear layer reads, or the output if the model does not end in one.

    Args:
        model: maps ``float32[n, c, h, w]`` to logits ``float32[n, classes]``; built of the layers
            of ``bitgrove.nn`` and of the common ones of torch, without control flow that depends
            on data.
        example_input: one batch, for its shape; the packed model takes this height and width.
        labels: names of the logits, in order.
        preprocessing: how a picture becomes the model's input.

    Returns:
        The packed model; ``.save("model.grove")`` writes it.

    Raises:
        ValueError: the model holds an operator that has no packed form; the message names the
            layer, the operator, and those that have one.

    >>> import bitgrove as bg
    >>> model = bg.models.create("birealnet_small", num_classes=3, width=8)
    >>> artifact = pack(model, torch.zeros(1, 1, 8, 8))
    >>> bg.runtime.Session(artifact).run(torch.zeros(2, 1, 8, 8).numpy()).shape
    (2, 3)
    """
    if example_input.ndim != 4:
        raise ValueError(
            f"example_input must have shape (n, c, h, w), got {tuple(example_input.shape)}"
        )
    training = {module: module.training for module in model.modules()}
    try:
        model.eval()
        traced = _trace(with_named_layers(model))
        with torch.no_grad():
            ShapeProp(traced).propagate(example_input[:1].detach())
        walk = _Walk(traced)
        walk.run()
    finally:
        for module, mode in training.items():
            module.training = mode
    graph = Graph(
        input=(example_input.shape[1], example_input.shape[2], example_input.shape[3]),
        nodes=tuple(walk.emit.nodes),
        logits=walk.logits,
        embedding=walk.embedding,
    )
    return Artifact(graph, list(labels) if labels is not None else None, preprocessing)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, BinaryConv2d | BinaryLinear) or super().is_leaf_module(
            m, module_qualified_name
        )


def with_named_layers(model: nn.Module) -> nn.Module:
    """The model itself, or, if it is a single layer, a sequence of that one."""
    return nn.Sequential(model) if _Tracer().is_leaf_module(model, "") else model


def _trace(model: nn.Module) -> fx.GraphModule:
    try:
        return fx.GraphModule(model, _Tracer().trace(model))
    except TraceError as error:
        raise ValueError(f"the model cannot be traced: {error}") from None


class _Walk:
    """Goes through a traced model in order and emits packed nodes."""

    def __init__(self, traced: fx.GraphModule) -> None:
        self.emit = Emitter()
        self.logits = self.embedding = 0
        self._modules = dict(traced.named_modules())
        self._graph = traced.graph
        self._values: dict[fx.Node, int | Folded] = {}
        self._aliased: set[int] = set()
        """Values that two torch nodes stand for: nothing may be folded into them."""

    def run(self) -> None:
        for node in self._graph.nodes:
            if node.op == "placeholder":
                self._place(node)
            elif node.op == "output":
                self._finish(node)
            else:
                try:
                    value = self._convert(node)
                    if value in [self._values.get(read) for read in node.all_input_nodes]:
                        self._aliased.add(value)  # pyright: ignore[reportArgumentType]
                    self._values[node] = value
                except ValueError as error:
                    raise ValueError(f"{_describe(node, self._modules)}: {error}") from None

    def _place(self, node: fx.Node) -> None:
        if self._values and not node.args:
            raise ValueError(f"the model takes more than one input: '{node.target}'")
        self._values[node] = 0

    def _finish(self, node: fx.Node) -> None:
        result = node.args[0]
        if not isinstance(result, fx.Node):
            raise ValueError("the model must return one tensor of logits")
        self.logits = self.embedding = self._real(result)
        if isinstance(self._module(result), nn.Linear | BinaryLinear):
            source = result.args[0]
            if isinstance(source, fx.Node) and isinstance(self._values[source], int):
                self.embedding = self._real(source)

    def _convert(self, node: fx.Node) -> int | Folded:
        if node.op == "call_module":
            return self._convert_module(node, self._module(node))
        inputs = [arg for arg in node.args if isinstance(arg, fx.Node)]
        name = f"({node.name})"  # in brackets, so that no layer has the same
        if node.target is operator.iadd or node.kwargs.get("inplace"):
            self._refuse_shared(node)
        is_sum = node.target in (operator.add, torch.add, "add", operator.iadd)
        if is_sum and len(inputs) == len(node.args) == 2 and not node.kwargs:
            return self.emit.add("add", name, *map(self._real, inputs))
        if node.target in (F.relu, torch.relu, "relu"):
            return self.emit.add("relu", name, self._real(inputs[0]))
        if node.target in (torch.flatten, "flatten") and _axes(node) == (1, -1):
            return self._flatten(node, name)
        raise ValueError(_unknown())

    def _convert_module(self, node: fx.Node, module: nn.Module | None) -> int | Folded:
        name, source = str(node.target), node.args[0]
        if not isinstance(source, fx.Node):
            raise ValueError("the input must be a tensor")
        if getattr(module, "inplace", False):
            self._refuse_shared(node)
        if isinstance(module, BinaryConv2d):
            return binary_conv2d(self.emit, name, module, self._values[source])
        if isinstance(module, BinaryLinear):
            self._need_vector(source)
            return binary_linear(self.emit, name, module, self._values[source])
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            return self._norm(node, name, module, source)
        if isinstance(module, nn.PReLU):
            slope = module.weight.detach().expand(self._shape(source)[1])
            return self.emit.add("prelu", name, self._real(source), slope=slope)
        if isinstance(module, nn.AdaptiveAvgPool2d):
            size = (self._shape(source)[2], self._shape(source)[3])
            return adaptive_avg_pool2d(self.emit, name, module, self._real(source), size)
        if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1):
            return self._flatten(node, name)
        if isinstance(module, nn.Linear):
            self._need_vector(source)
        converter = CONVERTERS.get(type(module))  # pyright: ignore[reportArgumentType]
        if converter is None:
            raise ValueError(_unknown())
        return converter(self.emit, name, module, self._real(source))

    def _norm(
        self, node: fx.Node, name: str, module: nn.BatchNorm1d | nn.BatchNorm2d, source: fx.Node
    ) -> int | Folded:
        value = self._real(source)
        if module.running_mean is None:
            raise ValueError("a batch norm without running statistics cannot be packed")
        if node.users and all(self._reads_signs(user) for user in node.users):
            return Folded(value, module)
        only_reader = len(source.users) == 1 and value not in self._aliased
        return self.emit.norm(value, module, name, only_reader=only_reader)

    def _reads_signs(self, node: fx.Node) -> bool:
        """Whether all that a node takes of its input is the sign, to pack it into bits."""
        module = self._module(node)
        return (
            isinstance(module, BinaryConv2d | BinaryLinear)
            and module.input_estimator is not None
            and module.weight_estimator is not None
            and not getattr(module, "input_scale", False)
        )

    def _refuse_shared(self, node: fx.Node) -> None:
        """In place, an operator writes over its input; nobody else may read that."""
        source = node.args[0]
        if isinstance(source, fx.Node) and len(source.users) > 1:
            raise ValueError("works in place on a tensor that is read again; make it a new tensor")

    def _flatten(self, node: fx.Node, name: str) -> int:
        source = node.args[0]
        assert isinstance(source, fx.Node)  # checked by the callers
        value = self._real(source)
        shape = self._shape(source)
        # One pixel, or a vector, lies in memory as it is read.
        is_flat = len(shape) == 2 or tuple(shape[2:]) == (1, 1)
        return value if is_flat else self.emit.add("flatten", name, value)

    def _need_vector(self, source: fx.Node) -> None:
        if len(self._shape(source)) != 2:
            raise ValueError("a linear layer can be packed after flattening only")

    def _shape(self, node: fx.Node) -> torch.Size:
        return node.meta["tensor_meta"].shape

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self._modules.get(str(node.target)) if node.op == "call_module" else None

    def _real(self, node: fx.Node) -> int:
        value = self._values[node]
        if isinstance(value, Folded):
            raise ValueError("only signs may read this batch norm")  # _norm made sure
        return value


def _axes(node: fx.Node) -> tuple[object, object]:
    """The first and last axis that a flattening joins."""
    given = [*node.args[1:], *[None] * 2]
    first = node.kwargs.get("start_dim", 0 if given[0] is None else given[0])
    last = node.kwargs.get("end_dim", -1 if given[1] is None else given[1])
    return first, last


def _unknown() -> str:
    known = [kind.__name__ for kind in CONVERTERS]
    known += ["BinaryConv2d", "BinaryLinear", "BatchNorm1d", "BatchNorm2d", "PReLU", "Flatten"]
    known += ["AdaptiveAvgPool2d"]
    return f"this operator has no packed form; those that have: {', '.join(known)}, +, relu"


def _describe(node: fx.Node, modules: Mapping[str, nn.Module]) -> str:
    if node.op == "call_module":
        return f"layer '{node.target}' ({type(modules[str(node.target)]).__name__})"
    return f"operator '{node.target}'"
