"""Hubara et al., Binarized Neural Networks, NeurIPS 2016: the Theano recipe for CIFAR-10."""

from __future__ import annotations

from ...jobs import Arm, Plan
from ...training import Exponential, Gradient, Method, SquaredHinge
from .._cifar10 import WIDTHS, stage

_RATE = Exponential(1e-3, 3e-7)

ARM = Arm(
    name="bnn",
    title="BNN",
    paper="Hubara et al., NeurIPS 2016",
    stages=(
        stage(
            "binarynet",
            {"variant": "bnn"},
            Method(
                real=Gradient(kind="adam", lr=_RATE),
                binary=Gradient(kind="adam", lr=_RATE, glorot=True),
                loss=SquaredHinge(),
            ),
            batch_size=50,
            augment=False,
            uniform=True,
            signed_pixels=True,
        ),
    ),
    epochs=500,
    published=0.8860,
    published_under=(
        "500 epochs of a network of width 128; 11.40 % error in the description of the authors' "
        "code; the original pixels"
    ),
)

PLAN = Plan(
    name="bnn-cifar10",
    title="BNN on CIFAR-10",
    dataset="cifar10",
    arms=(ARM,),
    widths=WIDTHS,
    notes=(
        "Deterministic signs in both directions; no augmentation; Adam with a rate that falls by "
        "equal factors from epoch to epoch, multiplied by the Glorot coefficient for latent "
        "weights; squared hinge loss; validation chose the epoch, as in the authors' code."
    ),
)
