"""What a study trains: arms to compare, each of one or more stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from ..training import Precision, TrainingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One training run; the stages of an arm follow one another."""

    create: Callable[[int], nn.Module]
    """A fresh network of a width."""
    config: TrainingConfig
    """At paper scale, but for the number of epochs."""
    signed_pixels: bool = False
    """Scale pixels to [-1, 1]; else standardise them by the training images."""
    share: float = 1.0
    """Of the arm's epochs, above 0."""
    inherit: bool = True
    """Start from the weights of the stage before, whose state dict must fit."""
    teach: bool = False
    """Follow the network of the stage before, by a loss that needs a teacher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One row of a table."""

    name: str
    """For the command line and folders, such as ``"bop"``."""
    title: str
    paper: str
    """Authors, venue and year."""
    stages: tuple[Stage, ...]
    epochs: int
    """At paper scale, all stages together."""
    reestimate: bool = False
    """Measure the batch norms anew at the end."""
    published: float | None = None
    """Test accuracy in the paper or its code's own description, 0 to 1."""
    published_under: str = ""
    """The scale of the published figure, and what of its protocol differs from ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A study: its arms and the scales that it can run at."""

    name: str
    title: str
    dataset: str
    """A name of :func:`bitgrove.data.list`."""
    arms: tuple[Arm, ...]
    widths: tuple[int, ...]
    """Paper scale first, then narrower ones for a budget."""
    least_epochs: int = 5
    """A budget that does not allow as many is spent on a narrower network."""
    notes: str = ""
    """What a reader of the figures must know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOptions:
    """What a person may choose."""

    seeds: tuple[int, ...] = (0,)
    precision: Precision | None = None
    """In place of that of the plan's stages."""
    threads: int | None = None
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False

    def apply(self, config: TrainingConfig) -> TrainingConfig:
        """A stage's settings with what was chosen in their place."""
        return replace(config, precision=self.precision) if self.precision else config
