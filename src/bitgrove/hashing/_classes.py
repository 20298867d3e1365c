"""Labels as numbers of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def numbered(
    method: str, labels: npt.NDArray | None, *, least: int = 2
) -> tuple[npt.NDArray, npt.NDArray[np.int64]]:
    """The classes, sorted, and for each label the number of its class.

    Raises:
        ValueError: fewer classes than ``least``.
    """
    given: Any = labels
    classes, numbers = np.unique(given, return_inverse=True)
    if len(classes) < least:
        raise ValueError(
            f"{method} needs rows of at least {least} classes, got only class "
            f"{classes.tolist()[0]!r}"
        )
    return classes, numbers
