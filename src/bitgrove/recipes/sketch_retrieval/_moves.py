"""Pictures of lines moved about, so that drawings no longer lie on their photographs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SHIFT = 0.125
"""Largest shift of a drawing in the test, of the side; 8 of 64 pixels."""
SCALE = 1.15
"""Largest factor of a drawing in the test, and its inverse the smallest."""
_SEED = 20
"""Of the moves in the test, which are the same for all arms and seeds."""


class Moves(NamedTuple):
    """One for each picture."""

    scale: Tensor
    shift: Tensor
    """``(n, 2)``, right and down, of the side."""


def draw_moves(random: np.random.Generator, n: int, shift: float, scale: float) -> Moves:
    """Shifts and logarithms of factors, each evenly between its bounds."""
    bound = np.log(scale)
    return Moves(
        torch.from_numpy(np.exp(random.uniform(-bound, bound, n)).astype(np.float32)),
        torch.from_numpy(random.uniform(-shift, shift, (n, 2)).astype(np.float32)),
    )


def move(pictures: Tensor, moves: Moves) -> Tensor:
    """Pictures ``(n, 1, h, w)`` made larger about their middle, then shifted; 0 comes in."""
    back = torch.zeros(len(pictures), 2, 3)
    back[:, 0, 0] = back[:, 1, 1] = 1 / moves.scale
    back[:, :, 2] = -2 * moves.shift / moves.scale[:, None]
    grid = F.affine_grid(back, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, align_corners=False)


def as_asked(drawings: Tensor) -> Tensor:
    """Drawings as validation and test ask with them: each moved once, always the same way."""
    random = np.random.default_rng(_SEED)
    return move(drawings, draw_moves(random, len(drawings), SHIFT, SCALE))
