"""A model as a graph of torch operators, with the shapes that flow between them."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.fx.proxy import TraceError

from ..nn import BinaryLayer, LeakyClip, RPReLU, RSign


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        ours = isinstance(m, BinaryLayer | LeakyClip | RPReLU | RSign)
        return ours or super().is_leaf_module(m, module_qualified_name)


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
            ShapeProp(traced).propagate(example_input[:1].detach())
    except RuntimeError as error:
        reason = error.__cause__ or error
        raise ValueError(f"the model does not run on example_input: {reason}") from error
    return traced


def shape(node: fx.Node) -> torch.Size:
    """Shape of a node's result, batch first; empty if that is no tensor."""
    meta = node.meta.get("tensor_meta")
    return getattr(meta, "shape", torch.Size())
