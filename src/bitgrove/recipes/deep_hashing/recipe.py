"""Deep hash methods with one backbone, on CIFAR-10 with 5,000 labelled images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ... import data
from ...jobs import Steps
from ...metrics import Relevance
from .._outcomes import kept, write
from ._arms import EPOCHS, Arm, choose
from ._backbone import BACKBONE_EPOCHS, Features, features
from ._figures import protocol, table, write_expected
from ._score import references, scored
from ._split import divided

WIDTH = 32


def run(
    out: Path,
    *,
    seed: int = 0,
    seeds: int = 1,
    epochs: int = EPOCHS,
    width: int = WIDTH,
    arm: Sequence[str] = (),
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Train one backbone for each seed, then every method on it; write the figures.

    Args:
        out: folder of the run.
        seed: of split, weights and batches, the first one.
        seeds: how many.
        epochs: of each method, over the features of the training images.
        width: channels of the backbone's first layer.
        arm: ``METHOD-BITS``, ``METHOD`` or ``BITS``; by default all.
        threads: of torch while the backbone is trained; by default its own choice.
        resume: use again what ``out`` holds.
        overwrite: replace it.

    Returns:
        The outcomes, seed by seed.

    Raises:
        DataError: CIFAR-10 is not at hand.
        ValueError: an arm is unknown, a number is out of range, or an outcome that is there
            already was made with other settings.
    """
    for name, number in (("seeds", seeds), ("epochs", epochs), ("width", width)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    arms = choose(arm)
    if threads is not None:
        torch.set_num_threads(threads)
    steps, images = Steps(), data.load("cifar10")
    outcomes, by_seed, accuracies, split = [], [], [], None
    for number in range(seed, seed + seeds):
        split = divided(images, number)
        steps.say(f"Backbone, seed {number}")
        folder = out / "backbone" / f"seed-{number}"
        found = features(
            split, folder, seed=number, width=width, epochs=BACKBONE_EPOCHS, resume=resume
        )
        accuracies.append(float((found.query_classes == split.query.labels).mean()))
        relevant = Relevance.from_labels(split.query.labels, split.database.labels)
        settings = {"width": width, "backbone_epochs": BACKBONE_EPOCHS}
        outcome = kept(folder / "references.json", settings) if resume else None
        if outcome is None:
            outcome = references(found, relevant) | {"settings": settings}
            write(folder / "references.json", outcome)
        by_seed.append(outcome)
        steps.say(f"names the class of {accuracies[-1]:.1%} of the queries")
        for chosen in arms:
            path = out / chosen.name / f"seed-{number}" / "outcome.json"
            own = settings | {"epochs": epochs}
            outcome = kept(path, own) if resume else None
            if outcome is None:
                outcome = _measure(chosen, number, epochs, found, relevant) | {"settings": own}
                write(path, outcome)
            steps.say(f"{chosen.name}, seed {number}: mAP {outcome['map']:.1%}")
            outcomes.append(outcome)
    assert split is not None
    about = protocol(
        split,
        {
            "arms": list(arm), "width": width, "backbone_epochs": BACKBONE_EPOCHS,
            "accuracy": np.round(accuracies, 4).tolist(), "epochs": epochs,
            "seeds": list(range(seed, seed + seeds)),
        },
    )  # fmt: skip
    write(out / "results.json", {"protocol": about, "outcomes": outcomes, "references": by_seed})
    write_expected(out / "expected.toml", about, arms, outcomes, by_seed)
    print(table(arms, outcomes, by_seed))
    return outcomes


def _measure(
    arm: Arm, seed: int, epochs: int, found: Features, relevant: Relevance
) -> dict[str, Any]:
    cpu = time.process_time()
    encoder = arm.encoder(seed, epochs).fit(found.train, found.train_labels)
    cpu = time.process_time() - cpu
    return {"arm": arm.name, "seed": seed, "cpu_seconds": cpu} | scored(encoder, found, relevant)
