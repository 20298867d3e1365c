"""The drawings and photographs of BSDS500, in its official parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ... import data
from . import _pictures
from ._attributes import of_others, statistics


@dataclass(frozen=True, slots=True)
class Part:
    """Photographs that no other part has, and what people drew on them.

    What has a leading axis of 2 is given as it is, then mirrored.
    """

    names: tuple[str, ...]
    """Of the photographs."""
    thumbnails: npt.NDArray[np.uint8]
    """``(photographs, 64, 64, 3)``."""
    edges: Tensor
    """``(photographs, 1, 64, 64)``."""
    drawings: Tensor
    """``(drawings, 1, 64, 64)``."""
    photograph: npt.NDArray[np.int64]
    """Of each drawing."""
    said_of_drawings: npt.NDArray[np.float64]
    """``(2, drawings, attributes)``, measured on the other drawings of the photograph."""
    said_of_photographs: npt.NDArray[np.float64]
    """``(2, photographs, attributes)``, measured on all drawings of it."""

    def __len__(self) -> int:
        return len(self.drawings)


class Parts(NamedTuple):
    """As BSDS500 divides them."""

    train: Part
    validation: Part
    test: Part


def load() -> Parts:
    """Read all and make it small: some 30 seconds of one core.

    Raises:
        DataError: photographs or contours are not at hand, or not of each other.
    """
    photographs, contours = data.load_bsds500(), data.load_bsds500_contours()
    if photographs.names != contours.names:
        raise data.DataError("photographs and contours of BSDS500 are not of the same pictures")
    parts = np.array([name.partition("/")[0] for name in photographs.names])
    return Parts(
        *(
            _part(photographs, contours, np.flatnonzero(parts == part))
            for part in ("train", "val", "test")
        )
    )


def _part(
    photographs: data.Photographs, contours: data.Contours, rows: npt.NDArray[np.int64]
) -> Part:
    thumbnails, edges, drawn, of = [], [], [], []
    for number, row in enumerate(rows):
        colours = _pictures.middle(np.moveaxis(photographs.images[row], 2, 0))
        thumbnails.append(np.moveaxis(_pictures.shrink(colours), 0, 2).round().astype(np.uint8))
        edges.append(_pictures.lines(_pictures.edges(colours)[None]))
        drawn.append(_pictures.lines(_pictures.middle(contours[row])))
        of += [number] * len(drawn[-1])
    drawings, photograph = np.concatenate(drawn), np.array(of)
    both = [of_others(statistics(d), photograph) for d in (drawings, drawings[:, :, ::-1])]
    return Part(
        tuple(photographs.names[row] for row in rows),
        np.stack(thumbnails),
        torch.from_numpy(np.stack(edges)),
        torch.from_numpy(drawings[:, None]),
        photograph,
        np.stack([one for one, _ in both]),
        np.stack([one for _, one in both]),
    )
