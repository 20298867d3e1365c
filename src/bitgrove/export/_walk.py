"""Goes through a traced model in order and emits packed nodes."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..nn import BinaryLayer, FernLayer, FernLinear, HardForest
from ..runtime import Link
from ._activations import ACTIVATIONS, PASSIVE, fold, is_monotone
from ._emitter import BatchNorm, Emitter, Folded
from ._fern_layers import fern_layer
from ._functions import FUNCTIONS, as_module
from ._hard_forest import HARD_FORESTS, LINKS
from ._layers import LAYERS, binary_layer, reads_signs
from ._pools import POOLS
from ._residual_forests import RESIDUAL_FORESTS
from ._site import Converters, Site
from ._trace import shape

CONVERTERS: Converters = LAYERS | POOLS | ACTIVATIONS | HARD_FORESTS | RESIDUAL_FORESTS
"""Modules of one real input; batch norms, binary layers and flattening are seen to below."""

_ARITHMETIC: dict[Any, str] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), "sum"),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul, "mul", "mul_"), "product"),
    **dict.fromkeys((operator.sub, operator.isub, torch.sub, "sub", "sub_"), "difference"),
    **dict.fromkeys((operator.truediv, operator.itruediv, torch.div, "div", "div_"), "quotient"),
}
_NEGATIONS = (operator.neg, torch.neg, "neg", "neg_")
_CONCATENATIONS = (torch.cat, torch.concat, torch.concatenate)
_RESHAPES = ("view", "reshape", torch.reshape)
_SHAPE_QUERIES = ("size", getattr, operator.getitem)
_IN_PLACE = (operator.iadd, operator.imul, operator.isub, operator.itruediv, torch.relu_)
_SYMBOLS = {
    operator.truediv: "/",
    operator.floordiv: "//",
    operator.mod: "%",
    operator.pow: "**",
    operator.matmul: "@",
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.neg: "-",
    operator.getitem: "[]",
}
"""How a person writes an operator; the others go by their names."""


class Walk:
    """One pass over a traced model.

    Attributes:
        emit: holds the nodes.
        logits: the value that the model returns.
        embedding: what the last linear layer reads, or the logits.
        link: what makes probabilities of the logits.
    """

    def __init__(self, traced: fx.GraphModule, axes: int) -> None:
        self.emit = Emitter(axes)
        self.logits = self.embedding = 0
        self.link: Link = "softmax"
        self._traced = traced
        self._modules = dict(traced.named_modules())
        self._values: dict[fx.Node, int | Folded] = {}
        self._constants: dict[fx.Node, Any] = {}
        self._aliased: set[int | Folded] = set()
        """Values that two torch nodes stand for: nothing may be folded into them."""

    def run(self) -> None:
        """Emit everything.

        Raises:
            ValueError: an operator has no packed form; the message names its layer.
        """
        for node in self._traced.graph.nodes:
            if node.op == "placeholder":
                self._place(node)
            elif node.op == "output":
                self._finish(node)
            elif not self._is_constant(node):
                try:
                    value = self._convert(node)
                except ValueError as error:
                    raise ValueError(f"{_describe(node, self._modules)}: {error}") from None
                if value in [self._values.get(read) for read in node.all_input_nodes]:
                    self._aliased.add(value)
                self._values[node] = value

    def _place(self, node: fx.Node) -> None:
        if self._values and not node.args:
            raise ValueError(f"the model takes more than one input: '{node.target}'")
        self._values[node] = 0

    def _finish(self, node: fx.Node) -> None:
        result = node.args[0]
        if not isinstance(result, fx.Node):
            raise ValueError("the model must return one tensor of logits")
        self.logits = self.embedding = self._real(result)
        last: Any = result
        while isinstance(self._module(last), (BatchNorm, *PASSIVE)):
            last = last.args[0]
        module = self._module(last)
        if isinstance(module, HardForest) and last is result:
            self.link = LINKS[module.output]
        if isinstance(module, nn.Linear | FernLinear | HardForest) or (
            isinstance(module, BinaryLayer) and module.weight.ndim == 2
        ):
            self.embedding = self._real(last.args[0])

    def _is_constant(self, node: fx.Node) -> bool:
        """Whether a node does not depend on the input, or only on its shape; keeps its value."""
        if node.op == "get_attr":
            path, _, name = str(node.target).rpartition(".")
            self._constants[node] = getattr(self._modules[path], name)
            return True
        inputs = node.all_input_nodes
        is_query = node.target in _SHAPE_QUERIES and not shape(node)
        if not is_query and not (inputs and all(read in self._constants for read in inputs)):
            return False
        known = [self._constants.get(read) for read in inputs]
        if callable(node.target) and all(item is not None for item in known):
            args, kwargs = fx.map_arg((node.args, node.kwargs), self._constants.__getitem__)
            self._constants[node] = node.target(*args, **kwargs)
        elif is_query:
            self._constants[node] = _sides(node)
        else:
            return False
        return True

    def _convert(self, node: fx.Node) -> int | Folded:
        if node.op == "call_module":
            return self._convert_module(node, self._modules[str(node.target)], str(node.target))
        name = f"({node.name})"  # in brackets, so that no layer has the same
        if node.target in _IN_PLACE or str(node.target).endswith("_"):
            self._refuse_shared(node)
        if node.target in _CONCATENATIONS:
            return self._concat(node, name)
        if node.target in _ARITHMETIC:
            return self._arithmetic(node, name)
        if node.target in _NEGATIONS:
            return self._affine(node, name, node.args[0], torch.tensor(-1.0), torch.tensor(0.0))
        if node.target == "mean":
            return self._mean(node, name)
        if node.target in _RESHAPES:
            return self._reshape(node, name)
        module = self._function(node)
        if module is None:
            raise ValueError(_unknown())
        return self._convert_module(node, module, name)

    def _function(self, node: fx.Node) -> nn.Module | None:
        """The module that does the same as a function, if there is one."""
        if node.target not in FUNCTIONS:
            return None
        args, kwargs = fx.map_arg((node.args[1:], dict(node.kwargs)), self._constant)
        return as_module(node.target, args, kwargs)

    def _convert_module(self, node: fx.Node, module: nn.Module, name: str) -> int | Folded:
        source = node.args[0] if node.args else None
        if not isinstance(source, fx.Node) or source not in self._values:
            raise ValueError("the input must be a tensor, and the first argument")
        if getattr(module, "inplace", False):
            self._refuse_shared(node)
        _refuse_nan(module)
        site = Site(name, shape(source), shape(node))
        if isinstance(module, BatchNorm) and module.running_mean is None:
            raise ValueError("a batch norm without running statistics cannot be packed")
        if isinstance(module, BinaryLayer):
            return binary_layer(self.emit, site, module, self._values[source])
        if isinstance(module, FernLayer):
            return fern_layer(self.emit, site, module, self._values[source])
        if isinstance(module, nn.Flatten):
            if (module.start_dim, module.end_dim) != (1, -1):
                raise ValueError("only flattening of all but the batch can be packed: (1, -1)")
            return self._flatten(source, name)
        if is_monotone(module) and self._read_by_signs_alone(node):
            return fold(self.emit, site, module, self._values[source])
        if type(module) in PASSIVE:
            return self._values[source]
        if isinstance(module, BatchNorm):
            value = self._real(source)
            only_reader = len(source.users) == 1 and value not in self._aliased
            return self.emit.norm(value, module, name, only_reader=only_reader)
        converter = CONVERTERS.get(type(module))
        if converter is None:
            raise ValueError(_unknown())
        return converter(self.emit, site, module, self._real(source))

    def _read_by_signs_alone(self, node: fx.Node) -> bool:
        """Whether all that is made of a node's result, here or further on, are its signs."""

        def is_sign(user: fx.Node) -> bool:
            module = self._module(user)
            if reads_signs(module):
                return True
            passes = is_monotone(module) or isinstance(module, (nn.Flatten, *PASSIVE))
            if not passes and user.target not in _RESHAPES:
                return False
            return self._read_by_signs_alone(user)

        return bool(node.users) and all(map(is_sign, node.users))

    def _flatten(self, source: fx.Node, name: str) -> int | Folded:
        value, before = self._values[source], shape(source)
        pixels = before[2:].numel()
        if pixels == 1:  # one pixel, or a vector, lies in memory as it is read
            return value
        if isinstance(value, Folded):
            flat = self.emit.add("flatten", name, value.value)
            return value.flattened(flat, pixels, lambda v: self.emit.add("flatten", name, v))
        return self.emit.add("flatten", name, value)

    def _reshape(self, node: fx.Node, name: str) -> int | Folded:
        source, after = node.args[0], shape(node)
        if (
            not isinstance(source, fx.Node)
            or len(after) != 2
            or after[1] != shape(source)[1:].numel()
        ):
            raise ValueError("only flattening of all but the batch can be packed; use flatten(1)")
        return self._flatten(source, name)

    def _mean(self, node: fx.Node, name: str) -> int:
        source, *rest = node.args
        axes = rest[0] if rest else node.kwargs.get("dim")
        count = len(shape(source)) if isinstance(source, fx.Node) else 0
        wanted = axes if isinstance(axes, tuple | list) else [axes]
        if count < 3 or sorted(a % count for a in wanted if isinstance(a, int)) != list(
            range(2, count)
        ):
            raise ValueError("only the mean over all sides of the image can be packed")
        size = [1] * self.emit.axes
        return self.emit.add(
            "adaptive_avg_pool", name, self._real(source), attributes={"size": size}
        )

    def _concat(self, node: fx.Node, name: str) -> int:
        tensors = node.args[0] if node.args else node.kwargs.get("tensors")
        axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        if not isinstance(tensors, tuple | list) or not all(t in self._values for t in tensors):
            raise ValueError("only tensors that depend on the input can be joined")
        if axis not in (1, 1 - len(shape(node))):
            raise ValueError(f"only channels can be joined, axis 1, got axis {axis}")
        if len(tensors) == 1:
            return self._real(tensors[0])
        return self.emit.add("concat", name, *map(self._real, tensors))

    def _arithmetic(self, node: fx.Node, name: str) -> int:
        if len(node.args) != 2 or node.kwargs:
            raise ValueError(_unknown())
        first, second = node.args
        kind = _ARITHMETIC[node.target]
        if first in self._values and second in self._values:
            if shape(first) != shape(node):
                first, second = second, first
            if kind not in ("sum", "product"):
                raise ValueError(f"the {kind} of two tensors has no packed form")
            if kind == "sum" and shape(first) != shape(second):
                raise ValueError("only a sum of tensors of the same shape can be packed")
            op = "add" if kind == "sum" else "multiply"
            return self.emit.add(op, name, self._real(first), self._real(second))
        if first not in self._values:
            if kind == "difference":
                raise ValueError("a number minus a tensor has no packed form; multiply by -1")
            if kind == "quotient":
                raise ValueError("a number divided by a tensor has no packed form")
            first, second = second, first
        constant = torch.as_tensor(self._constant(second), dtype=torch.float32).detach()
        if kind == "quotient" and (constant == 0).any():
            raise ValueError("dividing by 0 has no packed form")
        scale, bias = {
            "sum": (torch.ones(()), constant),
            "difference": (torch.ones(()), -constant),
            "product": (constant, torch.zeros(())),
            "quotient": (constant.reciprocal(), torch.zeros(())),
        }[kind]
        return self._affine(node, name, first, scale, bias)

    def _affine(self, node: fx.Node, name: str, source: Any, scale: Tensor, bias: Tensor) -> int:
        scale, bias = self._per_channel(scale, node), self._per_channel(bias, node)
        return self.emit.add("affine", name, self._real(source), scale=scale, bias=bias)

    def _per_channel(self, numbers: Tensor, node: fx.Node) -> Tensor:
        after = shape(node)
        numbers = numbers.reshape([1] * (len(after) - numbers.ndim) + list(numbers.shape))
        if numbers.shape[0] != 1 or numbers.shape[2:].numel() != 1:
            raise ValueError(
                "a constant can be packed if it is one number, or one for each channel"
            )
        return numbers.reshape(-1).expand(after[1])

    def _constant(self, item: Any) -> Any:
        if not isinstance(item, fx.Node):
            return item
        if self._constants.get(item) is None:
            raise ValueError("an argument depends on the input")
        return self._constants[item]

    def _refuse_shared(self, node: fx.Node) -> None:
        """In place, an operator writes over its input; nobody else may read that."""
        source = node.args[0]
        if isinstance(source, fx.Node) and len(source.users) > 1:
            raise ValueError("works in place on a tensor that is read again; make it a new tensor")

    def _module(self, node: Any) -> nn.Module | None:
        """What a node does, as a module; None if there is none, or none that can be packed."""
        if not isinstance(node, fx.Node):
            return None
        if node.op == "call_module":
            return self._modules.get(str(node.target))
        try:
            return self._function(node)
        except ValueError:
            return None

    def _real(self, node: Any) -> int:
        value = self._values[node]
        return value.realise() if isinstance(value, Folded) else value


