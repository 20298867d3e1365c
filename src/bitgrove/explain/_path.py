"""The way of one image through one tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..nn._forest_routing import greedy_leaves, log_arrivals
from ._look import as_batch, check_tree, find_forest, watched
from ._saliency import saliency


@dataclass(frozen=True, slots=True)
class Step:
    """One split node on the path."""

    node: int
    """Breadth first from 0, the root."""
    arrival: float
    """Probability of arriving here, 0 to 1."""
    decision: float
    """What goes into the sigmoid: above 0 the image tends to the right."""
    right: bool
    """Which way the path goes."""
    probability: float
    """Of going that way, 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class DecisionPath:
    """What :func:`decision_path` found; print it to read it."""

    task: Literal["classification", "regression"]
    tree: int
    trees: int
    """Of the forest."""
    steps: tuple[Step, ...]
    maps: npt.NDArray[np.float32]
    """The saliency map of every step, ``float32[steps, h, w]`` in 0 to 1."""
    leaf: int
    """At the end of the path, 0 for the one on the very left."""
    arrival: float
    """Probability of the leaf."""
    held: npt.NDArray[np.float32]
    """Class probabilities, or values, that the leaf holds."""
    answer: npt.NDArray[np.float32]
    """Class probabilities, or values, of the whole forest, with soft splits."""

    def __str__(self) -> str:
        lines = [f"tree {self.tree + 1} of {self.trees}"]
        for step in self.steps:
            way = "right" if step.right else "left"
            lines.append(
                f"node {step.node:<4} reached {step.arrival:6.1%}, goes {way:5} "
                f"{step.probability:6.1%}"
            )
        lines.append(f"leaf {self.leaf:<4} reached {self.arrival:6.1%}")
        return "\n".join(lines)


def decision_path(
    forest_model: nn.Module,
    image: Tensor | npt.NDArray[np.floating[Any]],
    *,
    tree: int = 0,
    forest: str | None = None,
) -> DecisionPath:
    """Follow an image through a tree of a forest, with a saliency map at every node.

    A classifier's path takes the likelier way at each node; that of a regression leads to the leaf
    with the largest probability of arriving.

    Source: Li and Cheng, Visualizing the Decision-Making Process in Deep Neural Decision Forest,
    CVPRW 2019.

    Args:
        forest_model: a model that maps ``(n, c, h, w)`` to the answer of a
            :class:`bitgrove.nn.NeuralDecisionForest` in it. Used in evaluation mode and with soft
            splits, and left as it was.
        image: ``(c, h, w)``, as the model takes it.
        tree: number of the tree, from 0.
        forest: path of the forest in the model, if there are several.

    Raises:
        TypeError: ``forest_model`` is no torch module, or ``image`` no floating-point array.
        ValueError: there is no such forest or tree, or the image does not fit.

    >>> from bitgrove import nn as bnn
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Flatten(), bnn.NeuralDecisionForest(4, 2, trees=2, depth=2))
    >>> print(decision_path(model, torch.ones(1, 2, 2)))
    tree 1 of 2
    node 0    reached 100.0%, goes left   62.5%
    node 1    reached  62.5%, goes right  52.4%
    leaf 1    reached  32.8%
    """
    found = find_forest(forest_model, forest)
    check_tree(found, tree)
    x = as_batch(image, forest_model)
    with torch.no_grad(), watched(forest_model, found) as seen:
        try:
            forest_model(x)
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"the model does not run on an image of shape {tuple(x.shape[1:])}: {error}"
            ) from error
        decisions = found.decisions(seen[-1])
        answer = found(seen[-1])[0]
    levels = [level[0, tree].exp() for level in log_arrivals(decisions)]
    if found.task == "classification":
        answer = answer.exp()
        leaf = int(greedy_leaves(decisions)[0, tree])
    else:
        leaf = int(levels[-1].argmax())
    steps = _steps(decisions[0, tree], levels, leaf)
    nodes = [step.node for step in steps]
    return DecisionPath(
        task=found.task,
        tree=tree,
        trees=found.trees,
        steps=steps,
        maps=saliency(forest_model, image, nodes, tree=tree, forest=forest),
        leaf=leaf,
        arrival=float(levels[-1][leaf]),
        held=found.leaf_values().detach()[tree, leaf].float().cpu().numpy(),
        answer=answer.float().cpu().numpy(),
    )


def _steps(decisions: Tensor, levels: list[Tensor], leaf: int) -> tuple[Step, ...]:
    """The nodes above a leaf, from the root."""
    depth, steps, node = len(levels) - 1, [], 0
    for level in range(depth):
        right = bool(leaf >> (depth - 1 - level) & 1)
        decision = float(decisions[node])
        probability = float(torch.sigmoid(decisions[node] if right else -decisions[node]))
        arrival = float(levels[level][node - (2**level - 1)])
        steps.append(Step(node, arrival, decision, right, probability))
        node = 2 * node + 1 + right
    return tuple(steps)
