"""A study from its plan to its page."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from .. import data, report
from ..files import replacing
from ._arms import Plan, StudyOptions
from ._budget import Scale, least_epochs, scale_to_budget
from ._expected import compare_with_expected, write_expected
from ._outcome import Outcome
from ._page import study_record
from ._steps import Steps
from ._study import protocol_of, train_arms


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRun:
    """A finished study."""

    out: Path
    scale: Scale
    outcomes: tuple[Outcome, ...]


def run_plan(
    plan: Plan,
    out: Path,
    options: StudyOptions,
    *,
    budget: float | None = None,
    width: int | None = None,
    epochs: int | None = None,
    arms: tuple[str, ...] = (),
    expected: Path | None = None,
) -> StudyRun:
    """Train, measure and pack every arm; write ``expected.toml`` and ``report.html``.

    Args:
        plan: what to train.
        out: folder of the study.
        options: seeds, threads and the like.
        budget: minutes for everything; the network is narrowed and trained for fewer epochs to
            fit, the same for every arm, and the outcome says how. None is paper scale.
        width: in place of that of the plan or the budget.
        epochs: of every arm, in place of their own or the budget's.
        arms: names of those to train; empty for all.
        expected: figures to compare with.

    Raises:
        ValueError: an arm is unknown, a number is out of its range, or the budget is too small.
        InterruptedRunError: Ctrl-C ended the training; ``options.resume`` goes on.
    """
    steps = Steps(quiet=options.quiet)
    started = time.perf_counter()
    plan = _only(plan, arms)
    _check_numbers(plan, budget, width, epochs)
    _claim(out, plan)
    splits = data.load_splits(plan.dataset)
    scale = _scale(plan, splits, options, budget, width, epochs, steps)
    steps.say(
        f"width {scale.width} of {plan.widths[0]}; epochs: {scale.epochs or 'as published'}; "
        f"arms: {len(plan.arms)}; seeds: {', '.join(map(str, options.seeds))}"
    )
    outcomes = train_arms(plan, splits, scale, out, options, steps)
    command = _command(plan, scale, options, arms)
    protocol = protocol_of(plan, splits, scale, options, command)
    produced = out / "expected.toml"
    write_expected(produced, protocol, plan.arms, outcomes)
    for sentence in compare_with_expected(expected, produced) if expected else ():
        steps.say(sentence)
    record = study_record(
        plan, outcomes, protocol, out, options, seconds=time.perf_counter() - started
    )
    steps.say(f"wrote {report.write_study(record, out / 'report.html')}")
    return StudyRun(out=out, scale=scale, outcomes=tuple(outcomes))


def _only(plan: Plan, names: tuple[str, ...]) -> Plan:
    known = [arm.name for arm in plan.arms]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"{plan.name} has no arm {', '.join(unknown)}; it has: {', '.join(known)}")
    return replace(plan, arms=tuple(a for a in plan.arms if not names or a.name in names))


def _check_numbers(plan: Plan, budget: float | None, width: int | None, epochs: int | None) -> None:
    for name, value in (("width", width), ("epochs", epochs), ("budget", budget)):
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"{name} must be a number above 0, got {value}")
    least = least_epochs(plan)
    if epochs is not None and epochs < least:
        raise ValueError(
            f"epochs must be at least {least}, one for each stage of an arm, got {epochs}"
        )


def _claim(out: Path, plan: Plan) -> None:
    """Mark the folder as this study's, before anything long begins.

    Raises:
        ValueError: it is another study's.
    """
    out.mkdir(parents=True, exist_ok=True)
    mark = out / "study.txt"
    if mark.is_file() and mark.read_text().strip() != plan.name:
        raise ValueError(
            f"{out} holds a run of {mark.read_text().strip()!r}, not of {plan.name!r}; choose "
            "another folder"
        )
    with replacing(mark) as file:
        file.write(f"{plan.name}\n".encode())


def _scale(
    plan: Plan,
    splits: data.Splits,
    options: StudyOptions,
    budget: float | None,
    width: int | None,
    epochs: int | None,
    steps: Steps,
) -> Scale:
    if budget is None or (width and epochs):
        return Scale(width or plan.widths[0], epochs)
    if width:
        plan = replace(plan, widths=(width,))
    steps.say(f"measuring what fits into {budget:g} minutes")
    fitted = scale_to_budget(plan, splits.train, budget, options)
    return Scale(fitted.width, epochs or fitted.epochs)


def _command(plan: Plan, scale: Scale, options: StudyOptions, arms: tuple[str, ...]) -> str:
    """What repeats the study at the same scale on any machine."""
    parts = [f"bitgrove reproduce {plan.name} --width {scale.width}"]
    if scale.epochs:
        parts.append(f"--epochs {scale.epochs}")
    parts.append(f"--seed {options.seeds[0]} --seeds {len(options.seeds)}")
    if options.precision:
        parts.append(f"--precision {options.precision}")
    parts += [f"--arm {name}" for name in arms]
    return " ".join(parts)
