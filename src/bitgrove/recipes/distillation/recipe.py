"""Knowledge distillation from a float teacher, as Liu et al., ReActNet, ECCV 2020, use it."""

from __future__ import annotations

from dataclasses import replace

from ...jobs import Arm, Plan
from ...training import Distillation, Gradient, Linear, Method
from .._cifar10 import stage
from ..bireal_net import WIDTHS
from ..bireal_net.recipe import FLOAT, ONE_STEP

_METHOD = Method(real=Gradient(kind="adam", lr=Linear(1e-3)), loss=Distillation())
_BINARY = {"stem": "small"}

TAUGHT = Arm(
    name="taught",
    title="Bi-Real-18, taught by its float twin",
    paper="Hinton et al., 2015; Liu et al., ECCV 2020",
    stages=(
        replace(FLOAT.stages[0], share=0.4),
        stage("birealnet18", _BINARY, _METHOD, batch_size=128, share=0.6, teach=True),
    ),
    epochs=256,
)
ARMS = (ONE_STEP, TAUGHT)

PLAN = Plan(
    name="distil-cifar10",
    title="Distillation on CIFAR-10",
    dataset="cifar10",
    arms=ARMS,
    widths=WIDTHS,
    notes=(
        "Two fifths of the epochs train the float twin, whose weights the binary network starts "
        "from and whose answers alone it then follows."
    ),
)
