"""A study as plain values: methods trained side by side, each with some seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyHistogram:
    """Where the numbers behind the bits of one layer lay at one epoch."""

    counts: Sequence[int]
    """Weights per bin, from minus to plus ``limit`` in bins of one width; those beyond the limit
    are in the outermost ones."""
    limit: float
    shown: Literal["latent", "pressure"] = "latent"
    """Latent weights, or the average gradients ``p`` of Bop in units of its threshold, as
    ``sign(p) log10(1 + 9 |p|)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRun:
    """One method trained once."""

    seed: int
    test_accuracy: float
    """0 to 1."""
    best_validation_accuracy: float
    """Of the epoch that was tested, 0 to 1."""
    seconds: float
    """Wall time of training."""
    curve: Sequence[Mapping[str, float]] = ()
    """A row per epoch, in order, with ``epoch``, ``validation_accuracy`` and, if known,
    ``train_loss``."""
    flips: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """Epoch to layer to the share of its weights that an update turned round."""
    histograms: Mapping[int, Mapping[str, StudyHistogram]] = field(default_factory=dict)
    """Epoch to layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyArm:
    """One method with all its seeds."""

    name: str
    runs: Sequence[StudyRun]
    paper: str = ""
    """Authors, venue, year."""
    settings: Mapping[str, str] = field(default_factory=dict)
    published: float | None = None
    """Test accuracy as published, 0 to 1."""
    published_under: str = ""
    """How the published protocol differs from this one; empty where it is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """All that the page of a study shows."""

    title: str
    what: str
    """One or two sentences: the question, the data, the network, the scale."""
    arms: Sequence[StudyArm]
    notes: Sequence[str] = ()
    """What a reader of the figures must know, a paragraph each."""
    command: str = ""
    """What to type to repeat it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Processor, versions, protocol: shown as a table."""
