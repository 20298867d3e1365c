"""Hand-drawn contours to photographs, by triplets, attributes and ranking by attributes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ...files import replacing
from ...hashing import Described, sketch_distances
from ...jobs import InterruptedRunError, Steps
from .._outcomes import kept, write
from . import _parts
from ._arms import Arm, choose
from ._attributes import ATTRIBUTES
from ._draw import draw_answers
from ._figures import differences, protocol, table, write_expected
from ._moves import as_asked
from ._parts import Part, Parts
from ._score import accuracy, by_code, by_embedding, choose_weight, hits, nearest
from ._train import describe, train
from ._untrained import untrained_distances

EPOCHS = 15
WIDTH = 16
SHOWN, ANSWERS = 6, 5
"""Queries in the picture, evenly spread over the test part, and answers to each."""
_SAMPLES = 2000
"""Of the bootstrap."""


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
    """Train and test every arm with every seed; write the figures and a picture.

    Args:
        out: folder of the run.
        seed: of weights, order and moves in training, the first one. Parts, and the moves of the
            drawings that ask, are the same for all.
        seeds: how many.
        epochs: of each network.
        width: channels of the network's first layer.
        arm: names of the arms; by default all.
        threads: of torch; by default its own choice.
        resume: use again the outcomes that ``out`` holds.
        overwrite: replace them.

    Returns:
        The outcomes, seed by seed.

    Raises:
        DataError: the photographs or the contours of BSDS500 are not at hand.
        InterruptedRunError: Ctrl-C; ``resume`` goes on after the last outcome.
        ValueError: an arm is unknown, a number is out of range, or an outcome that is there
            already was made with other settings.
    """
    for name, number in (("seeds", seeds), ("epochs", epochs), ("width", width)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    arms = choose(arm)
    if threads is not None:
        torch.set_num_threads(threads)
    steps, outcomes = Steps(), list[dict[str, Any]]()
    try:
        steps.say("drawings and edges of the photographs")
        parts = _parts.load()
        for number in range(seed, seed + seeds):
            for chosen in arms:
                path = out / chosen.name / f"seed-{number}" / "outcome.json"
                settings = asdict(chosen)
                if chosen.kind == "network":
                    settings |= {"epochs": epochs, "width": width}
                outcome = kept(path, settings) if resume and not overwrite else None
                if outcome is None:
                    outcome = _measure(chosen, number, epochs, width, parts)
                    outcome["settings"] = settings
                    write(path, outcome)
                shares = (outcome["accuracy"]["real"][k]["value"] for k in ("1", "10"))
                steps.say(
                    f"{chosen.title}, seed {number}: "
                    + ", ".join(
                        f"acc@{k} {share:.1%}" for k, share in zip((1, 10), shares, strict=True)
                    )
                )
                outcomes.append(outcome)
    except KeyboardInterrupt:
        raise InterruptedRunError(
            f"interrupted, outcomes kept: {len(outcomes)}; --resume goes on"
        ) from None
    about = protocol(
        parts,
        {
            "arms": list(arm), "epochs": epochs, "width": width,
            "seeds": list(range(seed, seed + seeds)),
        },
    )  # fmt: skip
    found = {"protocol": about, "outcomes": outcomes}
    found["differences"] = differences(arms, outcomes, parts.test, _SAMPLES)
    write(out / "results.json", found)
    write_expected(out / "expected.toml", found, arms)
    with replacing(out / "answers.png") as file:
        file.write(draw_answers(parts.test, as_asked(parts.test.drawings), arms[-1], outcomes))
    print(table(arms, outcomes, found["differences"]))
    return outcomes


def _measure(arm: Arm, seed: int, epochs: int, width: int, parts: Parts) -> dict[str, Any]:
    """Train, if there is something to train, then ask with the test drawings once."""
    cpu = time.process_time()
    if arm.kind == "network":
        distances, outcome = _network(arm, seed, epochs, width, parts)
    else:
        edges = parts.test.edges
        distances = {"real": untrained_distances(arm, as_asked(parts.test.drawings), edges)}
        outcome = {}
    cpu = time.process_time() - cpu
    asked = np.linspace(0, len(parts.test) - 1, SHOWN).astype(int)
    return {
        "arm": arm.name,
        "seed": seed,
        "accuracy": {
            how: accuracy(apart, parts.test, _SAMPLES) for how, apart in distances.items()
        },
        "hits": {how: hits(apart, parts.test) for how, apart in distances.items()},
        "shown": [
            {"drawing": int(row), "nearest": nearest(distances["real"][[row]], ANSWERS)[0].tolist()}
            for row in asked
        ],
        "cpu_seconds": cpu,
        **outcome,
    }


def _network(
    arm: Arm, seed: int, epochs: int, width: int, parts: Parts
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """The distances in the test by embedding, by code, and by attributes too."""
    trained = train(arm, seed, epochs, width, parts.train, parts.validation)
    said = describe(trained.network, parts.test)
    distances = {"real": by_embedding(*said), "codes": by_code(*said)}
    outcome: dict[str, Any] = {"epoch": trained.epoch, "curve": trained.curve}
    if arm.attribute_weight:
        weight = choose_weight(*describe(trained.network, parts.validation), parts.validation)
        distances["with_attributes"] = sketch_distances(*said, attribute_weight=weight)
        outcome["attribute_distance_weight"] = weight
        outcome["attributes_right"] = _named(said, parts.train, parts.test)
    return distances, outcome


def _named(
    said: tuple[Described, Described], train: Part, test: Part
) -> dict[str, dict[str, float]]:
    """By attribute, the share of the test drawings, and of the photographs, named right."""
    typical = np.median(train.said_of_photographs[0], 0)
    truths = (test.said_of_drawings[0] > typical, test.said_of_photographs[0] > typical)
    return {
        which: dict(
            zip(ATTRIBUTES, ((part.attributes > 0).numpy() == truth).mean(0).tolist(), strict=True)
        )
        for which, part, truth in zip(("drawings", "photographs"), said, truths, strict=True)
    }
