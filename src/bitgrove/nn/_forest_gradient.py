"""Hard forests in autograd: the leaves' gradient, and the divergent one to what they read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ._divergent import Change, cross_entropy_change, divergent_gradient, linear_change
from ._leaf_sum import leaf_gradient, leaf_sum


@dataclass(frozen=True)
class RoutedTrees:
    """The tests of complete trees.

    Args:
        feature: ``int64[trees, nodes]``.
        threshold: as many.
        sharpness: lambda of the gradient to the rows; None for no such gradient.
    """

    feature: Tensor
    threshold: Tensor
    sharpness: float | None

    def logits(self, rows: Tensor, index: Tensor, leaf: Tensor) -> Tensor:
        """Sums of leaves ``[m, classes]``; the change of the loss is taken to first order."""
        return _Logits.apply(rows, index, leaf, self)  # pyright: ignore[reportReturnType]

    def loss(
        self, rows: Tensor, added: Tensor, index: Tensor, labels: Tensor, leaf: Tensor
    ) -> Tensor:
        """Mean cross-entropy of the sums and what is ``added``; the change is taken exactly."""
        return _Loss.apply(rows, added, index, labels, leaf, self)  # pyright: ignore[reportReturnType]

    def to_rows(self, rows: Tensor, index: Tensor, leaf: Tensor, change: Change) -> Tensor | None:
        """The gradient to the rows."""
        if self.sharpness is None:
            return None
        return divergent_gradient(
            rows, index, leaf, self.feature, self.threshold, self.sharpness, change
        )


class _Logits(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, rows: Tensor, index: Tensor, leaf: Tensor, forest: RoutedTrees
    ) -> Tensor:
        ctx.save_for_backward(rows, index, leaf)
        ctx.forest = forest
        return leaf_sum(index, leaf)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        rows, index, leaf = ctx.saved_tensors
        to_rows = to_leaf = None
        if ctx.needs_input_grad[0]:
            to_rows = ctx.forest.to_rows(rows, index, leaf, linear_change(grads[0]))
        if ctx.needs_input_grad[2]:
            to_leaf = leaf_gradient(index, grads[0], leaf)
        return to_rows, None, to_leaf, None


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        rows: Tensor,
        added: Tensor,
        index: Tensor,
        labels: Tensor,
        leaf: Tensor,
        forest: RoutedTrees,
    ) -> Tensor:
        logits = leaf_sum(index, leaf) + added
        ctx.save_for_backward(rows, logits, index, labels, leaf)
        ctx.forest = forest
        return F.cross_entropy(logits, labels) if len(labels) else logits.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        rows, logits, index, labels, leaf = ctx.saved_tensors
        weight = grads[0] / max(len(labels), 1)
        slope = logits.softmax(1)
        slope[torch.arange(len(labels), device=labels.device), labels] -= 1
        slope *= weight
        to_rows = None
        if ctx.needs_input_grad[0]:
            change = cross_entropy_change(logits, labels, weight.expand(len(labels)))
            to_rows = ctx.forest.to_rows(rows, index, leaf, change)
        return to_rows, slope, None, None, leaf_gradient(index, slope, leaf), None
