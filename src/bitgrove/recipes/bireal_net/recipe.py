"""Liu et al., Bi-Real Net, ECCV 2018: from scratch, and by way of real networks."""

from __future__ import annotations

from typing import Any

from ...jobs import Arm, Plan, Stage
from .._cifar10 import adam, stage

WIDTHS = (64, 32, 16, 8)
"""Channels of ResNet-18's first stage."""

_PAPER = "Liu et al., ECCV 2018"


def _stage(real: str | bool, lr: float, **options: Any) -> Stage:
    return stage(
        "birealnet18", {"stem": "small", "real": real}, adam(lr), batch_size=128, **options
    )


FLOAT = Arm(
    name="bireal_float",
    title="Float twin of Bi-Real-18",
    paper=_PAPER,
    stages=(_stage("relu", 1e-3),),
    epochs=256,
)
ONE_STEP = Arm(
    name="bireal",
    title="Bi-Real-18, from scratch",
    paper=_PAPER,
    stages=(_stage(False, 1e-3),),
    epochs=256,
)
TWO_STEP = Arm(
    name="bireal_two_step",
    title="Bi-Real-18, from a real network",
    paper=_PAPER,
    stages=(
        _stage("relu", 1e-3, share=0.25),
        _stage("leaky_clip", 1e-3, share=0.1),
        _stage("clip", 1e-3, share=0.1),
        _stage(False, 1e-3, share=0.55),
    ),
    epochs=256,
    reestimate=True,
)
ARMS = (FLOAT, ONE_STEP, TWO_STEP)

PLAN = Plan(
    name="bireal-cifar10",
    title="Bi-Real Net on CIFAR-10",
    dataset="cifar10",
    arms=ARMS,
    widths=WIDTHS,
    notes=(
        "ResNet-18 for pictures of 32 pixels: a 3x3 stem without pooling. In two steps a quarter "
        "of the epochs goes to ReLU, a tenth each to leaky clip and clip, the rest to signs, and "
        "the batch norms are measured anew at the end. The paper has no figure for CIFAR-10; "
        "epochs, rates and shares are ours."
    ),
)
