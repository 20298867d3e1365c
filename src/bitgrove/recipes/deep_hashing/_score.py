"""How well codes find images of the query's class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ...hashing import ClassCodes, HashEncoder, SuBiC
from ...metrics import (
    Relevance,
    average_precision_of_scores,
    mean_average_precision,
    precision_within_radius,
)
from ._backbone import Features


def scored(encoder: HashEncoder, found: Features, relevant: Relevance) -> dict[str, Any]:
    """MAP of the whole ranking, expected over the orders of tied rows.

    Of SuBiC by what it is made for, real queries against codes; of all others by Hamming distance,
    with the precision within 2 bits and the share of queries that have nobody there.
    """
    database = encoder.encode(found.database)
    if isinstance(encoder, SuBiC):
        return {
            "map": average_precision_of_scores(
                look_ups(encoder, found.query, database), relevant, higher_is_better=True
            )
        }
    query = encoder.encode(found.query)
    near = precision_within_radius(query, database, relevant)
    return {
        "map": mean_average_precision(query, database, relevant),
        "precision_radius_2": near.precision,
        "empty_balls": near.empty,
    }


def look_ups(
    encoder: SuBiC, queries: npt.NDArray, codes: npt.NDArray[np.uint8], block: int = 100
) -> Iterator[npt.NDArray[np.float64]]:
    """Scores of codes for real queries, some queries at a time: per block, the number looked up."""
    blocks, width = encoder.blocks_, encoder.width
    each = encoder.bits // blocks
    bits = np.unpackbits(codes, axis=1, count=encoder.bits).reshape(len(codes), blocks, each)
    entries = bits @ (1 << np.arange(each - 1, -1, -1))
    values = encoder.decision_function(queries).reshape(len(queries), blocks, width)
    for start in range(0, len(queries), block):
        part = values[start : start + block]
        scores = np.zeros((len(part), len(codes)))
        for b in range(blocks):
            scores += part[:, b, entries[:, b]]
        yield scores


def references(found: Features, relevant: Relevance) -> dict[str, float]:
    """What the backbone itself makes of it: its guess at the class as a code, and its features."""
    few = found.train_labels.max() + 1
    cheat = ClassCodes(bits=int(few - 1).bit_length()).fit(found.train, found.train_labels)
    query, database = (_unit(rows) for rows in (found.query, found.database))
    cosines = (part @ database.T for part in np.array_split(query, 10))
    return {
        "class_codes": mean_average_precision(
            cheat.encode(found.query), cheat.encode(found.database), relevant
        ),
        "features": average_precision_of_scores(cosines, relevant, higher_is_better=True),
    }


def _unit(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
