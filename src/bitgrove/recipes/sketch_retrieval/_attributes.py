"""Attributes of photographs, computed from what people drew on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage

ATTRIBUTES = (
    "much is drawn",
    "more upright than level",
    "much is slanted",
    "drawn in the middle",
    "drawn above rather than below",
    "drawn on the left rather than on the right",
    "left mirrors right",
    "the longest line holds much",
    "many areas",
    "a level line goes across",
    "an upright line goes across",
    "a large empty place",
)
_INK = 0.3
"""From which a pixel counts as drawn."""
_AREA = 8
"""Pixels that an area must have to count."""


def statistics(drawn: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """One number for each attribute, of lines ``(n, h, w)``; more means that it has it."""
    return np.array([_of_one(one) for one in drawn]).reshape(len(drawn), len(ATTRIBUTES))


def of_others(
    values: npt.NDArray[np.float64], photograph: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Means over the other drawings of the same photograph, and over all drawings of each.

    So what a drawing is said to have is never read off itself.

    Args:
        values: :func:`statistics` of the drawings.
        photograph: of each its photograph, 0 to the number of photographs; two of each at least.
    """
    count = np.bincount(photograph)[:, None]
    sums = np.zeros((len(count), values.shape[1]))
    np.add.at(sums, photograph, values)
    return (sums[photograph] - values) / (count[photograph] - 1), sums / count


def _of_one(drawn: npt.NDArray[np.float32]) -> list[float]:
    h, w = drawn.shape
    ink = max(float(drawn.sum()), 1e-6)
    there = drawn > _INK
    down, right = np.gradient(_smooth(drawn, 1.0))
    steep = down**2 + right**2
    all_steep = max(float(steep.sum()), 1e-9)
    slanted = 4 * (down * right) ** 2 / np.maximum(steep, 1e-12)
    wide = _smooth(drawn, 4.0)
    wide = wide - wide.mean()
    far: Any = scipy.ndimage.distance_transform_edt(np.pad(~there, 1))
    return [
        float(drawn.mean()),
        float((right**2 - down**2).sum()) / all_steep,
        float(slanted.sum()) / all_steep,
        float(drawn[h // 4 : -(h // 4), w // 4 : -(w // 4)].sum()) / ink,
        float(drawn[: h // 2].sum() - drawn[h // 2 :].sum()) / ink,
        float(drawn[:, : w // 2].sum() - drawn[:, w // 2 :].sum()) / ink,
        float((wide * wide[:, ::-1]).sum() / max(float((wide**2).sum()), 1e-9)),
        float(_sizes(there, np.ones((3, 3))).max(initial=0)) / max(int(there.sum()), 1),
        float((_sizes(~there, None) >= _AREA).sum()),
        float(scipy.ndimage.maximum_filter(drawn, (5, 1)).mean(1).max()),
        float(scipy.ndimage.maximum_filter(drawn, (1, 5)).mean(0).max()),
        float(far.max()),
    ]


def _smooth(drawn: npt.NDArray[np.float32], width: float) -> npt.NDArray[np.float32]:
    smooth: Any = scipy.ndimage.gaussian_filter(drawn, width)
    return smooth


def _sizes(there: npt.NDArray[np.bool_], touching: Any) -> npt.NDArray[np.int64]:
    """Pixels of each connected piece; ``touching`` says which neighbours count."""
    pieces: Any = scipy.ndimage.label(there, touching)
    return np.bincount(pieces[0].ravel())[1:]
