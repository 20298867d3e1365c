"""Residual forests against convolutional heads on one frozen backbone: CamVid."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ... import data
from ...data import SegmentationData
from ...files import replacing
from ...jobs import Steps
from .._outcomes import kept, write
from ._backbone import (
    BATCH,
    Maps,
    load_backbone,
    maps_of,
    pixels_of,
    save_backbone,
    train_backbone,
)
from ._end_to_end import compare_end_to_end
from ._figures import draw_curves, draw_segmentations, table, write_expected
from ._heads import ARMS, Arm, make_head
from ._network import Backbone
from ._packed import pack_and_time
from ._train import measure, predict, train_head

BACKBONE_EPOCHS = 24
_BACKBONE = Path("backbone") / "seed-0" / "weights.pt"
_PARTS = ("train", "validation", "test")
_SHOWN = (10, 90, 170)
"""Test images in the picture."""
_COMPARED = 8
"""Test images on which the packed network is compared with torch's."""


TrainBackbone = Callable[[SegmentationData, Callable[[str], None]], tuple[Backbone, dict[str, Any]]]
"""Takes the scenes and what is told of progress; returns the backbone and how it was made."""


@dataclass(frozen=True, slots=True)
class Study:
    """Heads on a backbone: what is compared on which features."""

    name: str
    arms: tuple[Arm, ...]
    train_backbone: TrainBackbone
    features: str
    """Where the backbone comes from, for the protocol."""
    end_to_end: bool = False
    """Whether the forest's gradient to the maps is tried too."""


