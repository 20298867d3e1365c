"""Fern convolutions against XNOR-Net and real ones on patches of lung tissue, of one shape."""

from __future__ import annotations

from typing import Any

from torch import nn

from ... import models
from ...jobs import Arm, Plan, Stage
from ...training import Gradient, Linear, Method, TrainingConfig

_PAPER = "Blendowski and Heinrich, MIDL 2020"
_UNDER = (
    "tumour or none on patches of TUPAC16; number of ferns, their depth, optimiser, epochs, patch "
    "size and split are not published, nor a spread"
)
WIDTHS = (64, 32, 16)


def arms(classes: int, epochs: int, *, published: bool) -> tuple[Arm, ...]:
    """Ferns, XNOR-Net and real convolutions under one protocol."""

    def arm(name: str, title: str, options: dict[str, Any], accuracy: float) -> Arm:
        def create(width: int) -> nn.Module:
            return models.create("fernnet", num_classes=classes, width=width, **options)

        config = TrainingConfig(
            batch_size=64,
            method=Method(real=Gradient(kind="adam", lr=Linear(2e-3))),
            flip=True,
        )
        return Arm(
            name=name,
            title=title,
            paper=_PAPER,
            stages=(Stage(create=create, config=config),),
            epochs=epochs,
            published=accuracy if published else None,
            published_under=_UNDER if published else "",
        )

    return (
        arm("fern", "Fern convolutions", {"gradient": "efd"}, 0.8397),
        arm("xnor", "XNOR-Net", {"layers": "xnor"}, 0.8266),
        arm("float", "Real convolutions", {"real": True}, 0.8423),
    )


NOTES = (
    "Three convolutions of 64 channels with strides of 2, pictures of 48x48 pixels. Ferns: 12 of "
    "depth 4 in each layer, tests drawn at random. XNOR-Net: first and last layer real. The source "
    "holds about 20 copies of each photograph; all parts are made of whole groups of like colours. "
    "Accuracies are not those of TUPAC16 and not comparable with them."
)

PLAN = Plan(
    name="fern-histology",
    title="Ferns against XNOR-Net and real convolutions on lung tissue: three classes",
    dataset="lc25000-small",
    arms=arms(3, 10, published=False),
    widths=WIDTHS,
    notes=NOTES,
)
