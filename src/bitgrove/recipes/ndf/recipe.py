"""Decision forests against a softmax on the same small network, soft and hardened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ... import data
from ...jobs import Steps
from ...training import LeafUpdates, Linear
from ...training._method import plain
from .._outcomes import kept, write
from ._figures import protocol, table, write_expected
from ._train import Arm, train

ARMS = (
    Arm(name="softmax", title="Linear layer and softmax", options={"head": "linear"}),
    Arm(
        name="forest-em",
        title="Forest, leaves by EM",
        options={"leaves": "em"},
        leaves=LeafUpdates(),
    ),
    Arm(name="forest-gradient", title="Forest, leaves by gradient", options={"leaves": "gradient"}),
    Arm(
        name="forest-steep",
        title="Forest, EM, slope 1 to 10",
        options={"leaves": "em"},
        leaves=LeafUpdates(),
        slope=Linear(1.0, 10.0),
    ),
)


def mnist(
    out: Path,
    *,
    seed: int = 0,
    seeds: int = 1,
    epochs: int = 3,
    width: int = 16,
    arm: Sequence[str] = (),
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Decision forests on MNIST; published with 100 epochs of a larger network."""
    return _run(
        "mnist", out, range(seed, seed + seeds), epochs, width, arm, threads, resume, overwrite
    )


def cifar10(
    out: Path,
    *,
    seed: int = 0,
    seeds: int = 1,
    epochs: int = 3,
    width: int = 16,
    arm: Sequence[str] = (),
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Decision forests on CIFAR-10; published with 350 epochs of VGG-16 or ResNet-18."""
    return _run(
        "cifar10", out, range(seed, seed + seeds), epochs, width, arm, threads, resume, overwrite
    )


def _run(
    dataset: str,
    out: Path,
    seeds: range,
    epochs: int,
    width: int,
    arm: Sequence[str],
    threads: int | None,
    resume: bool,
    overwrite: bool,
) -> list[dict[str, Any]]:
    """Train every arm with every seed; write ``results.json`` and ``expected.toml``.

    Raises:
        DataError: the data are not at hand.
        ValueError: an arm is unknown, a number is out of range, or an outcome that is there
            already was made with other settings.
    """
    for name, number in (("seeds", len(seeds)), ("epochs", epochs), ("width", width)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    arms = _choose(arm)
    if threads is not None:
        torch.set_num_threads(threads)
    steps, splits = Steps(), data.load_splits(dataset)
    augmented = dataset == "cifar10"
    outcomes = []
    for number in seeds:
        for chosen in arms:
            folder = out / chosen.name / f"seed-{number}"
            settings = {"dataset": dataset, "epochs": epochs, "width": width, "arm": _plain(chosen)}
            outcome = kept(folder / "outcome.json", settings) if resume else None
            if outcome is None:
                steps.say(f"{chosen.title}, seed {number}")
                outcome = train(
                    chosen, splits, folder, seed=number, width=width, epochs=epochs,
                    flip=augmented, shift=0.125 if augmented else 0.0, resume=resume,
                )  # fmt: skip
                write(folder / "outcome.json", outcome | {"settings": settings})
            said = f"test {outcome['test_accuracy']:.2%}"
            if "hard" in outcome:
                said += f", hardened {outcome['hard']:.2%}"
            steps.say(f"{chosen.title}, seed {number}: {said}, {outcome['seconds']:.0f} s")
            outcomes.append(outcome)
    about = protocol(dataset, splits, epochs, width, seeds, arm)
    write(out / "results.json", {"protocol": about, "outcomes": outcomes})
    write_expected(out / "expected.toml", about, arms, outcomes)
    print(table(arms, outcomes))
    return outcomes


def _choose(names: Sequence[str]) -> tuple[Arm, ...]:
    known = {arm.name: arm for arm in ARMS}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"no arm {', '.join(unknown)}; there are: {', '.join(known)}")
    return tuple(arm for arm in ARMS if arm.name in names) if names else ARMS


def _plain(arm: Arm) -> dict[str, Any]:
    return {"options": arm.options, "leaves": plain(arm.leaves), "slope": plain(arm.slope)}