def compare(
    study: Study,
    out: Path,
    *,
    seed: int = 0,
    seeds: int = 1,
    epochs: int | None = None,
    arm: Sequence[str] = (),
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Train the backbone once, then every head with every seed on its frozen maps.

    Writes ``results.json``, ``expected.toml``, ``curves.png``, ``segmentations.png`` and the first
    seed's forest with the backbone as ``model.grove``. The backbone is kept
    too: with ``resume`` it is not trained anew, nor are heads whose outcome is there.

    Args:
        study: the backbone and the heads.
        out: folder of the run.
        seed: of heads and order, the first one; the backbone's is always 0.
        seeds: how many.
        epochs: of every head, in place of its own number.
        arm: names of the heads; by default all.
        threads: of torch; by default its own choice.
        resume: use what ``out`` holds.
        overwrite: replace it.

    Returns:
        The outcomes, seed by seed.

    Raises:
        DataError: CamVid, or what the backbone learns from, is not at hand.
        ValueError: an arm is unknown, a number is out of range, or an outcome that is there
            already was made with other settings.
    """
    for name, number in (("seeds", seeds), ("epochs", epochs)):
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    arms = _choose(study, arm, epochs)
    if threads is not None:
        torch.set_num_threads(threads)
    steps = Steps()
    train, validation, test = (data.load("camvid", split=part) for part in _PARTS)
    out.mkdir(parents=True, exist_ok=True)
    backbone, about = _backbone(study, out / _BACKBONE, train, steps, resume and not overwrite)
    steps.say("maps of the images")
    maps = [maps_of(backbone, pixels_of(part, train)) for part in (train, validation, test)]
    outcomes, forest = [], None
    for number in range(seed, seed + seeds):
        for chosen in arms:
            path = out / chosen.name / f"seed-{number}"
            head, outcome = _head(
                chosen, number, path, maps, (train, validation, test), resume and not overwrite
            )
            steps.say(
                f"{chosen.title}, seed {number}: mean IoU {outcome['test']['mean_iou']:.1%} (test) "
                f"after {outcome['cpu_seconds']:.1f} s"
            )
            outcomes.append(outcome)
            forest = head if chosen.kind == "forest" and forest is None else forest
    protocol = _protocol(study, about, seed, seeds, epochs, arm)
    results: dict[str, Any] = {"protocol": protocol, "outcomes": outcomes}
    if forest is not None:
        results["packed"] = _packed(out, backbone, forest, train, test, maps[2])
        if study.end_to_end:
            steps.say("the forest and the backbone together")
            results["end_to_end"] = compare_end_to_end(backbone, forest, train, validation, seed)
    write(out / "results.json", results)
    _write(out / "curves.png", draw_curves(arms, outcomes))
    write_expected(out / "expected.toml", protocol, arms, outcomes)
    print(table(arms, outcomes))
    return outcomes


def _train_here(
    scenes: SegmentationData, say: Callable[[str], None]
) -> tuple[Backbone, dict[str, Any]]:
    return train_backbone(scenes, 0, BACKBONE_EPOCHS, say)


run = partial(
    compare,
    Study(
        "residual-forest-camvid",
        ARMS,
        _train_here,
        "trained on the same images, through a linear head",
        end_to_end=True,
    ),
)


def _choose(study: Study, names: Sequence[str], epochs: int | None) -> tuple[Arm, ...]:
    known = {arm.name: arm for arm in study.arms}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(
            f"{study.name} has no arm {', '.join(unknown)}; it has: {', '.join(known)}"
        )
    chosen = [arm for arm in study.arms if not names or arm.name in names]
    return tuple(arm if epochs is None else replace(arm, epochs=epochs) for arm in chosen)


def _backbone(
    study: Study, path: Path, train: SegmentationData, steps: Steps, keep: bool
) -> tuple[Backbone, dict[str, Any]]:
    if keep and path.is_file():
        return load_backbone(path)
    backbone, about = study.train_backbone(train, steps.say)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_backbone(path, backbone, about)
    return backbone, about


def _head(
    arm: Arm,
    seed: int,
    folder: Path,
    maps: Sequence[Maps],
    parts: Sequence[SegmentationData],
    keep: bool,
) -> tuple[nn.Module, dict[str, Any]]:
    """Train and test a head, or take up the one that is there."""
    settings = json.loads(json.dumps(asdict(arm)))
    path, weights = folder / "outcome.json", folder / "head.pt"
    outcome = kept(path, settings) if keep and weights.is_file() else None
    if outcome is not None:
        head = make_head(arm, len(parts[0].classes), seed)
        head.load_state_dict(torch.load(weights, weights_only=True))
        return head.eval(), outcome
    head, found = train_head(arm, seed, maps[0], parts[0], maps[1], parts[1])
    scores = measure(head, maps[2], parts[2])._asdict()
    scores["iou"] = dict(zip(parts[2].classes, scores["iou"], strict=True))
    outcome = {"arm": arm.name, "seed": seed, **found, "test": scores, "settings": settings}
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(weights) as file:
        torch.save(head.state_dict(), file)
    write(path, outcome)
    return head, outcome


def _packed(
    out: Path,
    backbone: Backbone,
    forest: nn.Module,
    train: SegmentationData,
    test: SegmentationData,
    maps: Sequence[Tensor],
) -> dict[str, Any]:
    rows = np.array([row for row in _SHOWN if row < len(test)])
    shown = test.select(rows)
    h, w = test.labels.shape[1:]
    answers = predict(forest, [x[torch.from_numpy(rows)] for x in maps], (h, w))
    _write(
        out / "segmentations.png",
        draw_segmentations(shown, answers.numpy(), "residual forest"),
    )
    images = pixels_of(test.select(np.arange(min(_COMPARED, len(test)))), train)
    return pack_and_time(out / "model.grove", backbone, forest, images, train)


def _protocol(
    study: Study,
    about: dict[str, Any],
    seed: int,
    seeds: int,
    epochs: int | None,
    arms: Sequence[str],
) -> dict[str, Any]:
    command = f"bitgrove reproduce {study.name} --threads 1 --seed {seed} --seeds {seeds}"
    command += "" if epochs is None else f" --epochs {epochs}"
    command += "".join(f" --arm {name}" for name in arms)
    return {
        "study": study.name,
        "dataset": "camvid",
        "split": "367 images to train on, 101 chose the settings, 233 tested once by each head",
        "pixels": "180x240; every fourth label trains, all labels but void are scored",
        "features": study.features,
        "backbone_epochs": about["epochs"],
        "backbone_cpu_seconds": round(about["cpu_seconds"]),
        "batch_size": BATCH,
        "seeds": list(range(seed, seed + seeds)),
        "torch": torch.__version__,
        "command": command,
    }


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)
