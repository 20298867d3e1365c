"""Rastegari et al., XNOR-Net, ECCV 2016: binary weights, XNOR with and without the map K."""

from __future__ import annotations

from typing import Any

from ...jobs import Arm, Plan
from ...training import Gradient, Linear, Method
from .._cifar10 import WIDTHS, stage


def _arm(name: str, title: str, lr: float, options: dict[str, Any]) -> Arm:
    method = Method(real=Gradient(kind="adam", lr=Linear(lr)), centre=not options.get("real"))
    return Arm(
        name=name,
        title=title,
        paper="Rastegari et al., ECCV 2016",
        stages=(stage("xnornet_cifar10", options, method, batch_size=128),),
        epochs=200,
    )


FLOAT = _arm("float", "Float twin of BWN", 1e-3, {"weights_only": True, "real": True})
BWN = _arm("bwn", "BWN", 1e-3, {"weights_only": True})
XNOR = _arm("xnor", "XNOR-Net without K", 1e-3, {})
XNOR_K = _arm("xnor_k", "XNOR-Net with K", 1e-3, {"input_scale": True})
ARMS = (FLOAT, BWN, XNOR, XNOR_K)

PLAN = Plan(
    name="xnor-cifar10",
    title="BWN and XNOR-Net on CIFAR-10",
    dataset="cifar10",
    arms=ARMS,
    widths=WIDTHS,
    notes=(
        "The layers of BNN's network in XNOR-Net's order, first and last layer real. Latent "
        "weights are centred, then clipped, after every step; alpha is differentiated in full. "
        "Epochs and rates are ours: the paper trains on ImageNet in its published code."
    ),
)
