"""How the loss reaches the tests of a fern, which are steps: the published ways, as weights.

A fern answers with the row of its table that its bits address. Every way writes the answer as a
weighted sum of rows, ``sum_a W[a] table[a]``, with weights that have a gradient in ``z``, the
tested numbers minus their thresholds.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor

Mode = Literal["tanh", "ste", "hinge", "efd", "soft"]
MODES: tuple[Mode, ...] = ("tanh", "ste", "hinge", "efd", "soft")
ANNEALED: tuple[Mode, ...] = ("tanh", "hinge", "soft")

_WIDEST, _NARROWEST = 1.0, 0.05
"""Half the width of the slope of a soft bit, at the start and before the end."""


def bits_to_rows(z: Tensor) -> Tensor:
    """The address of each fern's row, ``int64[ferns, ...]``, of ``z[ferns, depth, ...]``.

    Bit ``k`` is whether test ``k`` found a number at or above its threshold.
    """
    rows = torch.zeros_like(z[:, 0], dtype=torch.uint8)  # at most 8 bits
    for k in range(z.shape[1]):
        rows += (z[:, k] >= 0).to(torch.uint8) << k
    return rows.long()


def row_factor(z: Tensor, mode: Mode, hardness: float) -> Tensor | None:
    """What multiplies the addressed row, ``[ferns, ...]``; ``None`` for 1.

    ``hardness`` in 0 to 1 pulls the number, but not its gradient, towards 1.
    """
    if mode in ("ste", "efd") or hardness >= 1:
        return None
    factor = _own_factor(z, mode)
    return factor + hardness * (1 - factor)


def _own_factor(z: Tensor, mode: Mode) -> Tensor:
    return z.abs().amin(1) if mode == "hinge" else z.tanh().abs().mean(1)


def soft_weights(z: Tensor, hardness: float) -> Tensor:
    """Weights of all rows, ``[ferns, 2^depth, ...]``: products of bits that are slopes."""
    width = _WIDEST + hardness * (_NARROWEST - _WIDEST)
    ones = (0.5 + z / (2 * width)).clamp(0, 1)
    weights = torch.ones_like(z[:, :1])
    for k in range(z.shape[1]):
        one = ones[:, k : k + 1]
        weights = torch.cat([weights * (1 - one), weights * one], 1)
    return weights


def pull_back(z: Tensor, of_rows: Tensor, mode: Mode, hardness: float) -> Tensor:
    """The gradient of ``z``, given that of the weight of every row.

    Args:
        z: ``[ferns, depth, n]``.
        of_rows: ``[ferns, 2^depth, n]``: the products of the output's gradient with every row.
        mode: the way.
        hardness: 0 to 1.
    """
    if mode == "efd":
        return _extended_differences(z, of_rows) * (1 - z.tanh().square()) / 2
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        if mode == "soft":
            weights = soft_weights(z, hardness)
        else:
            weights, rows = _own_factor(z, mode), bits_to_rows(z.detach())
            of_rows = of_rows.gather(1, rows[:, None])[:, 0]
        return cast(Tensor, torch.autograd.grad(weights, z, of_rows)[0])


def _extended_differences(z: Tensor, of_rows: Tensor) -> Tensor:
    """The gradient of every bit: differences of rows, the farther from the address the lighter."""
    depth = z.shape[1]
    every = torch.arange(1 << depth, device=z.device)
    # Rows by how their address differs from the one that was read.
    near = of_rows.gather(1, bits_to_rows(z)[:, None] ^ every[:, None])
    bits = (every[:, None] >> torch.arange(depth, device=z.device)) & 1
    others = bits.sum(1, keepdim=True) - bits
    light = 0.5 * 0.75 ** (depth - 1) * (1 / 3) ** others.to(z.dtype)
    differences = torch.einsum("fan,ak->fkn", near, (1 - 2 * bits) * light)
    return torch.where(z >= 0, differences, -differences)