def _sides(node: fx.Node) -> Any:
    """What a query of a tensor's shape gives; None for the batch, which is good for reshaping only.

    So is None for a query of another kind.
    """
    source, *rest = node.args
    if not isinstance(source, fx.Node) or node.kwargs:
        return None
    sides = (None, *shape(source)[1:])
    if node.target is getattr and rest == ["shape"]:
        return sides
    if node.target == "size":
        return sides[rest[0]] if rest and isinstance(rest[0], int) else sides
    return None


def _refuse_nan(module: nn.Module) -> None:
    for name, tensor in chain(module.named_parameters(), module.named_buffers()):
        if tensor.isnan().any():
            raise ValueError(f"{name} holds NaN, which has no sign and spoils every result")


def _unknown() -> str:
    known = [kind.__name__ for kind in CONVERTERS]
    known += [
        "the binary and fern layers of bitgrove.nn",
        "BatchNorm1d",
        "BatchNorm2d",
        "BatchNorm3d",
    ]
    known += ["Flatten", "+", "-", "*", "/", "cat", "mean over the sides"]
    functions = sorted({str(getattr(f, "__name__", f)) for f in FUNCTIONS} - {"fn"})
    return (
        f"this operator has no packed form; those that have: {', '.join(known)}; and the "
        f"functions {', '.join(functions)}"
    )


def _describe(node: fx.Node, modules: Mapping[str, nn.Module]) -> str:
    if node.op == "call_module":
        return f"layer '{node.target}' ({type(modules[str(node.target)]).__name__})"
    target: Any = node.target
    return f"operator '{_SYMBOLS.get(target) or getattr(target, '__name__', target)}'"
