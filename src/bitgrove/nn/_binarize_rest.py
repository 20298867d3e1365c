"""What multiplies by weights in a traced model and has no binary form."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from ._layer import BinaryLayer

_FUNCTIONS = {
    getattr(home, f"{kind}{n}d"): f"{kind}{n}d"
    for home in (torch, F)
    for kind in ("conv", "conv_transpose")
    for n in (1, 2, 3)
} | {F.linear: "linear", F.bilinear: "bilinear", torch.bilinear: "bilinear"}
_PRODUCTS = {torch.matmul, operator.matmul, torch.mm, torch.bmm, torch.einsum, torch.addmm}
_METHODS = {"matmul", "mm", "bmm", "addmm"}
_TWINS = {
    "conv1d": "nn.Conv1d",
    "conv2d": "nn.Conv2d",
    "conv3d": "nn.Conv3d",
    "linear": "nn.Linear",
}
_NORMS = (nn.LayerNorm, nn.RMSNorm)


def reason_without_form(node: fx.Node, module: nn.Module | None) -> str | None:
    """Why this call of another layer than those with binary twins stays real.

    None if it has no weights: no parameter of two axes or more.
    """
    if module is not None:
        if isinstance(module, (BinaryLayer, *_NORMS)):
            return None
        weights = any(parameter.ndim > 1 for parameter in module.parameters())
        return f"{type(module).__name__} has no binary form" if weights else None
    target: Any = node.target
    name = _FUNCTIONS.get(target) if node.op == "call_function" else None
    if name is not None:
        way = f"; {_TWINS[name]} has one" if name in _TWINS else ""
        return f"the function {name} has no binary form{way}"
    product = (node.op == "call_function" and target in _PRODUCTS) or (
        node.op == "call_method" and target in _METHODS
    )
    weight = product and any(source.op == "get_attr" for source in node.all_input_nodes)
    return "a product with a parameter has no binary form; nn.Linear has one" if weight else None
