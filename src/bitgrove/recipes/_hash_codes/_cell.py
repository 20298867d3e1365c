"""One method, one code length, one seed: fitted, its codes kept, and scored."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...files import replacing
from ...metrics import distance_histograms
from .._outcomes import kept, write
from ._study import Method, Task

Codes = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


def measure(
    task: Task, method: Method, bits: int, seed: int, precision: str, folder: Path, resume: bool
) -> dict[str, Any]:
    """The scores of one cell; what ``folder`` holds of it already is used, if ``resume``.

    Raises:
        ValueError: what it holds is damaged or was made with other settings.
    """
    settings = {"bits": bits, "seed": seed, "precision": precision}
    outcome = kept(folder / "outcome.json", settings) if resume else None
    if outcome is not None:
        return outcome
    fit = kept(folder / "fit.json", settings) if resume else None
    if fit is None:
        fit = _fit(task, method, bits, seed, precision, folder) | {"settings": settings}
        write(folder / "fit.json", fit)
    gallery, queries = _read(folder / "codes.npz")
    found = distance_histograms(queries, gallery, task.relevant)
    cut: Any = {"at": task.at, "divisor": "relevant"}  # without a cut all divisors are the same
    inside = found.precision_within_radius(2, "zero")
    outcome = fit | {
        "map": found.mean_average_precision(ap="trapezoid", **cut),
        "map_rectangle": found.mean_average_precision(ap="rectangle", **cut),
        "precision_at_radius_2": inside.precision,
        "empty_balls": inside.empty,
    }
    write(folder / "outcome.json", outcome)
    return outcome


def _fit(
    task: Task, method: Method, bits: int, seed: int, precision: str, folder: Path
) -> dict[str, Any]:
    encoder = method.make(bits, seed, precision)
    before = time.process_time()
    encoder.fit(task.train, task.labels)
    seconds = time.process_time() - before
    before = time.process_time()
    gallery, queries = encoder.encode(task.gallery), encoder.encode(task.queries)
    encoding = time.process_time() - before
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "codes.npz") as file:
        np.savez(file, gallery=gallery, queries=queries)
    told: dict[str, Any] = {
        "method": method.name,
        "fit_cpu_seconds": round(seconds, 2),
        "encode_cpu_seconds": round(encoding, 3),
    }
    history = getattr(encoder, "history_", None)
    if history is not None and hasattr(history, "objective"):
        told |= {
            "objective": history.objective,
            "terms": history.terms[-1],
            "evaluations": history.evaluations,
            "validation_map": history.validation,
            "round_kept": history.best,
            "ended": history.ended,
        }
    return told


def _read(path: Path) -> Codes:
    try:
        with np.load(path) as file:
            return file["gallery"], file["queries"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); delete its folder to run anew") from None
