"""Settings of an optimiser that change with the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch.optim import Optimizer


class HyperparameterScheduler:
    """Sets settings of an optimiser's groups before every step, whatever their names.

    torch's own schedulers know ``lr`` alone. This one sets the value of step 0 when it is made;
    call :meth:`step` after each ``optimizer.step()``. A value goes to all groups that have the
    setting; that of ``"lr"`` is multiplied by the group's ``"lr_scale"``, where it has one
    (:func:`bitgrove.optim.latent_groups`).

    Args:
        optimizer: any of torch's kind.
        schedules: for each setting a function from the number of steps done, from 0, to its value:
            :class:`bitgrove.optim.linear` and the like, or your own.

    Raises:
        ValueError: there is no schedule, or no group has one of the settings.
        TypeError: a schedule cannot be called.

    >>> import torch
    >>> from bitgrove.optim import Bop, linear
    >>> bop = Bop([torch.nn.Parameter(torch.ones(1, 1))])
    >>> schedule = HyperparameterScheduler(bop, {"adaptivity_rate": linear(1e-2, 1e-4, steps=2)})
    >>> for _ in range(3):
    ...     print(bop.param_groups[0]["adaptivity_rate"]); bop.step(); schedule.step()
    0.01
    0.00505
    0.0001
    """

    def __init__(self, optimizer: Optimizer, schedules: Mapping[str, Callable[[int], Any]]) -> None:
        if not schedules:
            raise ValueError("schedules must name at least one setting, got none")
        known = {key for group in optimizer.param_groups for key in group}
        known -= {"params", "param_names", "name", "lr_scale", "initial_lr"}
        for key, schedule in schedules.items():
            if key not in known:
                raise ValueError(
                    f"no group of {type(optimizer).__name__} has {key!r}; available: "
                    f"{', '.join(sorted(known))}"
                )
            if not callable(schedule):
                raise TypeError(
                    f"the schedule of {key!r} must be a function of the step, got {schedule!r}; "
                    f"for one value use constant({schedule!r})"
                )
        self.optimizer = optimizer
        self.schedules = dict(schedules)
        self.steps = 0
        self._apply()

    def step(self) -> None:
        """Count a step and set the values of the next one."""
        self.steps += 1
        self._apply()

    def state_dict(self) -> dict[str, int]:
        """The number of steps done; the functions are not in it."""
        return {"steps": self.steps}

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        """Go on from the number of steps done, and set the values that belong to it."""
        self.steps = state_dict["steps"]
        self._apply()

    def _apply(self) -> None:
        for key, schedule in self.schedules.items():
            value = schedule(self.steps)
            for group in self.optimizer.param_groups:
                if key in group:
                    group[key] = value * group.get("lr_scale", 1.0) if key == "lr" else value
