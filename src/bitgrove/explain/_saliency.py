"""Which pixels a split depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..nn import NeuralDecisionForest
from ._look import as_batch, check_tree, find_forest, watched


def saliency(
    forest_model: nn.Module,
    image: Tensor | npt.NDArray[np.floating[Any]],
    nodes: Sequence[int],
    *,
    tree: int = 0,
    forest: str | None = None,
    normalise: bool = True,
) -> npt.NDArray[np.float32]:
    """Decision saliency maps: how much each pixel moves the decision of a split node.

    The map of node ``n`` is ``max over channels of |d f_n / d image|``, with ``f_n`` what goes into
    the node's sigmoid.

    Source: Li and Cheng, Visualizing the Decision-Making Process in Deep Neural Decision Forest,
    CVPRW 2019.

    Args:
        forest_model: a model that maps ``(n, c, h, w)`` to the answer of a
            :class:`bitgrove.nn.NeuralDecisionForest` in it. Used in evaluation mode, and left as it
            was.
        image: ``(c, h, w)``, as the model takes it.
        nodes: of the tree, breadth first from 0, the root.
        tree: number of the tree.
        forest: path of the forest in the model, if there are several.
        normalise: map the smallest value to 0 and the largest to 1, node by node; a map that is the
            same everywhere becomes 0.

    Returns:
        ``float32[len(nodes), h, w]``.

    Raises:
        TypeError: ``forest_model`` is no torch module, or ``image`` no floating-point array.
        ValueError: there is no such forest, tree or node, or the image does not fit.

    >>> from bitgrove import nn as bnn
    >>> forest = bnn.NeuralDecisionForest(4, 2, trees=1, depth=1)
    >>> saliency(nn.Sequential(nn.Flatten(), forest), torch.zeros(1, 2, 2), [0]).shape
    (1, 2, 2)
    """
    found = find_forest(forest_model, forest)
    check_tree(found, tree)
    last = 2**found.depth - 2
    wrong = [node for node in nodes if not 0 <= node <= last]
    if wrong or not len(nodes):
        raise ValueError(f"nodes must be some of 0 to {last}, got {[*nodes]}")
    x = as_batch(image, forest_model).detach().requires_grad_()
    decisions = decide(forest_model, found, x)[0]
    maps = []
    for node in nodes:
        (gradient,) = torch.autograd.grad(decisions[tree, node], x, retain_graph=True)
        maps.append(gradient[0].abs().amax(0))
    stacked = torch.stack(maps)
    if normalise:
        low, high = (part[:, None, None] for part in (stacked.amin((1, 2)), stacked.amax((1, 2))))
        stacked = torch.where(high > low, (stacked - low) / (high - low), 0.0)
    return stacked.float().cpu().numpy()


def decide(model: nn.Module, forest: NeuralDecisionForest, x: Tensor) -> Tensor:
    """What goes into the sigmoids, ``(n, trees, nodes)``, with the graph of its computation.

    Raises:
        ValueError: the model does not run on the input.
    """
    with watched(model, forest) as seen, torch.enable_grad():
        try:
            model(x)
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"the model does not run on an image of shape {tuple(x.shape[1:])}: {error}"
            ) from error
        return forest.decisions(seen[-1])
