"""What the recipes on CIFAR-10 share."""

from __future__ import annotations

from typing import Any

from torch import nn

from .. import models
from ..jobs import Stage
from ..optim import split_parameters
from ..training import Gradient, Linear, Method, TrainingConfig

WIDTHS = (128, 64, 32, 16)
"""Channels of BinaryNet's first layer: as published, then for budgets."""


def stage(
    model: str,
    options: dict[str, Any],
    method: Method,
    *,
    batch_size: int,
    augment: bool = True,
    uniform: bool = False,
    **stage_options: Any,
) -> Stage:
    """A stage that trains a model of :mod:`bitgrove.models` on pictures of 32x32 pixels.

    Args:
        model: its name.
        options: its options, but for the width.
        method: what moves the parameters.
        batch_size: images per step.
        augment: shift by up to 4 pixels and mirror.
        uniform: draw latent weights evenly from [-1, 1], as BNN's code does.
        stage_options: of :class:`bitgrove.jobs.Stage`.
    """

    def create(width: int) -> nn.Module:
        network = models.create(model, num_classes=10, width=width, **options)
        if uniform:
            for latent in split_parameters(network)[0]:
                nn.init.uniform_(latent, -1, 1)
        return network

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
