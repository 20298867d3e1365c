"""Residual forests against convolutional heads on features of other pictures, as in the paper."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ... import data
from ...data import SegmentationData
from ..residual_forest._heads import Arm
from ..residual_forest._network import Backbone
from ..residual_forest.recipe import Study, compare
from ._backbone import train_elsewhere

BACKBONE_EPOCHS = 8

ARMS = (
    Arm(name="forest", title="Residual forest", kind="forest", lr=1.0, epochs=6, quantiles=True),
    Arm(name="linear", title="1x1 convolution", kind="linear", lr=0.1, epochs=12),
    Arm(name="convolution", title="Small FCN head", kind="convolution", lr=0.003, epochs=6),
)


def _train_backbone(
    scenes: SegmentationData, say: Callable[[str], None]
) -> tuple[Backbone, dict[str, Any]]:
    things = data.load_splits("tiny-imagenet")
    return train_elsewhere(things.train, things.validation, 0, BACKBONE_EPOCHS, say)


run = partial(
    compare,
    Study(
        "residual-forest-transfer", ARMS, _train_backbone, "trained on Tiny ImageNet, 200 classes"
    ),
)
