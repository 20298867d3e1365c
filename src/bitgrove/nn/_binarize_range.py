"""Which values of a traced model can have one sign only, and because of what."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

_RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.Sigmoid, nn.Hardsigmoid, nn.Softplus)
_RECTIFIER_NAMES = {"relu", "relu6", "hardswish", "sigmoid", "hardsigmoid", "softplus"}

_POSITIVE = (nn.Softmax, nn.Softmax2d, nn.Softmin)
_POSITIVE_NAMES = {
    "softmax", "softmin", "gumbel_softmax", "abs", "exp", "exp2", "square", "sqrt", "rsqrt",
    "norm", "var", "std",
}  # fmt: skip
_NEGATIVE = (nn.LogSigmoid, nn.LogSoftmax)
_NEGATIVE_NAMES = {"logsigmoid", "log_softmax"}

MONOTONE = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d, nn.Dropout, nn.Dropout1d, nn.Dropout2d,
    nn.Dropout3d, nn.Identity, nn.Flatten, nn.Upsample,
)  # fmt: skip
"""Modules that cannot make a negative number of others, nor a positive one."""

# Padding counts too, whatever with: what is inside keeps its sign.
_TRANSPARENT = (
    *MONOTONE, nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ConstantPad1d, nn.ConstantPad2d,
    nn.ConstantPad3d, nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d,
    nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d, nn.CircularPad1d,
    nn.CircularPad2d, nn.CircularPad3d, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle,
    nn.Unflatten, nn.Unfold, nn.Fold,
)  # fmt: skip
_TRANSPARENT_NAMES = {
    *(f"{kind}_pool{n}d" for n in (1, 2, 3) for kind in ("max", "avg")),
    *(f"adaptive_{kind}_pool{n}d" for n in (1, 2, 3) for kind in ("max", "avg")),
    "mean", "sum", "amax", "amin", "interpolate", "normalize", "pad",
    "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "squeeze", "unsqueeze",
    "transpose", "permute", "swapaxes", "swapdims", "movedim", "moveaxis", "t", "flip", "roll",
    "chunk", "split", "split_with_sizes", "tensor_split", "unbind", "getitem", "select", "narrow",
    "index_select", "expand", "expand_as", "repeat", "tile", "repeat_interleave", "unfold", "fold",
    "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
    "contiguous", "clone", "detach", "to", "type_as", "float", "half", "double", "bfloat16",
}  # fmt: skip
_MAXIMA, _MINIMA = ("maximum", "max"), ("minimum", "min")
_JOINS = {"cat", "stack", "hstack", "vstack", "dstack"}

_MOST = {"clamp": (2, "max"), "clamp_max": (1, "max"), "hardtanh": (2, "max_val")}
"""Where functions take the greatest number they let through."""

_HOMES = (torch, F, operator)
_MISNAMED = {"_threshold": "threshold", "log_sigmoid": "logsigmoid"}
_SAME = {
    "iadd": "add", "imul": "mul", "multiply": "mul", "ipow": "pow", "itruediv": "div",
    "truediv": "div", "divide": "div", "true_divide": "div", "absolute": "abs", "clip": "clamp",
    "concat": "cat", "concatenate": "cat",
}  # fmt: skip


class Ranges:
    """Asks of values what sign they can have; ``modules`` are those of the traced model."""

    def __init__(self, modules: fx.GraphModule) -> None:
        self._modules = modules

    def causes(self, value: fx.Node, sign: int = 1) -> list[fx.Node]:
        """The nodes because of which ``value``, or some channels of it, has one sign at most.

        That sign is +1 (never negative) or -1 (never positive). A sum has one sign if all its
        summands have; of what is concatenated every branch counts by itself.
        """
        return list(self._causes(value, sign, {}))

    def is_rectifier(self, node: fx.Node) -> bool:
        """Whether ``node`` is a ReLU or its like: never negative, and nothing else without it."""
        module = self._module(node)
        if isinstance(module, _RECTIFIERS) or _operation(node) in _RECTIFIER_NAMES:
            return True
        least = self._least(node, module)
        return isinstance(least, int | float) and least >= 0

    def _module(self, node: fx.Node) -> nn.Module | None:
        if node.op != "call_module":
            return None
        return self._modules.get_submodule(str(node.target))

    def _causes(
        self, value: fx.Node, sign: int, known: dict[fx.Node, dict[fx.Node, None]]
    ) -> dict[fx.Node, None]:
        if value not in known:
            known[value] = self._causes_anew(value, sign, known)
        return known[value]

    def _causes_anew(
        self, value: fx.Node, sign: int, known: dict[fx.Node, dict[fx.Node, None]]
    ) -> dict[fx.Node, None]:
        module, operation = self._module(value), _operation(value)
        if self._is_cause(value, module, operation, sign):
            return {value: None}
        sources = [
            self._causes(node, sign, known) for node in _sources(value, module, operation, sign)
        ]
        union = {cause: None for found in sources for cause in found}
        if operation in _JOINS or operation in (_MAXIMA if sign > 0 else _MINIMA):
            return union
        if not sources or not all(sources):
            return {}
        if operation == "pow" or _is_product(value, operation):
            # No ReLU in it is to blame: without it this would be another function, or NaN.
            return {value: None} if sign > 0 else {}
        return union

    def _is_cause(self, node: fx.Node, module: nn.Module | None, operation: str, sign: int) -> bool:
        if sign < 0:
            return isinstance(module, _NEGATIVE) or operation in _NEGATIVE_NAMES
        if isinstance(module, _POSITIVE) or operation in _POSITIVE_NAMES:
            return True
        if operation == "pow":
            return _argument(node, 1, "exponent") in (2, 4, 6)
        is_square = operation == "mul" and len(node.args) == 2 and node.args[0] is node.args[1]
        return is_square or self.is_rectifier(node)

    def _least(self, node: fx.Node, module: nn.Module | None) -> Any:
        """The least number that a clamp or a threshold lets through; None if it is no such."""
        if isinstance(module, nn.Hardtanh):
            return module.min_val
        if isinstance(module, nn.Threshold):
            return min(module.threshold, module.value)
        operation = _operation(node)
        if operation in ("clamp", "clamp_min"):
            return _argument(node, 1, "min")
        if operation == "hardtanh":
            return _argument(node, 1, "min_val", -1.0)
        if operation == "threshold":
            bounds = _argument(node, 1, "threshold"), _argument(node, 2, "value")
            return min(bounds) if all(isinstance(b, int | float) for b in bounds) else None
        return None


def _sources(node: fx.Node, module: nn.Module | None, operation: str, sign: int) -> list[fx.Node]:
    """The values that give ``node`` its sign; [] if it may have any."""
    first = node.args[0] if node.args else node.kwargs.get("input", node.kwargs.get("tensors"))
    several = list(first) if isinstance(first, list | tuple) else [first]
    if operation in _JOINS:
        return [item for item in several if isinstance(item, fx.Node)]
    if operation in ("add", "mul", "div", *_MAXIMA, *_MINIMA):
        return _operands(node, operation, sign)
    if isinstance(module, nn.Hardtanh) or operation in _MOST:
        place = _MOST.get(operation, (2, "max_val"))
        most = getattr(module, "max_val", _argument(node, *place))
        seen = sign > 0 and (most is None or _is_at_least_zero(most))
    elif isinstance(module, nn.Threshold) or operation == "threshold":
        value = getattr(module, "value", _argument(node, 2, "value"))
        seen = sign > 0 and _is_at_least_zero(value)
    elif operation == "pow":
        seen = sign > 0 and isinstance(_argument(node, 1, "exponent"), int | float)
    else:
        # Cubic interpolation overshoots.
        mode = getattr(module, "mode", _argument(node, 3, "mode"))
        seen = isinstance(module, _TRANSPARENT) or operation in _TRANSPARENT_NAMES
        seen = seen and mode != "bicubic"
    return [first] if seen and isinstance(first, fx.Node) else []


def _operands(node: fx.Node, operation: str, sign: int) -> list[fx.Node]:
    """The values among the two that are added, multiplied or compared; [] if a number is amiss."""
    if operation in ("max", "min") and not isinstance(_argument(node, 1, "other"), fx.Node):
        first = node.args[0] if node.args else None  # along an axis
        return [first] if isinstance(first, fx.Node) else []
    operands = [*node.args[:2], *(node.kwargs[k] for k in ("other",) if k in node.kwargs)]
    numbers = [item for item in operands if not isinstance(item, fx.Node)]
    wanted = sign if operation == "add" else 1
    if "alpha" in node.kwargs or not all(_is_at_least_zero(n, wanted) for n in numbers):
        return []
    return [item for item in operands if isinstance(item, fx.Node)]


def _is_product(node: fx.Node, operation: str) -> bool:
    """Whether ``node`` multiplies two values, or divides by one."""
    divisor = len(node.args) > 1 and isinstance(node.args[1], fx.Node)
    factors = sum(isinstance(item, fx.Node) for item in [*node.args, *node.kwargs.values()])
    return (operation == "mul" and factors > 1) or (operation == "div" and divisor)


def _operation(node: fx.Node) -> str:
    """What a function or method of torch is called out of place; "" if ``node`` calls no such."""
    name = ""
    if node.op == "call_method":
        name = str(node.target)
    elif node.op == "call_function":
        name = str(getattr(node.target, "__name__", ""))
        name = _MISNAMED.get(name, name)
        if not any(getattr(home, name, None) is node.target for home in _HOMES):
            return ""
    name = name.removesuffix("_")
    return _SAME.get(name, name)


def _argument(node: fx.Node, position: int, name: str, default: Any = None) -> Any:
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def _is_at_least_zero(number: Any, sign: int = 1) -> bool:
    return isinstance(number, int | float) and number * sign >= 0
