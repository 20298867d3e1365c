"""How hard trees become the operator ``forest`` of a packed graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..nn import HardForest, NeuralDecisionForest
from ..runtime import Link
from ._emitter import Emitter
from ._layers import linear, need_vector
from ._site import Converters, Site


def hard_forest(emit: Emitter, site: Site, module: HardForest, value: int) -> int:
    """The linear layer, then trees with the threshold 0 on its outputs."""
    need_vector(site)
    width = torch.Size((1, module.functions.out_features))
    inner = Site(f"{site.name}.functions", site.before, width)
    neurons = linear(emit, inner, module.functions, value)
    trees, nodes = module.neuron.shape
    return emit.add(
        "forest",
        site.name,
        neurons,
        feature=module.neuron.reshape(-1).int(),
        threshold=torch.zeros(trees * nodes),
        children=complete_children(trees, nodes),
        root=np.arange(trees, dtype=np.int32) * nodes,
        leaf=module.leaf.flatten(0, 1),
    )


def complete_children(trees: int, nodes: int) -> npt.NDArray[np.int32]:
    """Both children of every node of complete trees, one tree after another, breadth first.

    Returns:
        ``int32[trees * nodes, 2]``: the number of a node, or ``~v`` for leaf ``v``; the leaves of a
        tree too follow those of the trees before it.

    >>> complete_children(2, 1)
    array([[-1, -2],
           [-3, -4]], dtype=int32)
    """
    below = 2 * np.arange(nodes)[:, None] + np.array([1, 2])
    number = np.arange(trees)[:, None, None]
    inner = number * nodes + below
    leaf = number * (nodes + 1) + below - nodes
    return np.where(below < nodes, inner, ~leaf).reshape(-1, 2).astype(np.int32)


def soft_forest(emit: Emitter, site: Site, module: NeuralDecisionForest, value: int) -> int:
    """Refused."""
    raise ValueError(
        "a soft forest has no packed form: pack bitgrove.nn.harden(model), whose trees are hard"
    )


LINKS: dict[str, Link] = {
    "logits": "softmax",
    "probabilities": "normalise",
    "values": "identity",
}
"""By what a hard forest's sums are."""

HARD_FORESTS: Converters = {HardForest: hard_forest, NeuralDecisionForest: soft_forest}
