"""What the scores of random ferns, side by side for all outputs, are as answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._fern_rules import log_sum


def outputs_of(scores: npt.NDArray, widths: list[int]) -> list[npt.NDArray]:
    """The columns of each output."""
    return np.split(scores, np.cumsum(widths)[:-1], axis=1)


def as_decisions(scores: npt.NDArray[np.float32], widths: list[int]) -> Any:
    """As ``decision_function`` gives them: of two classes one number for each row."""
    parts = [p[:, 0] if p.shape[1] == 1 else p for p in outputs_of(scores, widths)]
    if len(parts) == 1:
        return parts[0]
    return scores if all(part.ndim == 1 for part in parts) else parts


def best(part: npt.NDArray) -> npt.NDArray[np.intp]:
    """The number of the best class of each row, for one output; ties go to the first."""
    return (part[:, 0] > 0).astype(np.intp) if part.shape[1] == 1 else part.argmax(1)


def log_probabilities(scores: npt.NDArray[np.float32], classes: int) -> npt.NDArray[np.float64]:
    """Of all classes, for one output."""
    logs = scores.astype(np.float64)
    if classes == 2:
        logs = np.concatenate([np.zeros_like(logs), logs], axis=1)
    return logs - log_sum(logs)
