"""How well codes find images of the query's class."""

from __future__ import annotations

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
        queries = encoder.decision_function(found.query).astype(np.float32)
        scores = encoder.index(database).scores(queries)
        return {"map": average_precision_of_scores(scores, relevant, higher_is_better=True)}
    query = encoder.encode(found.query)
    near = precision_within_radius(query, database, relevant)
    return {
        "map": mean_average_precision(query, database, relevant),
        "precision_radius_2": near.precision,
        "empty_balls": near.empty,
    }


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
