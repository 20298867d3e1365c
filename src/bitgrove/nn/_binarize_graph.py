"""Questions about a traced model, and the surgery that binary convolutions need around them."""

from __future__ import annotations

import operator
from collections.abc import Set
from inspect import signature
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from ._binarize_range import MONOTONE, Ranges

_ADDITIONS = {operator.add, operator.iadd, torch.add}

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class LayerTracer(fx.Tracer):
    """Traces down to the modules of torch and of this library."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether ``m`` is one node."""
        ours = m.__module__.startswith("bitgrove.nn.")
        return ours or super().is_leaf_module(m, module_qualified_name)


class Surgeon:
    """A traced model on the table."""

    def __init__(self, model: fx.GraphModule) -> None:
        self.model, self.graph = model, model.graph
        self._ranges = Ranges(model)

    def module(self, node: Any) -> nn.Module | None:
        """The module that a node calls, if it calls one."""
        if not isinstance(node, fx.Node) or node.op != "call_module":
            return None
        return self.model.get_submodule(str(node.target))

    def name(self, node: fx.Node) -> str:
        """That of the module it calls, or of the node itself."""
        return str(node.target) if node.op == "call_module" else node.name

    def calls(self, kinds: type[nn.Module] | tuple[type[nn.Module], ...]) -> list[fx.Node]:
        """The nodes that call a module of these kinds, in order of execution."""
        return [node for node in self.graph.nodes if isinstance(self.module(node), kinds)]

    def rectifiers(self, value: fx.Node) -> list[fx.Node]:
        """The ReLU-like nodes because of which ``value``, or a part, has no negative number."""
        return [node for node in self._ranges.causes(value) if self._ranges.is_rectifier(node)]

    def one_sided(self, value: fx.Node, sign: int) -> list[fx.Node]:
        """Those because of which ``value``, or a part of it, has no number of the other sign."""
        return self._ranges.causes(value, sign)

    def before_pooling(self, value: fx.Node) -> fx.Node:
        """What ``value`` was before it was pooled, if it was."""
        while isinstance(self.module(value), MONOTONE):
            value = value.all_input_nodes[0]
        return value

    def remove(self, node: fx.Node, keep_for: Set[fx.Node]) -> list[str]:
        """Let the input of ``node`` take its place, but for these readers.

        Returns the names of those.
        """
        source = node.all_input_nodes[0]
        kept = [user for user in node.users if user in keep_for]
        for user in [user for user in node.users if user not in kept]:
            user.replace_input_with(node, source)
        if kept:
            self._out_of_place(node)
        else:
            self.graph.erase_node(node)
        return [self.name(user) for user in kept]

    def norm_after(self, node: fx.Node) -> fx.Node | None:
        """The batch norm that alone reads ``node``."""
        users = list(node.users)
        alone = len(users) == 1 and isinstance(self.module(users[0]), BATCH_NORMS)
        return users[0] if alone else None

    def addition(self, node: fx.Node) -> fx.Node | None:
        """The sum of ``node`` and another value that alone reads it."""
        users = list(node.users)
        return users[0] if len(users) == 1 and len(self.summands(users[0])) == 2 else None

    def summands(self, node: fx.Node) -> tuple[fx.Node, ...]:
        """The two values that ``node`` adds; () if it is no plain sum of two."""
        function = node.op == "call_function" and node.target in _ADDITIONS
        method = node.op == "call_method" and node.target in ("add", "add_")
        nodes = tuple(item for item in node.args if isinstance(item, fx.Node))
        plain = (function or method) and not node.kwargs and len(node.args) == 2
        return nodes if plain and len(set(nodes)) == 2 else ()

    def producer(self, value: fx.Node, kinds: tuple[type[nn.Module], ...]) -> fx.Node | None:
        """The call of one of ``kinds`` that ``value`` is, with or without its batch norm."""
        if isinstance(self.module(value), BATCH_NORMS):
            value = value.all_input_nodes[0]
        return value if isinstance(self.module(value), kinds) else None

    def add(self, a: fx.Node, b: fx.Node) -> fx.Node:
        """A new node ``a + b``, after both."""
        order = {node: i for i, node in enumerate(self.graph.nodes)}
        with self.graph.inserting_after(max(a, b, key=order.__getitem__)):
            return self.graph.call_function(operator.add, (a, b))

    def insert_after(self, node: fx.Node, name: str, module: nn.Module) -> fx.Node:
        """Call ``module``, known as ``name``, on the result of ``node`` and for all its readers."""
        self.model.add_submodule(name, module)
        with self.graph.inserting_after(node):
            new = self.graph.call_module(name, (node,))
        node.replace_all_uses_with(new, delete_user_cb=lambda user: user is not new)
        return new

    def move_shortcut_before(self, layer: fx.Node, addition: fx.Node) -> None:
        """Turn ``norm(layer(x)) + s`` into ``norm(layer(x + s)) + (x + s)``."""
        x = layer.all_input_nodes[0]
        normed, s = self._ordered(layer, addition)
        self._hoist(s, layer)
        with self.graph.inserting_before(layer):
            trunk = self.graph.call_function(operator.add, (x, s))
        layer.replace_input_with(x, trunk)
        with self.graph.inserting_before(addition):
            new = self.graph.call_function(operator.add, (normed, trunk))
        addition.replace_all_uses_with(new)
        self.graph.erase_node(addition)

    def depends(self, value: fx.Node, on: fx.Node) -> bool:
        """Whether ``on`` is among what ``value`` is computed from, itself included."""
        return on in self._ancestors(value)

    def _out_of_place(self, node: fx.Node) -> None:
        """Let what is now read both before and after ``node`` keep its values."""
        module = self.module(node)
        if module is not None:
            setattr(module, "inplace", False)  # noqa: B010 - not every one declares it
        elif node.op == "call_method":
            node.target = str(node.target).removesuffix("_")
        else:
            function: Any = node.target
            name = str(function.__name__)
            if name.endswith("_"):
                home = torch if hasattr(torch, name) else F
                node.target = getattr(home, name.removesuffix("_"))
            elif function.__module__ == F.__name__ and "inplace" in signature(function).parameters:
                place = list(signature(function).parameters).index("inplace")
                node.args = node.args[:place]
                node.kwargs = {k: v for k, v in node.kwargs.items() if k != "inplace"}

    def _ordered(self, layer: fx.Node, addition: fx.Node) -> tuple[fx.Node, fx.Node]:
        a, b = self.summands(addition)
        normed = self.norm_after(layer) or layer
        return (a, b) if a is normed else (b, a)

    def _hoist(self, value: fx.Node, before: fx.Node) -> None:
        needed = self._ancestors(value)
        late, seen = [], False
        for node in self.graph.nodes:
            seen = seen or node is before
            if seen and node in needed:
                late.append(node)
        for node in late:
            before.prepend(node)

    def _ancestors(self, value: fx.Node) -> set[fx.Node]:
        found: set[fx.Node] = set()
        waiting = [value]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += node.all_input_nodes
        return found
