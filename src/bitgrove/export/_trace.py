"""A model as a graph of torch operators, with the shapes that flow between them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError

from ..nn import BinaryLayer, FernLayer, LeakyClip, ResidualForestHead, RPReLU, RSign

_OURS = BinaryLayer | FernLayer | LeakyClip | ResidualForestHead | RPReLU | RSign
"""Layers that are packed whole."""


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, _OURS) or super().is_leaf_module(m, module_qualified_name)

    def path_of_module(self, mod: nn.Module) -> str:
        try:
            return super().path_of_module(mod)
        except NameError:
            kind = type(mod).__name__
            raise ValueError(
                f"the model makes a {kind} while it runs, such as layers[:2] of a Sequential or "
                "nn.ReLU()(x): make it in __init__, as an attribute of the model, and call that"
            ) from None


class _Shapes(fx.Interpreter):
    """Runs a traced model and notes the shape of every tensor.

    torch's own pass for this prints a traceback where the model fails.
    """

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.extra_traceback = False  # which it adds to what the layer says

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            n.meta["shape"] = result.shape
        return result


def with_named_layers(model: nn.Module) -> nn.Module:
    """The model itself, or, if it is a single layer, a sequence of that one."""
    return nn.Sequential(model) if _Tracer().is_leaf_module(model, "") else model


def trace(model: nn.Module, example_input: Tensor) -> fx.GraphModule:
    """Trace a model and annotate its nodes with shapes, for a batch of one.

    Raises:
        ValueError: the model's control flow depends on data, or it does not take the input.
    """
    model = with_named_layers(model)
    try:
        traced = fx.GraphModule(model, _Tracer().trace(model))
    except TraceError as error:
        raise ValueError(f"the model cannot be traced: {error}") from None
    try:
        with torch.no_grad():
            _Shapes(traced).run(example_input[:1].detach())
    except Exception as error:  # whatever the layers raise
        raise ValueError(f"the model does not run on example_input: {error}") from error
    return traced


def shape(node: fx.Node) -> torch.Size:
    """Shape of a node's result, batch first; empty if that is no tensor."""
    return node.meta.get("shape", torch.Size())


def result_shape(traced: fx.GraphModule) -> torch.Size:
    """Shape of what a traced model of one result returns."""
    result: Any = traced.graph.output_node().args[0]
    return shape(result)
