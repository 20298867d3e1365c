"""What a study's page shows, from the files that its runs left."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from .. import __version__, kernels
from ..report import Study, StudyArm, StudyHistogram, StudyRun
from ..training import BitRecord, read_bits
from ._arms import Plan, StudyOptions
from ._outcome import Outcome


def study_record(
    plan: Plan,
    outcomes: Sequence[Outcome],
    protocol: Mapping[str, Any],
    out: Path,
    options: StudyOptions,
    *,
    seconds: float,
) -> Study:
    """Gather the outcomes of a study and what its binary weights did."""
    return Study(
        title=plan.title,
        what=(
            f"{plan.dataset}: {protocol['split']}. Networks of width {protocol['width']} "
            f"({plan.widths[0]} at paper scale), epochs: {protocol['epochs']}, batches of "
            f"{_listed(protocol['batch_size'])}, {_listed(protocol['precision'])} in training."
        ),
        arms=[
            StudyArm(
                name=arm.title,
                paper=arm.paper,
                settings={f"stage {i}": str(s.config.method) for i, s in enumerate(arm.stages, 1)},
                published=arm.published,
                published_under=arm.published_under,
                runs=[_run(o, out) for o in outcomes if o.arm == arm.name],
            )
            for arm in plan.arms
        ],
        notes=[plan.notes] if plan.notes else [],
        command=str(protocol["command"]),
        environment={
            "processor": kernels.cpu_name(),
            "threads": str(options.threads or torch.get_num_threads()),
            "seconds of this command": f"{seconds:.0f}",
            "bitgrove": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    )


def _run(outcome: Outcome, out: Path) -> StudyRun:
    flips: dict[int, dict[str, float]] = {}
    histograms: dict[int, dict[str, StudyHistogram]] = {}
    for epoch, record in _bits(outcome, out / outcome.arm / f"seed-{outcome.seed}"):
        for name, weight in record.weights.items():
            if weight.flips is not None:
                flips.setdefault(epoch, {})[name] = weight.flips
            if weight.shown:
                histograms.setdefault(epoch, {})[name] = StudyHistogram(
                    counts=weight.histogram, limit=weight.limit, shown=weight.shown
                )
    return StudyRun(
        seed=outcome.seed,
        test_accuracy=outcome.test_accuracy,
        best_validation_accuracy=outcome.validation_accuracy,
        seconds=outcome.seconds,
        curve=outcome.curve,
        flips=flips,
        histograms=histograms,
    )


def _bits(outcome: Outcome, folder: Path) -> list[tuple[int, BitRecord]]:
    """Records of all stages, with the epochs counted over them."""
    found = []
    done = 0
    for number in sorted({int(row["stage"]) for row in outcome.curve}):
        path = folder / f"stage-{number}" / "bits.jsonl"
        for record in _read(path) if path.is_file() else ():
            found.append((done + record.epoch, record))
        done += sum(row["stage"] == number for row in outcome.curve)
    return found


def _read(path: Path) -> list[BitRecord]:
    try:
        return read_bits(path)
    except ValueError as error:
        raise ValueError(f"{error}; delete the file to leave its figures out") from None


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))
