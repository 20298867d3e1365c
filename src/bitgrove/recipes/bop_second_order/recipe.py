"""Suárez-Ramírez et al., Bop and Beyond, 2021."""

from __future__ import annotations

from ...jobs import Arm, Plan
from ...training import Flips, Gradient, Linear, Method
from .._cifar10 import WIDTHS, stage


def _arm(name: str, title: str, published: float, *, unbiased: bool) -> Arm:
    method = Method(
        real=Gradient(kind="adam", lr=Linear(1e-2, 1e-3)),
        binary=Flips(
            threshold=Linear(1e-5, 1e-8),
            adaptivity_rate=Linear(1e-2, 1e-5),
            second_rate=Linear(1e-7, 1e-2),
            unbiased=unbiased,
        ),
    )
    return Arm(
        name=name,
        title=title,
        paper="Suárez-Ramírez et al., 2021",
        stages=(stage("binarynet", {"variant": "bop"}, method, batch_size=50, signed_pixels=True),),
        epochs=500,
        published=published,
        published_under=(
            "500 epochs of a network of width 128; from the description of the authors' code, "
            "which trains on all 50,000 images and judges on the test images; original pixels"
        ),
    )


BIASED = _arm("bop2", "Second-order Bop", 0.919, unbiased=False)
UNBIASED = _arm("bop2_unbiased", "Second-order Bop, unbiased", 0.914, unbiased=True)

PLAN = Plan(
    name="bop2-cifar10",
    title="Second-order Bop on CIFAR-10",
    dataset="cifar10",
    arms=(BIASED, UNBIASED),
    widths=WIDTHS,
    notes=(
        "Threshold 1e-5 to 1e-8, adaptivity rate 1e-2 to 1e-5 and second rate 1e-7 to 1e-2, all "
        "on a line over the run. The unbiased form is inferred from Adam's correction, because "
        "the published code lacks it."
    ),
)
