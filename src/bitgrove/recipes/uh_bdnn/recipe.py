"""UH-BDNN against ITQ, PCAH, spectral hashing and LSH, with Euclidean neighbours as the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...data import gist
from ...hashing import ITQ, LSH, PCAH, UHBDNN, DeepHashing, SpectralHashing
from .._hash_codes import NETWORK, Method, Study, keeping, network_features, run_table, tasks

STUDY = Study(
    name="uh-bdnn",
    title="UH-BDNN and other unsupervised hash codes",
    methods=(
        Method(
            name="uh-bdnn",
            title="UH-BDNN",
            make=lambda bits, seed, precision: UHBDNN(
                bits,
                precision="float32" if precision == "float32" else "float64",
                random_state=seed,
                verbose=True,
            ),
        ),
        Method(name="itq", title="ITQ", make=lambda bits, seed, _: ITQ(bits, random_state=seed)),
        Method(
            name="deep-hashing",
            title="deep hashing",
            make=lambda bits, seed, _: DeepHashing(bits),
            drawn=False,
        ),
        Method(name="pcah", title="PCAH", make=lambda bits, seed, _: PCAH(bits), drawn=False),
        Method(
            name="spectral",
            title="spectral hashing",
            make=lambda bits, seed, _: SpectralHashing(bits),
            drawn=False,
        ),
        Method(name="lsh", title="LSH", make=lambda bits, seed, _: LSH(bits, random_state=seed)),
    ),
    datasets={
        "mnist": lambda _: tasks.by_neighbours("mnist", tasks.pixels, "784 grey values"),
        "cifar10": lambda folder: tasks.by_neighbours(
            "cifar10", keeping(gist, folder), "GIST, 320 numbers, ours"
        ),
        "cifar10-network": lambda folder: tasks.by_neighbours(
            "cifar10", network_features("cifar10", folder), NETWORK
        ),
    },
    extra={
        "mnist-10k": lambda _: tasks.by_neighbours(
            "mnist", tasks.pixels, "784 grey values", rows=10_000
        ),
        "digits": lambda _: tasks.by_neighbours("digits", tasks.pixels, "64 grey values"),
    },
    bits=(8, 16, 24, 32, 48),
    protocol={
        "retrieval": "queries are the official test images, the gallery is all others, and all of "
        "it is learnt from",
        "truth": f"the {tasks.NEIGHBOURS} nearest rows of the gallery by Euclidean distance",
        "map": "trapezoid AP over the whole gallery, mean over every order of equal distances",
        "map_rectangle": "the same with the rectangle rule",
        "precision_at_radius_2": "an empty ball counts 0",
        "early_stopping": "mAP of 1,000 training rows, as in the authors' code",
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
    """Fill the table of unsupervised codes; see :func:`run_table` for arguments and errors."""
    return run_table(
        STUDY, out, seed=seed, seeds=seeds, arm=arm, precision=precision, threads=threads,
        resume=resume, overwrite=overwrite,
    )  # fmt: skip
