"""What a table of hash methods is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...hashing import HashEncoder
from ...metrics import Relevance

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A data set under a protocol: what is learnt from, what is ranked, and who asks."""

    train: Rows
    labels: npt.NDArray | None
    """Of the training rows, for methods that learn from them."""
    gallery: Rows
    queries: Rows
    relevant: Relevance
    about: Mapping[str, Any]
    """What the page says about it."""
    at: int | None = None
    """Rows of a ranking that count, None for all; mAP is divided by all that are right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A row of the table."""

    name: str
    title: str
    make: Callable[[int, int, str], HashEncoder]
    """Takes bits, seed and precision; the last concerns networks alone."""
    drawn: bool = True
    """False: nothing is random, so that one seed says all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A table."""

    name: str
    title: str
    methods: tuple[Method, ...]
    datasets: Mapping[str, Callable[[Path], Task]]
    """Those of the table; each is made when its turn comes, and may keep files in the folder."""
    bits: tuple[int, ...]
    protocol: Mapping[str, Any]
    extra: Mapping[str, Callable[[Path], Task]] = field(default_factory=dict)
    """Data sets that run only when they are named."""
    options: str = ""
    """Of the command, that say which table this is."""
