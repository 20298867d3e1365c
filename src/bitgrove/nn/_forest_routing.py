"""How likely an input arrives at every node of soft trees, in logarithms."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FLOOR = 1e-12
"""Added to every leaf's probability, so that no likelihood is 0 and no logarithm infinite."""


def log_arrivals(decisions: Tensor) -> list[Tensor]:
    """Log-probability of arriving at every node, level by level from the root to the leaves.

    Node ``n`` sends right with probability ``sigmoid(decisions[..., n])``. Nodes are numbered in
    breadth-first order: the children of ``n`` are ``2 n + 1`` (left) and ``2 n + 2`` (right). Sums
    of logarithms do not underflow, where products of 12 probabilities may.

    Args:
        decisions: ``(..., 2**depth - 1)``, before the sigmoid.

    Returns:
        ``depth + 1`` tensors ``(..., 1)``, ``(..., 2)`` to ``(..., 2**depth)``, each summing to 1
        when exponentiated.

    >>> [level.exp().tolist() for level in log_arrivals(torch.zeros(3))]
    [[1.0], [0.5, 0.5], [0.25, 0.25, 0.25, 0.25]]
    """
    depth = depth_of(decisions.shape[-1])
    right, left = F.logsigmoid(decisions), F.logsigmoid(-decisions)
    levels = [torch.zeros_like(decisions[..., :1])]
    for level in range(depth):
        here = slice(2**level - 1, 2 ** (level + 1) - 1)
        both = torch.stack((left[..., here], right[..., here]), -1)
        levels.append((levels[-1][..., None] + both).flatten(-2))
    return levels


def greedy_leaves(decisions: Tensor) -> Tensor:
    """The leaf at which an input ends that goes right where ``decisions > 0``, else left.

    Args:
        decisions: ``(..., 2**depth - 1)``, numbered as in :func:`log_arrivals`.

    Returns:
        ``int64[...]``, from 0 (always left) to ``2**depth - 1``.

    >>> greedy_leaves(torch.tensor([[1.0, 0.0, -1.0], [1.0, -1.0, 2.0], [0.0, 5.0, 5.0]]))
    tensor([2, 3, 1])
    """
    nodes = decisions.shape[-1]
    at = torch.zeros(decisions.shape[:-1], dtype=torch.int64, device=decisions.device)
    for _ in range(depth_of(nodes)):
        right = decisions.gather(-1, at[..., None])[..., 0] > 0
        at = 2 * at + 1 + right.long()
    return at - nodes


def log_certain(decisions: Tensor) -> Tensor:
    """Log-probability of the leaves by hard splits: 0 for the one that is reached, else -inf.

    >>> log_certain(torch.tensor([[1.0, 0.0, -1.0]]))
    tensor([[-inf, -inf, 0., -inf]])
    """
    ends = greedy_leaves(decisions)
    return F.one_hot(ends, decisions.shape[-1] + 1).to(decisions.dtype).log()


def log_mixture(log_leaves: Tensor, distributions: Tensor) -> Tensor:
    """``log(mean over trees of sum over leaves of exp(log_leaves) * distributions)``.

    The largest leaf is taken out before exponentiating, so that its class probabilities keep all
    their digits however unlikely it is.

    Args:
        log_leaves: ``(n, trees, leaves)``.
        distributions: ``(trees, leaves, classes)``, 0 or more; :data:`FLOOR` is added.

    Returns:
        ``(n, classes)``.
    """
    flat = log_leaves.flatten(1)
    largest = flat.detach().amax(1, keepdim=True)
    shares = (flat - largest).exp() @ (distributions + FLOOR).flatten(0, 1)
    return shares.log() + largest - torch.log(torch.tensor(float(len(distributions))))


def depth_of(nodes: int) -> int:
    """Levels of split nodes in a complete tree of so many."""
    return (nodes + 1).bit_length() - 1
