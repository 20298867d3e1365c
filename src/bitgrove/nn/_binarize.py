"""Turn a real model's convolutions into binary ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import fx, nn

from ._binarize_graph import BATCH_NORMS, LayerTracer, Surgeon
from ._binarize_norm import norm_of_features
from ._binarize_report import Action, BinarizationChange, BinarizationReport, attach_report
from ._binarize_rest import reason_without_form
from ._conv import BinaryConv1d, BinaryConv2d, BinaryConv3d
from ._convnd import BinaryConvNd
from ._layer import BinaryLayer
from ._linear import BinaryLinear
from ._scale import SIZED, Scale
from ._sign import Estimator

Skip = str | Iterable[str] | Callable[[str, nn.Module], bool]

_CONVOLUTIONS: dict[type[nn.Module], type[BinaryConvNd]] = {
    nn.Conv1d: BinaryConv1d,
    nn.Conv2d: BinaryConv2d,
    nn.Conv3d: BinaryConv3d,
}
_REAL = (*_CONVOLUTIONS, nn.Linear)

_SHORTCUT = "a shortcut itself"
"""Why a layer stays real that reads past a ReLU, as in Bi-Real Net, once a sign reads it too."""


def binarize_model(
    model: nn.Module,
    skip: Skip = (),
    *,
    input_estimator: str | Estimator = "approx",
    weight_estimator: str | Estimator = "clipped",
    pad_value: float = -1.0,
    scale: Scale | None = None,
    shortcut: bool = True,
    linear: bool = False,
    depthwise: bool = False,
    keep_ends: bool = True,
) -> fx.GraphModule:
    """A copy of a real model with binary convolutions, ready to be trained further.

    Real weights become latent weights as they are. The model is traced by ``torch.fx`` and changed
    as Bi-Real Net is built:

    - ReLU and its like (``clamp`` and ``Threshold`` at 0 or more, sigmoid, softplus, hardswish)
      before a sign would leave nothing negative and every sign +1. They are removed, but for other
      layers that read them and stay real. They are seen through pooling, dropout, padding,
      upsampling, the mean, the sum and the extremes along an axis, all kinds of reshaping,
      permuting, splitting and indexing, a product with a number that is not negative, a ``clamp``
      at 0 or more from above, sums of which all summands are such, and concatenation, each branch
      by itself. What else is never negative stays (softmax, ``abs``, ``exp``, a norm, a square, a
      power, the product of two such values, as in a squeeze-and-excitation gate after a ReLU), or
      never positive (log-sigmoid, log-softmax): the report has a ``"warning"``.
    - A binary layer is followed by a batch norm: the one that was there, or a new one whose shift
      is the layer's bias. A bias before a batch norm is dropped, since the norm subtracts it.
    - With ``shortcut`` every binary convolution that keeps the shape of its input gets a shortcut
      around itself and its norm. A shortcut around two such layers, as in a residual network's
      basic block, moves to the first, so that no value is added twice.

    The first and the last convolution or linear layer, in order of execution, stay real, as do 1x1
    convolutions that are themselves the shortcut of others, depthwise ones, and all that has no
    binary form: transposed convolutions, attention, functions such as ``F.conv2d``. All this is
    told by :func:`bitgrove.nn.binarization_report`. The statistics of the batch norms belong to the
    real model; train the copy, or run it in training mode on some batches, before it is evaluated.

    Source: Liu et al., Bi-Real Net, ECCV 2018; Rastegari et al., XNOR-Net, ECCV 2016 (real ends).

    Args:
        model: a real model that ``torch.fx`` can trace; it is not changed.
        skip: what else stays real: names of modules (with everything inside), or patterns such as
            ``"layer1.*"``, or a function of name and module. A name that fits nothing is refused.
        input_estimator: as of :class:`bitgrove.nn.BinaryConv2d`.
        weight_estimator: the same for the weights.
        pad_value: what the border of the binary convolutions holds: -1, 0 or +1.
        scale: ``None``, ``"channel"`` or ``"learned"``.
        shortcut: add and move shortcuts.
        linear: make linear layers binary too; their input must then be ``(n, features)`` or tokens,
            ``(n, length, features)``. A norm that is added is over the features.
        depthwise: make depthwise convolutions binary too.
        keep_ends: leave the first and the last layer real.

    Returns:
        A ``torch.fx.GraphModule`` in which modules keep their names. Its ``state_dict`` is how it
        is saved; make the model anew with the same arguments to load it.

    Raises:
        ValueError: the model cannot be traced, an argument is out of its range, ``skip`` names
            what is not there, or nothing is left to be binary.

    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
    ...     nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
    ...     nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    ... )
    >>> from bitgrove.nn import binarization_report
    >>> print(binarization_report(binarize_model(net)))
    module  became              note
    0       real                the first layer
    3       binary              was Conv2d; its bias is dropped
    8       real                the last layer
    2       activation removed  3 takes the sign of what it would have cut
    3       shortcut added      around the layer and its batch norm
    """
    if scale in SIZED:
        raise ValueError(f"scale {scale!r} needs output sizes; use None, 'channel' or 'learned'")
    traced = _trace(copy.deepcopy(model))
    surgeon, changes = Surgeon(traced), _Changes()
    options = {
        "input_estimator": input_estimator,
        "weight_estimator": weight_estimator,
        "scale": scale,
    }
    kept = _reasons_to_stay_real(surgeon, skip, linear, depthwise, keep_ends)
    real = set[fx.Node]()
    for node in list(traced.graph.nodes):
        name, module = surgeon.name(node), cast(Any, surgeon.module(node))
        if not isinstance(module, _REAL):
            reason = reason_without_form(node, module)
            if reason is not None:
                real.add(node)
                changes.note(name, "real", reason)
        elif name in kept:
            if kept[name] != _SHORTCUT:
                real.add(node)
            changes.note(name, "real", kept[name])
        else:
            bias = _fate_of_bias(surgeon, node, module)
            traced.set_submodule(name, _binary_twin(module, options, pad_value))
            changes.note(name, "binary", f"was {type(module).__name__}{bias}")
            _give_norm(surgeon, node, module, changes)
    if not changes.of("binary"):
        raise ValueError(f"nothing is left to be binary; all stays real:\n{changes.report()}")
    ours = changes.of("binary")
    binary = [node for node in surgeon.calls(BinaryLayer) if str(node.target) in ours]
    _remove_rectifiers(surgeon, binary, real, changes)
    _warn(surgeon, binary, changes)
    if shortcut:
        for node in reversed(binary):
            _give_shortcut(surgeon, node, changes)
    traced.graph.lint()
    traced.delete_all_unused_submodules()
    traced.recompile()
    attach_report(traced, changes.report())
    return traced


class _Changes:
    def __init__(self) -> None:
        self._changes: list[BinarizationChange] = []

    def note(self, name: str, action: Action, detail: str) -> None:
        change = BinarizationChange(name, action, detail)
        if change not in self._changes:  # a module may be called twice
            self._changes.append(change)

    def of(self, action: Action) -> tuple[str, ...]:
        return self.report().names(action)

    def report(self) -> BinarizationReport:
        return BinarizationReport(tuple(self._changes))


def _trace(model: nn.Module) -> fx.GraphModule:
    try:
        traced = fx.GraphModule(model, LayerTracer().trace(model))
    except Exception as error:
        raise ValueError(
            f"torch.fx cannot trace this model ({type(error).__name__}: {error}); keep branches "
            "that depend on values out of forward, or hand in its traceable parts one by one: "
            "model.features = binarize_model(model.features)"
        ) from error
    for node in traced.graph.nodes:
        if node.target is F.dropout and node.op == "call_function":
            raise ValueError(
                "the model calls torch.nn.functional.dropout, whose 'training' torch.fx would "
                "freeze; use the module nn.Dropout"
            )
    return traced


def _reasons_to_stay_real(
    surgeon: Surgeon, skip: Skip, linear: bool, depthwise: bool, keep_ends: bool
) -> dict[str, str]:
    calls: dict[str, list[fx.Node]] = {}
    for node in surgeon.calls(_REAL):
        calls.setdefault(str(node.target), []).append(node)
    names = list(calls)
    modules: dict[str, Any] = {name: surgeon.model.get_submodule(name) for name in names}
    kept: dict[str, str] = {}
    for node in surgeon.calls(_REAL):
        module = modules[str(node.target)]
        if len(calls[str(node.target)]) > 1:
            kept[str(node.target)] = "called more than once"
        elif isinstance(module, nn.Linear):
            if not linear:
                kept[str(node.target)] = "linear; linear=True makes it binary"
        elif not depthwise and module.groups == module.in_channels > 1:
            kept[str(node.target)] = "depthwise; depthwise=True makes it binary"
        elif module.padding_mode != "zeros" or _padding(module) is None:
            kept[str(node.target)] = "its padding has no binary form"
        elif _is_shortcut(surgeon, node, module):
            kept[str(node.target)] = _SHORTCUT
    if keep_ends and names:
        kept[names[-1]] = "the last layer"
        kept[names[0]] = "the first layer"
    return kept | dict.fromkeys(_skipped(skip, surgeon.model, modules), "skipped")


def _skipped(skip: Skip, model: nn.Module, modules: dict[str, Any]) -> list[str]:
    if callable(skip):
        return [name for name, module in modules.items() if skip(name, module)]
    patterns = [skip] if isinstance(skip, str) else list(skip)
    found = []
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name, _ in model.named_modules()):
            raise ValueError(
                f"skip {pattern!r} fits no module; layers with weights: {', '.join(modules)}"
            )
        for name in modules:
            parts = name.split(".")
            paths = (".".join(parts[: i + 1]) for i in range(len(parts)))
            if any(fnmatchcase(path, pattern) for path in paths):
                found.append(name)
    return found


def _is_shortcut(surgeon: Surgeon, node: fx.Node, module: Any) -> bool:
    """Whether a 1x1 convolution runs past another layer that reads the same value, to be added."""
    addition = surgeon.addition(surgeon.norm_after(node) or node)
    if addition is None or not _is_point(module):
        return False
    origin = surgeon.before_pooling(node.all_input_nodes[0])
    for summand in surgeon.summands(addition):
        other = surgeon.producer(summand, (BinaryLayer, *_REAL))
        if other is not None and other is not node:
            theirs = other.all_input_nodes[0]
            beside = theirs is origin and _is_point(surgeon.module(other))
            return surgeon.depends(theirs, origin) and not beside
    return False


def _is_point(module: Any) -> bool:
    return all(size == 1 for size in getattr(module, "kernel_size", (1,)))


def _padding(module: Any) -> tuple[int, ...] | None:
    """Elements added on both sides; None where the sides differ."""
    if not isinstance(module.padding, str):
        return tuple(module.padding)
    if module.padding == "valid":
        return (0,) * len(module.kernel_size)
    reach = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    return None if any(total % 2 for total in reach) else tuple(total // 2 for total in reach)


def _binary_twin(module: Any, options: dict[str, Any], pad_value: float) -> BinaryLayer:
    weight: nn.Parameter = module.weight
    if isinstance(module, nn.Linear):
        twin = BinaryLinear(module.in_features, module.out_features, **options)
    else:
        make = next(ours for theirs, ours in _CONVOLUTIONS.items() if isinstance(module, theirs))
        window = ("in_channels", "out_channels", "kernel_size", "stride", "dilation", "groups")
        options = options | {name: getattr(module, name) for name in window}
        twin = make(**options, padding=_padding(module) or 0, pad_value=pad_value)
    twin.to(device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        twin.weight.copy_(weight)
    twin.weight.requires_grad_(weight.requires_grad)
    return twin.train(bool(module.training))


def _fate_of_bias(surgeon: Surgeon, node: fx.Node, module: Any) -> str:
    if module.bias is None:
        return ""
    normed = surgeon.norm_after(node) is not None
    return "; its bias is dropped" if normed else "; its bias went to its batch norm"


def _give_norm(surgeon: Surgeon, node: fx.Node, module: Any, changes: _Changes) -> None:
    if surgeon.norm_after(node) is not None:
        return
    features = module.weight.shape[0]
    if isinstance(module, nn.Linear):
        norm: Any = norm_of_features(features)
    else:
        norm = BATCH_NORMS[len(module.kernel_size) - 1](features)
    norm.to(module.weight)
    if module.bias is not None:
        with torch.no_grad():
            norm.bias.copy_(module.bias)
    name = f"{node.target}_norm"
    surgeon.insert_after(node, name, norm.train(module.training))
    changes.note(name, "batch norm added", f"none followed {node.target}")


def _remove_rectifiers(
    surgeon: Surgeon, binary: list[fx.Node], real: set[fx.Node], changes: _Changes
) -> None:
    for node in binary:
        while found := surgeon.rectifiers(node.all_input_nodes[0]):  # there may be one behind it
            for relu in found:
                name = surgeon.name(relu)
                detail = f"{node.target} takes the sign of what it would have cut"
                still = surgeon.remove(relu, real)
                if still:
                    detail += f"; it stays for {', '.join(still)}"
                changes.note(name, "activation removed", detail)


def _warn(surgeon: Surgeon, binary: list[fx.Node], changes: _Changes) -> None:
    for node in binary:
        for sign, word in ((1, "negative"), (-1, "positive")):
            for cause in surgeon.one_sided(node.all_input_nodes[0], sign):
                changes.note(
                    str(node.target),
                    "warning",
                    f"what {surgeon.name(cause)} gives it is never {word}, so those signs are all "
                    f"{sign:+}: put a batch norm before it",
                )


def _give_shortcut(surgeon: Surgeon, node: fx.Node, changes: _Changes) -> None:
    layer = surgeon.module(node)
    if not isinstance(layer, BinaryConvNd) or not _keeps_shape(layer):
        return
    name, x = str(node.target), node.all_input_nodes[0]
    normed = surgeon.norm_after(node) or node
    addition = surgeon.addition(normed)
    if addition is None:
        readers = list(normed.users)
        new = surgeon.add(normed, x)
        for reader in readers:
            reader.replace_input_with(normed, new)
        changes.note(name, "shortcut added", "around the layer and its batch norm")
        return
    before = surgeon.producer(x, (BinaryLayer, *_REAL))
    if before is None or len(x.users) > 1:
        return  # the shortcut is its own, or comes from where it cannot be moved further up
    surgeon.move_shortcut_before(node, addition)
    changes.note(name, "shortcut added", "around the layer and its batch norm")
    changes.note(str(before.target), "shortcut moved", f"it ended after {name}")


def _keeps_shape(layer: BinaryConvNd) -> bool:
    reach = zip(layer.padding, layer.dilation, layer.kernel_size, strict=True)
    return (
        layer.in_channels == layer.out_channels
        and all(stride == 1 for stride in layer.stride)
        and all(2 * padding == dilation * (kernel - 1) for padding, dilation, kernel in reach)
    )
