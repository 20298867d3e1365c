"""How well distances find the photograph that was drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...hashing import Described, accuracy_at, sketch_distances
from ...kernels import hamming_distances, pack_signs
from ._parts import Part

KS = (1, 10)
ATTRIBUTE_WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the distance of attributes in the ranking; validation chooses."""


def accuracy(distances: npt.NDArray[Any], part: Part, samples: int = 1) -> dict[str, Any]:
    """acc@1 and acc@10, with the interval of the bootstrap over photographs, as JSON values."""
    found = accuracy_at(distances, part.photograph, KS, groups=part.photograph, samples=samples)
    return {str(k): value._asdict() for k, value in found.items()}


def by_embedding(drawings: Described, photographs: Described) -> npt.NDArray[np.float64]:
    """The l2 distance of the embeddings."""
    return sketch_distances(drawings, photographs)


def by_code(drawings: Described, photographs: Described) -> npt.NDArray[np.int32]:
    """Bits in which the signs of the embeddings differ."""
    codes = (pack_signs(said.embedding.contiguous().numpy()) for said in (drawings, photographs))
    return hamming_distances(*codes)


def choose_weight(drawings: Described, photographs: Described, part: Part) -> float:
    """The best of :data:`ATTRIBUTE_WEIGHTS` by acc@1 and acc@10 together."""

    def reached(weight: float) -> float:
        distances = sketch_distances(drawings, photographs, attribute_weight=weight)
        return sum(value["value"] for value in accuracy(distances, part).values())

    return max(ATTRIBUTE_WEIGHTS, key=reached)


def nearest(distances: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    """For each drawing the photographs that come first, at most ``count``."""
    return np.argsort(distances, 1, kind="stable")[:, :count]


def hits(distances: npt.NDArray[Any], part: Part) -> dict[str, list[float]]:
    """By ``k``, for each drawing the chance that its photograph is among the first, ties drawn."""
    own = distances[np.arange(len(part)), part.photograph][:, None]
    before, tied = (distances < own).sum(1), (distances == own).sum(1)
    return {str(k): np.clip((k - before) / tied, 0, 1).tolist() for k in KS}
