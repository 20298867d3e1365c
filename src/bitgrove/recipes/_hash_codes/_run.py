"""Fills a table cell by cell, so that it can be broken off and resumed."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ... import kernels
from ...jobs import Steps
from .._outcomes import write
from ._cell import measure
from ._curves import draw
from ._figures import table, write_expected
from ._page import page
from ._study import Study


def run_table(
    study: Study,
    out: Path,
    *,
    seed: int,
    seeds: int,
    arm: Sequence[str],
    precision: str,
    threads: int | None,
    resume: bool,
    overwrite: bool,
) -> dict[str, Any]:
    """Fit, keep and score every cell; write the figures after each data set.

    Args:
        study: the table.
        out: folder of the run.
        seed: the first one.
        seeds: how many.
        arm: names of data sets and methods, and code lengths; a kind that is not named is whole.
        precision: ``"float64"`` or ``"float32"``.
        threads: of torch.
        resume: use again what ``out`` holds.
        overwrite: replace it.

    Returns:
        What ``results.json`` holds.

    Raises:
        ValueError: an argument is out of range, or ``out`` holds a run.
        DataError: a data set is not at hand.
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    if precision not in ("float64", "float32"):
        raise ValueError(f"precision must be float64 or float32 in {study.name}, got {precision}")
    if (out / "results.json").exists() and not (overwrite or resume):
        raise ValueError(f"{out} holds a run: --overwrite replaces it, --resume goes on with it")
    datasets, methods, lengths = _chosen(study, arm)
    if threads is not None:
        torch.set_num_threads(threads)
    steps, outcomes = Steps(), list[dict[str, Any]]()
    about: dict[str, Any] = {
        "study": study.name,
        **study.protocol,
        "seeds": list(range(seed, seed + seeds)),
        "precision": precision,
        "cpu": kernels.cpu_name(),
        "simd": kernels.simd_level(),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "data": {},
        "command": f"bitgrove reproduce {study.name} --seed {seed} --seeds {seeds}{study.options}"
        + "".join(f" --arm {name}" for name in arm)
        + (f" --precision {precision}" if precision != "float64" else "")
        + (f" --threads {threads}" if threads is not None else ""),
    }
    results: dict[str, Any] = {"protocol": about, "outcomes": outcomes}
    for dataset in datasets:
        steps.say(f"{dataset}: preparing")
        task = {**study.datasets, **study.extra}[dataset](out / dataset)
        about["data"][dataset] = dict(task.about)
        for bits in lengths:
            for method in methods:
                for number in range(seed, seed + (seeds if method.drawn else 1)):
                    folder = out / dataset / f"{method.name}-{bits}" / f"seed-{number}"
                    again = resume and not overwrite
                    cell = measure(task, method, bits, number, precision, folder, again)
                    outcomes.append({"dataset": dataset, "bits": bits, "seed": number, **cell})
                    steps.say(
                        f"{dataset}, {bits} bits, {method.title}, seed {number}: mAP "
                        f"{cell['map']:.4f}, precision at radius 2 "
                        f"{cell['precision_at_radius_2']:.4f}, {cell['fit_cpu_seconds']:.0f} CPU s"
                    )
        about["peak_memory_bytes"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        write(out / "results.json", results)
        write_expected(out / "expected.toml", study, results)
        picture = draw(study, results)
        (out / "curves.png").write_bytes(picture)
        (out / "report.html").write_text(page(study, results, picture), encoding="utf-8")
    print(table(study, results))
    return results


def _chosen(study: Study, names: Sequence[str]) -> tuple[list[str], list[Any], list[int]]:
    known = [*study.datasets, *study.extra], [m.name for m in study.methods]
    lengths = [int(name) for name in names if name.isdecimal()]
    if 0 in lengths:
        raise ValueError("code lengths must be at least 1, got 0")
    unknown = [n for n in names if not n.isdecimal() and n not in known[0] and n not in known[1]]
    if unknown:
        raise ValueError(
            f"no arm {', '.join(unknown)}; there are the data sets {', '.join(known[0])}, the "
            f"methods {', '.join(known[1])}, and code lengths, {', '.join(map(str, study.bits))} "
            "by default"
        )
    datasets = [name for name in known[0] if name in names] or list(study.datasets)
    methods = [m for m in study.methods if m.name in names] or list(study.methods)
    return datasets, methods, lengths or list(study.bits)
