"""Every binary method on CIFAR-10 under one protocol, with its float twin."""

from __future__ import annotations

from dataclasses import replace

from ...jobs import Arm, Plan
from ...training import Constant, Flips, Gradient, Linear, Method
from .. import bnn, bop, bop_second_order
from .._cifar10 import stage
from ..bireal_net import recipe as bireal
from ..xnor_net import recipe as xnor

WIDTHS = (128, 64, 32, 16)

_EPOCHS = 100
_BATCH = 100
_RATE = 5e-3
"""Adam's first rate, for all arms but those that binarise BinaryNet's way: theirs is 0.01."""

_BINARYNET = Gradient(kind="adam", lr=Linear(0.01))


def _arm(
    name: str,
    title: str,
    paper: str,
    options: dict[str, object],
    method: Method,
    published: float | None = None,
) -> Arm:
    return Arm(
        name=name,
        title=title,
        paper=paper,
        stages=(stage("binarynet", {"variant": "bop", **options}, method, batch_size=_BATCH),),
        epochs=_EPOCHS,
        published=published,
        published_under="500 epochs of a network of width 128" if published else "",
    )


def _alike(arm: Arm, *, divide_width: int = 1) -> Arm:
    """An arm of another recipe with the batch size, epochs and rate of this one."""
    stages = tuple(
        replace(
            one,
            config=replace(
                one.config,
                batch_size=_BATCH,
                method=replace(
                    one.config.method, real=replace(one.config.method.real, lr=Linear(_RATE))
                ),
            ),
            create=lambda width, create=one.create: create(width // divide_width),
        )
        for one in arm.stages
    )
    return replace(arm, stages=stages, epochs=_EPOCHS)


ARMS = (
    _arm(
        "float",
        "Float twin of BinaryNet",
        "its shape, with ReLU",
        {"real": True},
        Method(real=Gradient(kind="adam", lr=Linear(_RATE))),
    ),
    _alike(xnor.BWN),
    _alike(xnor.XNOR),
    _alike(xnor.XNOR_K),
    _arm(
        "bnn",
        "BNN, latent weights with Adam",
        "Hubara et al., NeurIPS 2016",
        {},
        Method(real=_BINARYNET, binary=Gradient(kind="adam", lr=Linear(1e-3), glorot=True)),
        published=bnn.ARM.published,
    ),
    _arm(
        "bop",
        "Bop",
        "Helwegen et al., NeurIPS 2019",
        {},
        Method(
            real=_BINARYNET,
            binary=Flips(threshold=Constant(1e-7), adaptivity_rate=Linear(1e-3, 1e-4)),
        ),
        published=bop.BOP.published,
    ),
    _arm(
        "bop2",
        "Second-order Bop",
        "Suárez-Ramírez et al., 2021",
        {},
        Method(
            real=_BINARYNET,
            binary=Flips(
                threshold=Linear(1e-3, 1e-5),
                adaptivity_rate=Linear(1e-2, 1e-4),
                second_rate=Linear(1e-3, 1e-2),
            ),
        ),
        published=bop_second_order.BIASED.published,
    ),
    _alike(bireal.FLOAT, divide_width=2),
    _alike(bireal.ONE_STEP, divide_width=2),
    _alike(bireal.TWO_STEP, divide_width=2),
)

PLAN = Plan(
    name="binary-cifar10",
    title="Binary methods on CIFAR-10, side by side",
    dataset="cifar10",
    arms=ARMS,
    widths=WIDTHS,
    notes=(
        "One protocol for all: the same split, batches of 100, shifts, mirroring and number of "
        "epochs. Rates, threshold and adaptivity rates suit runs of a few epochs at a width of 16; "
        "they were chosen on the validation images by runs of two or three epochs with one seed, "
        "of which Adam's rate had two or three candidates, Bop six, second-order Bop four. The "
        "papers' own settings are in the recipe of each. The network of float, BNN and Bop is "
        "BinaryNet in Bop's form, all layers binary; that of BWN and XNOR-Net has the same layers "
        "in their order, first and last layer real; Bi-Real is ResNet-18 with half the width, "
        "first and last layer and downsampling real. So the arms differ in more than the method."
    ),
)
