"""How far a study is scaled down for a number of minutes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..data import ImageData
from ..training import seconds_per_image
from ._arms import Arm, Plan, StudyOptions

_OVERHEAD = 1.25
"""Validation, checkpoints and start-up on top of the training steps."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Size of a study."""

    width: int
    epochs: int | None
    """Of every arm; None for each arm's own at paper scale."""

    def epochs_of(self, arm: Arm) -> int:
        """Epochs of one arm."""
        return self.epochs or arm.epochs


def least_epochs(plan: Plan) -> int:
    """One for each stage of the arm that has most."""
    return max(len(arm.stages) for arm in plan.arms)


def scale_to_budget(plan: Plan, train: ImageData, minutes: float, options: StudyOptions) -> Scale:
    """The widest network of the plan that is trained long enough in the time, and how long.

    Times are measured where training will take place: on a GPU if there is one.

    Every arm is trained for the same number of epochs. Its time is that of a few steps, measured
    here, so another machine may choose another scale: repeat a run by its width and epochs.

    Raises:
        ValueError: not even one epoch of the narrowest network fits; the message says what would.
    """
    longest = min(arm.epochs for arm in plan.arms)
    least = least_epochs(plan)
    found = None
    # From the narrowest, so that no time goes to networks that are far too wide.
    for width in reversed(plan.widths):
        seconds = sum(_epoch_seconds(arm, train, width, options) for arm in plan.arms)
        epochs = int(60 * minutes / (seconds * len(options.seeds)))
        if found is None and epochs < least:
            needed = least * seconds * len(options.seeds) / 60
            raise ValueError(
                f"a budget of {minutes:g} minutes does not allow {least} epoch(s), one for each "
                f"stage, of every arm and seed; give at least {needed + 1:.0f}, or fewer seeds or "
                "arms"
            )
        if found is not None and epochs < max(least, plan.least_epochs):
            break
        found = Scale(width, min(epochs, longest))
    assert found is not None
    return found


def _epoch_seconds(arm: Arm, train: ImageData, width: int, options: StudyOptions) -> float:
    total = 0.0
    before = None
    for stage in arm.stages:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = stage.create(width)
        each = seconds_per_image(
            model,
            train,
            options.apply(stage.config),
            teacher=before if stage.teach else None,
            threads=options.threads,
            steps=2,
        )
        total += stage.share * each * len(train) * _OVERHEAD
        before = model.eval()
    return total
