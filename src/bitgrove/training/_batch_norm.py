"""Statistics of batch norms, measured anew."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..data import ImageData
from ..runtime import Preprocessing
from ._batches import Batches


def reestimate_batch_norm(
    model: nn.Module,
    data: ImageData,
    preprocessing: Preprocessing,
    *,
    batch_size: int = 128,
    seed: int = 0,
) -> None:
    """Replace the running mean and variance of every batch norm by averages over ``data``.

    Running statistics follow the weights with a delay, and a bit that turns moves a mean by a step;
    averages over one pass with the final weights do not lag. Nothing else of the model changes.

    Source: the retraining of batch norms at the end of Liu et al., Bi-Real Net, ECCV 2018, of which
    this is the part without gradients.

    Args:
        model: maps ``float32[b, c, h, w]`` to anything.
        data: training images, in an order of their own and without shifts; at least 2.
        preprocessing: that of training.
        batch_size: images per batch, 2 or more; every batch counts the same.
        seed: of the order.

    >>> from bitgrove import data
    >>> digits = data.load("digits")
    >>> model = nn.Sequential(nn.BatchNorm2d(1))
    >>> reestimate_batch_norm(model, digits, digits.preprocessing())
    >>> model[0].running_mean.abs().item() < 0.01
    True
    """
    if len(data) < 2:
        raise ValueError(f"batch statistics need at least 2 images, got {len(data)}")
    first = next(model.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    batches = Batches(
        data, preprocessing, batch_size=batch_size, shuffle=True, seed=seed, device=device
    )
    _average(model, (images for images, _ in batches))


@torch.no_grad()
def _average(model: nn.Module, batches: Iterable[Tensor]) -> None:
    modes = [(module, module.training) for module in model.modules()]
    norms = [
        (module, module.momentum)
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    ]
    try:
        model.eval()  # dropout and stochastic signs too
        for norm, _ in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average
            norm.train()
        for images in batches:
            model(images)
    finally:
        for norm, momentum in norms:
            norm.momentum = momentum
        for module, mode in modes:
            module.training = mode
