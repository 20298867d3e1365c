"""How hard forests become nodes of a packed graph."""

from __future__ import annotations

import numpy as np

from ..nn import ResidualForestHead
from ._emitter import Emitter
from ._site import Converters, Site


def residual_forest(emit: Emitter, site: Site, module: ResidualForestHead, value: int) -> int:
    """Complete trees at every pixel, their leaves summed in the order of the trees."""
    trees, inner = module.feature.shape
    node = np.arange(inner)
    below = np.stack([2 * node + 1, 2 * node + 2], axis=1)
    first = np.arange(trees)[:, None, None]
    # Numbered through all trees; what lies below the last level is a leaf, written as ~leaf.
    children = np.where(
        below < inner, first * inner + below, ~(first * (inner + 1) + below - inner)
    )
    return emit.add(
        "forest",
        site.name,
        value,
        feature=module.feature.cpu().numpy().astype(np.int32).ravel(),
        threshold=module.threshold.ravel(),
        children=children.astype(np.int32).reshape(-1, 2),
        root=(np.arange(trees) * inner).astype(np.int32),
        leaf=module.leaf.flatten(0, 1),
    )


FORESTS: Converters = {ResidualForestHead: residual_forest}
