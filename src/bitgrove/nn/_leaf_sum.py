"""The sum of the leaves that a row reaches, and the gradient of their logits."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def leaf_sum(index: Tensor, leaf: Tensor) -> Tensor:
    """For every row the sum of the leaves it reaches.

    Args:
        index: integers ``[m, trees]``, the leaf in each tree.
        leaf: ``[trees, leaves, classes]``.

    Returns:
        ``[m, classes]``; differentiable in ``leaf``, once.
    """
    return _LeafSum.apply(_flat(index, leaf), leaf)  # pyright: ignore[reportReturnType]


def leaf_gradient(index: Tensor, gradient: Tensor, leaf: Tensor) -> Tensor:
    """The gradient to ``leaf``, given that to the sums, ``[m, classes]``."""
    return _scatter(_flat(index, leaf), gradient, leaf.shape)


class _LeafSum(torch.autograd.Function):
    """``embedding_bag(mode="sum")``, whose own gradient sorts all indices first."""

    @staticmethod
    def forward(ctx: Any, index: Tensor, leaf: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(index)
        ctx.shape = leaf.shape
        if not len(index):
            return leaf.new_zeros((0, leaf.shape[2]))
        return F.embedding_bag(index, leaf.flatten(0, 1), mode="sum")

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (index,) = ctx.saved_tensors
        return None, _scatter(index, grads[0], ctx.shape)


def _flat(index: Tensor, leaf: Tensor) -> Tensor:
    """Leaves of each tree as rows of the table of all, ``int32[m, trees]``."""
    first = torch.arange(len(leaf), dtype=torch.int32, device=index.device) * leaf.shape[1]
    return index.to(torch.int32) + first


def _scatter(index: Tensor, values: Tensor, shape: torch.Size) -> Tensor:
    """Add row ``i`` of ``values`` to every leaf that row ``i`` of ``index`` names.

    It is the product of a sparse matrix of ones, transposed, with ``values``: one pass in the order
    of the rows, so that the result does not depend on the number of threads.
    """
    rows, trees = shape[0] * shape[1], index.shape[1]
    if index.device.type != "cpu":
        wide = values[:, None].expand(-1, trees, -1).reshape(-1, shape[2])
        return values.new_zeros((rows, shape[2])).index_add_(0, index.reshape(-1), wide).view(shape)
    from scipy.sparse import csc_matrix  # comes with scikit-learn

    ones = torch.ones(index.numel(), dtype=values.dtype).numpy()
    starts = torch.arange(len(index) + 1, dtype=torch.int32).mul_(trees).numpy()
    reached = csc_matrix((ones, index.reshape(-1).numpy(), starts), shape=(rows, len(index)))
    return torch.from_numpy(reached @ values.detach().contiguous().numpy()).view(shape)
