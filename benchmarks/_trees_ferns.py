"""Random ferns against scikit-learn's forest on the same pictures, for ``trees.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _alternate import alternate, quartiles, ratios
from _trees_data import load
from sklearn.ensemble import RandomForestClassifier

from bitgrove.solvers import RandomFerns

SIZES = ((100, 8), (100, 12), (400, 12))
"""Ferns and their depth."""


def ferns(
    asking: Callable[..., Any], rows: int, rounds: int, turn: float, batch: int = 10_000
) -> dict[str, Any]:
    """Rows per second and accuracy on all pixels of MNIST and Fashion-MNIST."""
    found: dict[str, Any] = {}
    for name in ("mnist", "fashion-mnist"):
        task = load(name, rows)
        forest = RandomForestClassifier(100, random_state=0).fit(task.train, task.labels)
        train, test = task.train.astype(np.uint8), task.test.astype(np.uint8)
        answers = {"scikit-learn": (forest.predict, task.test)}
        for count, depth in SIZES:
            own = RandomFerns(count, depth, random_state=0, threads=1).fit(train, task.labels)
            answers[f"{count} ferns of {depth}"] = (own.predict, test)
        times = alternate(
            {key: asking(answer, x, batch) for key, (answer, x) in answers.items()},
            rounds,
            turn=turn,
            reduce=min,
        )
        found[name] = {
            key: {
                "accuracy": round(float((answer(x) == task.test_labels).mean()), 4),
                "rows_per_second": quartiles([batch / t for t in times[key]]),
                "ratio": ratios(times, key).get("scikit-learn"),
            }
            for key, (answer, x) in answers.items()
        }
    return {"ferns": found}
