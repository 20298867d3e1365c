"""A plan as a recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..jobs import Plan, StudyOptions, StudyRun, run_plan
from ..training import Precision


def study(plan: Plan, folder: Path) -> Callable[..., StudyRun]:
    """The function that runs ``plan`` and compares with the ``expected.toml`` of ``folder``."""

    def run(
        out: Path,
        *,
        seed: int = 0,
        seeds: int = 1,
        budget: float | None = None,
        width: int | None = None,
        epochs: int | None = None,
        arm: Sequence[str] = (),
        precision: Precision | None = None,
        threads: int | None = None,
        resume: bool = False,
        overwrite: bool = False,
    ) -> StudyRun:
        if seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {seeds}")
        options = StudyOptions(
            seeds=tuple(range(seed, seed + seeds)),
            precision=precision,
            threads=threads,
            resume=resume,
            overwrite=overwrite,
        )
        return run_plan(
            plan,
            out,
            options,
            budget=budget,
            width=width,
            epochs=epochs,
            arms=tuple(arm),
            expected=folder / "expected.toml",
        )

    run.__doc__ = plan.title
    return run
