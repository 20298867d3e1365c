"""ITQ, PCAH, spectral hashing, LSH and UH-BDNN on SIFT descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...hashing import ITQ, LSH, PCAH, UHBDNN, SpectralHashing
from .._hash_codes import Method, Study, run_table
from ._task import ALL, Sizes, descriptors


def study(rows: int) -> Study:
    """The table for so many rows of the base.

    Raises:
        ValueError: too few or too many rows.
    """
    sizes = Sizes.of(rows)
    return Study(
        name="sift-codes",
        title="Hash codes of SIFT descriptors (SIFT-1M computed from BSDS500)",
        methods=(
            Method(
                name="uh-bdnn",
                title="UH-BDNN",
                make=lambda bits, seed, precision: UHBDNN(
                    bits,
                    neighbours=max(sizes.learn // 100, 1),
                    validation=min(1000, sizes.learn),
                    precision="float32" if precision == "float32" else "float64",
                    random_state=seed,
                ),
            ),
            Method(
                name="itq", title="ITQ", make=lambda bits, seed, _: ITQ(bits, random_state=seed)
            ),
            Method(name="pcah", title="PCAH", make=lambda bits, seed, _: PCAH(bits), drawn=False),
            Method(
                name="spectral",
                title="spectral hashing",
                make=lambda bits, seed, _: SpectralHashing(bits),
                drawn=False,
            ),
            Method(
                name="lsh", title="LSH", make=lambda bits, seed, _: LSH(bits, random_state=seed)
            ),
        ),
        datasets={f"sift-{rows}": lambda _: descriptors(sizes)},
        bits=(8, 16, 24, 32),
        protocol={
            "descriptors": "SIFT-1M computed from BSDS500: not comparable with figures on SIFT1M, "
            "which has other photographs and another detector",
            "retrieval": "base, learn and query rows are of photographs that are not shared; codes "
            "are learnt from the learn rows",
            "truth": f"the {sizes.near} nearest of {sizes.base} base rows by Euclidean distance",
            "map": f"trapezoid AP of the first {sizes.near} rows of a ranking, divided by all "
            "that are right, mean over every order of equal distances",
            "map_rectangle": "the same with the rectangle rule",
            "precision_at_radius_2": "an empty ball counts 0",
            "early_stopping": "UH-BDNN: mAP of 1,000 learn rows, a hundredth of all right for each",
        },
        options="" if rows == ALL else f" --rows {rows}",
    )


def run(
    out: Path,
    *,
    seed: int = 0,
    seeds: int = 1,
    rows: int = ALL,
    arm: Sequence[str] = (),
    precision: str = "float64",
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Fill the table of codes of SIFT descriptors.

    Args:
        out: folder of the run.
        seed: the first one.
        seeds: how many.
        rows: of the base, 1,000 to 1,000,000; a tenth as many are learnt from, a hundredth ask,
            and a hundredth is right.
        arm: names of methods, and code lengths.
        precision: of UH-BDNN, ``"float64"`` or ``"float32"``.
        threads: of torch.
        resume: use again what ``out`` holds.
        overwrite: replace it.

    Returns:
        What ``results.json`` holds.

    Raises:
        DataError: the descriptors are not at hand.
        ValueError: an argument is out of range, or ``out`` holds a run.
    """
    return run_table(
        study(rows), out, seed=seed, seeds=seeds, arm=arm, precision=precision, threads=threads,
        resume=resume, overwrite=overwrite,
    )  # fmt: skip
