"""How hard forests become nodes of a packed graph."""

from __future__ import annotations

import numpy as np

from ..nn import ResidualForestHead
from ._emitter import Emitter
from ._hard_forest import complete_children
from ._site import Converters, Site


def residual_forest(emit: Emitter, site: Site, module: ResidualForestHead, value: int) -> int:
    """Complete trees at every pixel, their leaves summed in the order of the trees."""
    trees, inner = module.feature.shape
    return emit.add(
        "forest",
        site.name,
        value,
        feature=module.feature.cpu().numpy().astype(np.int32).ravel(),
        threshold=module.threshold.ravel(),
        children=complete_children(trees, inner),
        root=(np.arange(trees) * inner).astype(np.int32),
        leaf=module.leaf.flatten(0, 1),
    )


RESIDUAL_FORESTS: Converters = {ResidualForestHead: residual_forest}
