"""The rows of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A way to find the photograph."""

    name: str
    title: str
    kind: Literal["chance", "pixels", "hog", "network"] = "network"
    attribute_weight: float = 0.0
    """Of naming the attributes."""
    ranking_weight: float = 0.0
    """Of ranking by attributes."""


ARMS = (
    Arm(name="chance", title="Chance", kind="chance"),
    Arm(name="pixels", title="Blurred pixels, nothing learnt", kind="pixels"),
    Arm(name="hog", title="Histograms of gradients, nothing learnt", kind="hog"),
    Arm(name="triplet", title="Triplets"),
    Arm(name="attributes", title="Triplets, attributes", attribute_weight=0.1),
    Arm(
        name="full",
        title="Triplets, attributes, ranking by them",
        attribute_weight=0.1,
        ranking_weight=1.0,
    ),
)


def choose(names: Sequence[str]) -> tuple[Arm, ...]:
    """The arms that are named; of none, all.

    Raises:
        ValueError: a name is unknown.
    """
    unknown = sorted(set(names) - {arm.name for arm in ARMS})
    if unknown:
        raise ValueError(
            f"sketch-retrieval has no arm {', '.join(unknown)}; it has: "
            + ", ".join(arm.name for arm in ARMS)
        )
    return tuple(arm for arm in ARMS if not names or arm.name in names)
