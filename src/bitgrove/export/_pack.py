"""Packing: trace a torch model, fold what folds, write every binary weight as one bit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from ..nn import BinaryLayer
from ..runtime import Artifact, Graph, Preprocessing, RealDtype, check_real_dtype
from ._trace import result_shape, trace
from ._walk import Walk

_AXES = {3: "(n, c, l)", 4: "(n, c, h, w)", 5: "(n, c, d, h, w)"}


def pack(
    model: nn.Module,
    example_input: Tensor,
    *,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    real_dtype: RealDtype = "float32",
) -> Artifact:
    """Turn a trained torch model into a packed one.

    The model is traced in eval mode and is not changed. Binary weights become one bit each; a batch
    norm after a convolution becomes its scale and bias; batch norms and activations that only signs
    read become their thresholds, exactly (``gamma`` negative or zero too). Scales of 1 and biases
    of 0 are left out, and what would be there twice is stored once. The embedding is what the last
    linear layer reads, or the output if the model does not end in one (and in a batch norm).

    Args:
        model: maps ``float32[n, c, h, w]`` to logits ``float32[n, classes]`` or to a map; built of
            the layers of ``bitgrove.nn`` and of the common ones of torch, without control flow
            that depends on data. Series ``[n, c, l]`` and volumes ``[n, c, d, h, w]`` as well. In
            float32, on the CPU.
        example_input: one batch in float32, for its shape; the packed model takes images of this
            size.
        labels: names of the logits, in order, each once.
        preprocessing: how a picture becomes the model's input.
        real_dtype: what real numbers are stored as, ``"float32"`` or ``"float16"``; see
            :meth:`Artifact.with_real_dtype` for what the halved room costs.

    Returns:
        The packed model; ``.save("model.grove")`` writes it.

    Raises:
        TypeError: ``example_input`` is no float32 tensor, the model is in another precision, or
            ``labels`` are no names.
        ValueError: the model holds an operator that has no packed form (the message names the
            layer, the operator, and those that have one) or a layer with NaN, or does not run on
            ``example_input``; or ``labels`` are not one for each logit; or ``real_dtype`` is none.

    >>> import torch
    >>> import bitgrove as bg
    >>> model = bg.models.create("birealnet_small", num_classes=3, width=8)
    >>> artifact = pack(model, torch.zeros(1, 1, 8, 8))
    >>> bg.runtime.Session(artifact).run(torch.zeros(2, 1, 8, 8).numpy()).shape
    (2, 3)
    """
    check_real_dtype(real_dtype)
    _check_example(example_input)
    _check_model(model)
    _check_axes(model, example_input)
    names = None if labels is None else _names(labels)
    shape = tuple(example_input.shape[1:])
    training = {module: module.training for module in model.modules()}
    try:
        model.eval()
        traced = trace(model, example_input)
        walk = Walk(traced, len(shape) - 1)
        walk.run()
    finally:
        for module, mode in training.items():
            module.training = mode
    if names is not None and len(names) != (logits := result_shape(traced)[1:].numel()):
        raise ValueError(
            f"labels has {len(names)} name{'' if len(names) == 1 else 's'}, the model returns "
            f"{logits} numbers for an image: one label for each is needed"
        )
    nodes = tuple(node.without_neutral(walk.emit.axes) for node in walk.emit.nodes)
    graph = Graph(shape, nodes, walk.logits, walk.embedding)
    return Artifact(graph.with_real_dtype(real_dtype), names, preprocessing, link=walk.link)


def _check_example(example: Tensor) -> None:
    if not isinstance(example, Tensor):
        way_out = "torch.zeros(1, 3, 32, 32), say"
        if hasattr(example, "__array__"):
            way_out = "torch.from_numpy(example_input)"
        raise TypeError(
            f"example_input must be a torch tensor, got {type(example).__name__}; give {way_out}"
        )


def _check_model(model: nn.Module) -> None:
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise TypeError(
                f"the model must be float32, but {name} is {_name(tensor.dtype)}; call "
                "model.float() before packing"
            )
        if tensor.device.type != "cpu":
            raise ValueError(
                f"the model must be on the CPU, but {name} is on {tensor.device}; call model.cpu() "
                "before packing"
            )


def _check_axes(model: nn.Module, example: Tensor) -> None:
    """The example has a batch axis; the convolutions tell it from the others."""
    if example.dtype != torch.float32:
        raise TypeError(
            f"example_input must be float32, got {_name(example.dtype)}; use example_input.float()"
        )
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d, BinaryLayer)
    taken = {m.weight.ndim for m in model.modules() if isinstance(m, kinds)} & _AXES.keys()
    if example.ndim in (taken or _AXES):
        return
    way_out = "; use example_input[None] for one image" if example.ndim + 1 in taken else ""
    wanted = " or ".join(_AXES[count] for count in sorted(taken or _AXES))
    raise ValueError(
        f"example_input must be one batch of shape {wanted}, got {tuple(example.shape)}{way_out}"
    )


def _names(labels: Sequence[str]) -> list[str]:
    if isinstance(labels, str):
        raise TypeError(f"labels must be a list of names, got the string {labels!r}")
    names = list(labels)
    for number, name in enumerate(names):
        if not isinstance(name, str):
            raise TypeError(f"labels must be names, but label {number} is {type(name).__name__}")
        if name in names[:number]:
            raise ValueError(f"{name!r} is twice among labels, and an answer could not be told")
    return names


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
