"""Find the camera of a view in a world of photographs by the descriptors of its keypoints."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import files, kernels, require
from ...data import load_bsds500
from ...jobs import Steps
from ._experiment import GRAPH, LENS, MAP_KEYPOINTS, Asked, ask_world, build_searchers
from ._features import detect
from ._figure import draw, seen_on_two
from ._scene import WALLS
from ._score import DEGREES, METRES, Row, summarise
from ._table import table
from ._views import KINDS

_STRANGERS = 60
"""Photographs that are not in the map."""

_MOST = 500 - _STRANGERS


def run(
    out: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    seeds: int = 3,
    photographs: int = 320,
    views: int = 20,
) -> dict[str, Any]:
    """Run the recipe: about five minutes on one core.

    Writes ``results.json`` and ``view.png``, a hard view with its matches, to ``out``.

    Args:
        out: folder of the run.
        seed: the first of the worlds; each has other rooms, cameras and noise.
        resume: must be False, since the recipe is short.
        overwrite: replace the run that ``out`` holds.
        seeds: number of worlds.
        photographs: in the map, a multiple of four, at most 440.
        views: of each kind in each world.

    Returns:
        What ``results.json`` holds.

    Raises:
        ValueError: an argument is out of range, or ``out`` holds a run.
        DataError: the photographs are not at hand.
        ModuleNotFoundError: OpenCV is not installed.
    """
    cv2 = require("cv2", extra="localisation", needed_for="bitgrove reproduce relocalisation")
    if resume:
        raise ValueError("relocalisation takes minutes and does not resume; give --overwrite")
    if (out / "results.json").exists() and not overwrite:
        raise ValueError(f"{out} holds a run: --overwrite replaces it")
    if seeds < 1 or views < 1:
        raise ValueError(f"seeds and views must be at least 1, got {seeds} and {views}")
    if photographs % WALLS or not WALLS <= photographs <= _MOST:
        raise ValueError(
            f"photographs must be a multiple of {WALLS} up to {_MOST}, got {photographs}"
        )
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return _run(out, range(seed, seed + seeds), photographs, views, cv2.__version__)
    finally:
        cv2.setNumThreads(threads)


def _run(out: Path, seeds: range, photographs: int, views: int, opencv: str) -> dict[str, Any]:
    steps = Steps()
    pictures = [_grey(image) for image in load_bsds500(photographs + _STRANGERS).images]
    known, strangers = pictures[:photographs], pictures[photographs:]
    steps.say(f"finding the keypoints of {photographs} photographs")
    features = [detect(picture, MAP_KEYPOINTS) for picture in known]
    descriptors = np.concatenate([found.descriptors for found in features])
    searchers = build_searchers(descriptors, steps.say)
    rows: list[Row] = []
    example: Asked | None = None
    for seed in seeds:
        steps.say(f"world {seed}: {len(KINDS) * views} views of {photographs // WALLS} rooms")
        for asked in ask_world(seed, known, strangers, features, searchers, views):
            rows += asked.rows
            if asked.view.kind == "hard" and asked.rows[0].localised:
                example = max(example or asked, asked, key=_drawn)
    protocol = {
        "seeds": list(seeds),
        "photographs": photographs,
        "descriptors": len(descriptors),
        "metres": METRES,
        "degrees": DEGREES,
        "cpu": kernels.cpu_name(),
        "simd": kernels.simd_level(),
        "threads": 1,
        "opencv": opencv,
    }
    results = {
        "protocol": protocol,
        "build_seconds": searchers.build_seconds,
        "summary": {
            kind: {
                name: summarise([row for row in rows if (row.kind, row.searcher) == (kind, name)])
                for name in searchers.by_name
            }
            for kind in KINDS
        },
        "views": [asdict(row) for row in rows],
    }
    _write(out, results, example)
    steps.say(f"wrote {out / 'results.json'}")
    print(table(results))
    return results


def _drawn(asked: Asked) -> int:
    return seen_on_two(asked.view, asked.answers[GRAPH])


def _grey(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Luma of ITU-R BT.601, rounded."""
    return np.rint(image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def _write(out: Path, results: dict[str, Any], example: Asked | None) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if example:
        title = f"a hard view, brightened, localised by {GRAPH}"
        with files.replacing(out / "view.png") as file:
            file.write(draw(example.view, example.answers[GRAPH], LENS, title))
    with files.replacing(out / "results.json") as file:
        file.write((json.dumps(results, indent=1) + "\n").encode())
