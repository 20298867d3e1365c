"""Helwegen et al., Latent Weights Do Not Exist, NeurIPS 2019, sec. 5.2, and its latent baseline."""

from __future__ import annotations

from ...jobs import Arm, Plan
from ...training import Constant, Flips, Gradient, Method, Staircase
from .._cifar10 import WIDTHS, stage

_PAPER = "Helwegen et al., NeurIPS 2019"

BOP = Arm(
    name="bop",
    title="Bop",
    paper=_PAPER,
    stages=(
        stage(
            "binarynet",
            {"variant": "bop"},
            Method(
                real=Gradient(kind="adam", lr=Constant(0.01)),
                binary=Flips(
                    threshold=Constant(1e-8), adaptivity_rate=Staircase(1e-4, 0.1, parts=5)
                ),
            ),
            batch_size=50,
            signed_pixels=True,
        ),
    ),
    epochs=500,
    published=0.913,
    published_under=(
        "500 epochs of a network of width 128; trained on all 50,000 images and judged on the test "
        "images, of the original pixels, padded with zeros before they were cropped"
    ),
)

LATENT = Arm(
    name="latent",
    title="Latent weights, Adam",
    paper=f"{_PAPER}, the baseline of its code",
    stages=(
        stage(
            "binarynet",
            {"variant": "bop", "weight_estimator": "clipped"},
            Method(real=Gradient(kind="adam", lr=Constant(5e-3))),
            batch_size=256,
            signed_pixels=True,
        ),
    ),
    epochs=100,
)

PLAN = Plan(
    name="bop-cifar10",
    title="Bop against latent weights on CIFAR-10",
    dataset="cifar10",
    arms=(BOP, LATENT),
    widths=WIDTHS,
    notes=(
        "BinaryNet in Bop's form: first convolution without padding, batch norms without scale. "
        "Bop: threshold 1e-8, adaptivity rate 1e-4 divided by 10 after every fifth of the run."
    ),
)
