"""Packing: trace a torch model, fold what folds, write every binary weight as one bit."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..runtime import Artifact, Graph, Preprocessing
from ._trace import trace
from ._walk import Walk


def pack(
    model: nn.Module,
    example_input: Tensor,
    *,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
) -> Artifact:
    """Turn a trained torch model into a packed one.

    The model is traced in eval mode and is not changed. Binary weights become one bit each; a batch
    norm after a convolution becomes its scale and bias; batch norms and activations that only signs
    read become their thresholds, exactly (``gamma`` negative or zero too). The embedding is what
    the last linear layer reads, or the output if the model does not end in one (and in a batch
    norm).

    Args:
        model: maps ``float32[n, c, h, w]`` to logits ``float32[n, classes]`` or to a map; built of
            the layers of ``bitgrove.nn`` and of the common ones of torch, without control flow
            that depends on data. Series ``[n, c, l]`` and volumes ``[n, c, d, h, w]`` as well.
        example_input: one batch, for its shape; the packed model takes images of this size.
        labels: names of the logits, in order.
        preprocessing: how a picture becomes the model's input.

    Returns:
        The packed model; ``.save("model.grove")`` writes it.

    Raises:
        ValueError: the model holds an operator that has no packed form; the message names the
            layer, the operator, and those that have one.

    >>> import torch
    >>> import bitgrove as bg
    >>> model = bg.models.create("birealnet_small", num_classes=3, width=8)
    >>> artifact = pack(model, torch.zeros(1, 1, 8, 8))
    >>> bg.runtime.Session(artifact).run(torch.zeros(2, 1, 8, 8).numpy()).shape
    (2, 3)
    """
    if not 3 <= example_input.ndim <= 5:
        raise ValueError(
            "example_input must have shape (n, c, h, w), or (n, c, l) or (n, c, d, h, w), got "
            f"{tuple(example_input.shape)}"
        )
    shape = tuple(example_input.shape[1:])
    training = {module: module.training for module in model.modules()}
    try:
        model.eval()
        walk = Walk(trace(model, example_input), len(shape) - 1)
        walk.run()
    finally:
        for module, mode in training.items():
            module.training = mode
    graph = Graph(shape, tuple(walk.emit.nodes), walk.logits, walk.embedding)
    return Artifact(graph, list(labels) if labels is not None else None, preprocessing)
