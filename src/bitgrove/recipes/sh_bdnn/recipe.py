"""SH-BDNN against supervised discrete hashing and CCA-ITQ, with classes as the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...data import gist
from ...hashing import (
    CCAITQ,
    SHBDNN,
    ClassCodes,
    SupervisedDeepHashing,
    SupervisedDiscreteHashing,
)
from ...metrics import SplitRule
from .._hash_codes import NETWORK, Method, Study, keeping, network_features, run_table, tasks

STUDY = Study(
    name="sh-bdnn",
    title="SH-BDNN and other supervised hash codes",
    methods=(
        Method(
            name="sh-bdnn",
            title="SH-BDNN",
            make=lambda bits, seed, precision: SHBDNN(
                bits,
                precision="float32" if precision == "float32" else "float64",
                rescale=True,
                random_state=seed,
                verbose=True,
            ),
        ),
        Method(
            name="sdh",
            title="SDH (Shen)",
            make=lambda bits, seed, _: SupervisedDiscreteHashing(bits, random_state=seed),
        ),
        Method(
            name="cca-itq",
            title="CCA-ITQ",
            make=lambda bits, seed, _: CCAITQ(bits, random_state=seed),
        ),
        Method(
            name="supervised-deep-hashing",
            title="supervised deep hashing",
            make=lambda bits, seed, _: SupervisedDeepHashing(bits),
            drawn=False,
        ),
        Method(
            name="class-codes",
            title="number of the class",
            make=lambda bits, seed, _: ClassCodes(bits),
            drawn=False,
        ),
    ),
    datasets={
        "mnist": lambda _: tasks.by_labels("mnist", tasks.pixels, "784 grey values"),
        "cifar10": lambda folder: tasks.by_labels(
            "cifar10", keeping(gist, folder), "GIST, 320 numbers, ours"
        ),
        "cifar10-network": lambda folder: tasks.by_labels(
            "cifar10", network_features("cifar10", folder), NETWORK
        ),
    },
    extra={
        "mnist-500": lambda _: tasks.by_labels(
            "mnist",
            tasks.pixels,
            "784 grey values",
            replace(tasks.SH_BDNN, rule=SplitRule(None, train=500, validation=("class", 100))),
        ),
        "digits": lambda _: tasks.by_labels("digits", tasks.pixels, "64 grey values", None),
    },
    bits=(8, 16, 24, 32, 48),
    protocol={
        "retrieval": "queries are the official test images, the gallery is all others",
        "learnt_from": "3,100 rows of every class, the same for every seed and method; "
        "SH-BDNN sets 1,000 of them apart for early stopping",
        "truth": "the same class",
        "map": "trapezoid AP over the whole gallery, mean over every order of equal distances",
        "map_rectangle": "the same with the rectangle rule",
        "precision_at_radius_2": "an empty ball counts 0",
        "scale": "features of SH-BDNN to [0, 1] by training rows; the authors' code does not",
    },
)


def run(
    out: Path,
    *,
    seed: int = 0,
    seeds: int = 1,
    arm: Sequence[str] = (),
    precision: str = "float64",
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Fill the table of supervised codes; see :func:`run_table` for arguments and errors."""
    return run_table(
        STUDY, out, seed=seed, seeds=seeds, arm=arm, precision=precision, threads=threads,
        resume=resume, overwrite=overwrite,
    )  # fmt: skip
