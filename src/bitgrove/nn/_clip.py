"""Keep latent weights where their gradient still reaches them."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def clip_latents_(model: nn.Module, bound: float = 1.0) -> None:
    """Clip every latent binary weight of ``model`` to ``[-bound, bound]``, in place.

    Call it after each step of a latent-weight optimiser: a clipped estimator passes no gradient to
    a weight beyond its clip, so a weight that has drifted there would never come back. Leave it out
    with ``Bop``, which has no latent weights. Real weights are left alone.

    Args:
        model: any module; all its sub-modules are visited.
        bound: the largest magnitude, above 0.

    >>> from bitgrove.nn import BinaryLinear
    >>> layer = BinaryLinear(2, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[-3.0, 0.5]]))
    >>> clip_latents_(layer); layer.weight.data
    tensor([[-1.0000,  0.5000]])
    """
    if not bound > 0:
        raise ValueError(f"bound must be above 0, got {bound}")
    for module in model.modules():
        for name in getattr(module, "binary_parameter_names", ()):
            getattr(module, name).clamp_(-bound, bound)
