"""How the networks of deep hashing begin and are trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ._bdnn_network import Layout
from ._dh_objective import Factors, Pairs, objective
from ._lbfgs import minimise
from ._principal import top_eigenvectors
from ._rows import Matrix, mean_and_covariance


def default_widths(bits: int) -> tuple[int, ...]:
    """Widths of the hidden layers, about as the paper's: 60 and 30 for 16 bits, 80 and 50 for 32.

    >>> default_widths(16), default_widths(32), default_widths(64)
    ((60, 30), (80, 50), (100, 80))
    """
    ends = ((16, 60, 30), (32, 80, 50), (64, 100, 80))
    low, high = (ends[0], ends[1]) if bits <= 32 else (ends[1], ends[2])
    share = (bits - low[0]) / (high[0] - low[0])
    narrow = max(round(low[2] + share * (high[2] - low[2])), bits)
    return max(round(low[1] + share * (high[1] - low[1])), narrow), narrow


class Trained(NamedTuple):
    """What training leaves."""

    mean: Matrix
    scale: float
    layers: list[tuple[Matrix, Matrix]]
    objective: Matrix


def train(
    features: npt.NDArray,
    sizes: Sequence[int],
    factors: Factors,
    pairs: Pairs | None,
    iterations: int,
) -> Trained:
    """Train layers of some widths on rows.

    The first layer begins with the principal axes, the others as identities cut to their shapes,
    all biases as 0. Rows are centred and get unit mean variance along the first layer's axes.

    Raises:
        ValueError: all rows are equal.
    """
    mean, covariance = mean_and_covariance(features)
    axes = top_eigenvectors(covariance, sizes[0])
    variance = np.einsum("kd,de,ke->k", axes, covariance, axes, optimize=True).mean()
    if not variance > 0:
        raise ValueError("all rows are equal, so there is nothing to learn from them")
    scale = float(1 / np.sqrt(variance))
    rows = torch.from_numpy((features - mean) * scale)
    layout = Layout(list(zip((features.shape[1], *sizes), sizes, strict=False)))
    vector = torch.zeros(layout.length, dtype=torch.float64)
    for number, (weight, _) in enumerate(layout.parts(vector)):
        start = torch.eye(*weight.shape) if number else torch.from_numpy(axes)
        weight[: len(start)] = start
    history: list[float] = []

    def value_and_gradient(at: Tensor, gradient: Tensor) -> float:
        with torch.enable_grad():
            leaf = at.detach().clone().requires_grad_()
            value = objective(rows, layout.parts(leaf), factors, pairs)
            (found,) = torch.autograd.grad(value, leaf)
        gradient.copy_(found)
        if not history or value.item() < history[-1]:
            history.append(value.item())
        return value.item()

    minimise(vector, value_and_gradient, iterations)
    layers = [(w.T.numpy().copy(), c.numpy().copy()) for w, c in layout.parts(vector)]
    return Trained(mean, scale, layers, np.array(history))
