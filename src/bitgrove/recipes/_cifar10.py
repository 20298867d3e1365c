"""What the recipes on CIFAR-10 share."""

from __future__ import annotations

from typing import Any

from torch import nn

from .. import models
from ..jobs import Stage
from ..training import Gradient, Linear, Method, TrainingConfig

WIDTHS = (128, 64, 32, 16)
"""Channels of BinaryNet's first layer: as published, then for budgets."""

BINARYNET = ("binarynet", {})
XNORNET = ("xnornet_cifar10", {})


def stage(
    model: str,
    options: dict[str, Any],
    method: Method,
    *,
    batch_size: int,
    augment: bool = True,
    divide_width: int = 1,
    **stage_options: Any,
) -> Stage:
    """A stage that trains a model of :mod:`bitgrove.models` on pictures of 32x32 pixels.

    Args:
        model: its name.
        options: its options, but for the width.
        method: what moves the parameters.
        batch_size: images per step.
        augment: shift by up to 4 pixels and mirror.
        divide_width: the model's width is that of the study divided by this.
        stage_options: of :class:`bitgrove.jobs.Stage`.
    """

    def create(width: int) -> nn.Module:
        return models.create(model, num_classes=10, width=width // divide_width, **options)

    config = TrainingConfig(
        batch_size=batch_size,
        method=method,
        shift=0.125 if augment else 0.0,
        flip=augment,
    )
    return Stage(create=create, config=config, **stage_options)


def adam(lr: float) -> Method:
    """Adam with a rate that falls linearly to zero, latent weights clipped and not decayed."""
    return Method(real=Gradient(kind="adam", lr=Linear(lr)))
