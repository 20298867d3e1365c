"""Labels that grow with what is learnt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def union(known: npt.NDArray, more: npt.NDArray) -> npt.NDArray:
    """Both sets of labels, sorted; kinds that do not compare are refused."""
    kinds = {"i": "number", "u": "number", "f": "number", "b": "bool", "U": "text", "O": "object"}
    first, second = (kinds.get(labels.dtype.kind, labels.dtype.kind) for labels in (known, more))
    if first != second:
        raise ValueError(
            f"labels must be of one kind: earlier ones are {known.dtype}, these are {more.dtype}"
        )
    return np.union1d(known, more)
