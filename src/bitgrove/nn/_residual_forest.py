"""Forests whose leaves add to logits: Fast Residual Forests, on features or at every pixel."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from ._forest_gradient import RoutedTrees
from ._layer import check_input
from ._leaf_sum import leaf_sum
from ._residual_forest_routing import draw_channels, leaves, quantile_thresholds

DEPTH_LIMIT = 12
"""Levels: a table of 4,096 leaves for each tree."""


class ResidualForestHead(nn.Module):
    """Complete trees that compare one random channel each, with logits in their leaves.

    A node sends a row right where ``x[feature] > threshold``, else left (NaN goes left). The leaves
    that a row reaches are summed over the trees; the softmax of the sum is the product of what
    the trees say, normalised (Eq. 4). Given where the rows go, cross-entropy is convex in the
    leaves, and their gradient is that of an embedding bag (Eq. 7); they start at 0, where the loss
    is ``log(classes)``. On a map every pixel is a row.

    Source: Zuo and Drummond, "Fast Residual Forests: Rapid Ensemble Learning for Semantic
    Segmentation", CoRL 2017: depth 10 and 256 to 1024 trees there, though depth 4 is as good
    (Table 2). Differences: leaves are stored as logits; a node never repeats a channel from above;
    :meth:`fit_thresholds` compares with quantiles where 0 does not divide the data.

    The gradient to the input is the divergent one, see
    :func:`bitgrove.nn.residual_forest_loss` for the exact form; here, where the loss is not known,
    the change of the loss is taken to first order: the gradient to the logits times what the other
    leaf would add. So any loss, sum or interpolation may follow.

    Args:
        in_channels: of the input.
        classes: of the result.
        trees: how many.
        depth: levels of tests, 1 to 12; a tree has ``2**depth`` leaves.
        sharpness: lambda of the gradient to the input, in the inverse of its units; None for no
            such gradient, as for frozen features.
        seed: of the channels.

    Attributes:
        leaf: parameter ``[trees, 2**depth, classes]``.
        feature: ``int64[trees, 2**depth - 1]``, level after level: below node ``i`` are nodes
            ``2 i + 1`` (left) and ``2 i + 2``.
        threshold: as many, first 0.

    Raises:
        ValueError: an argument is out of range.

    >>> import torch
    >>> head = ResidualForestHead(8, 3, trees=20, depth=4)
    >>> maps, labels = torch.randn(2, 8, 5, 6), torch.randint(3, (2, 5, 6))
    >>> loss = torch.nn.functional.cross_entropy(head(maps), labels)
    >>> round(loss.item(), 4)               # log(3)
    1.0986
    """

    feature: Tensor
    threshold: Tensor

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        trees: int = 256,
        depth: int = 4,
        sharpness: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("classes", classes), ("trees", trees)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not 1 <= depth <= DEPTH_LIMIT:
            raise ValueError(f"depth must be 1 to {DEPTH_LIMIT}, got {depth}")
        if sharpness is not None and not sharpness > 0:
            raise ValueError(f"sharpness must be above 0, or None, got {sharpness}")
        self.in_channels, self.classes = in_channels, classes
        self.trees, self.depth = trees, depth
        self.sharpness = sharpness
        feature = draw_channels(in_channels, trees, depth, np.random.default_rng(seed))
        self.register_buffer("feature", torch.from_numpy(feature))
        self.register_buffer("threshold", torch.zeros(feature.shape))
        self.leaf = nn.Parameter(torch.zeros(trees, 2**depth, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, c]`` to logits ``[n, classes]``, ``[n, c, h, w]`` to ``[n, classes, h, w]``."""
        rows, index = self.rows(x), self.route(x)
        if self.sharpness is None:
            return self._shaped(self.leaf_logits(index), x.shape)
        forest = RoutedTrees(self.feature, self.threshold, self.sharpness)
        return self._shaped(forest.logits(rows, index, self.leaf), x.shape)

    @torch.no_grad()
    def route(self, x: Tensor) -> Tensor:
        """The leaf of every row (or pixel, image after image) in every tree, ``int32[m, trees]``.

        On features that do not change it may be kept, and ``leaf_logits`` of it trained.
        """
        return leaves(self.rows(x).detach(), self.feature, self.threshold, self.depth)

    def leaf_logits(self, index: Tensor) -> Tensor:
        """Logits ``[m, classes]`` of rows whose leaves are known, differentiable in ``leaf``.

        Args:
            index: integers ``[m, trees]`` of any kind, from :meth:`route`.
        """
        return leaf_sum(index, self.leaf)

    @torch.no_grad()
    def fit_thresholds(
        self, x: Tensor, *, seed: int = 0, weights: np.ndarray | None = None
    ) -> Self:
        """Make every threshold a random quantile of its channel.

        Needed where 0 does not divide the data: after a ReLU half of the numbers are exactly 0 and
        all go left.

        Args:
            x: ``[n, c]`` or ``[n, c, h, w]``, finite; a sample of the data will do.
            seed: of the quantiles, which are drawn evenly between 0 and 1.
            weights: of the rows, ``[m]``, not negative; None counts all alike.

        Raises:
            ValueError: ``x`` has no row, or is not finite; ``weights`` have another shape, or none
                is above 0.
        """
        rows = self.rows(x.detach()).cpu().numpy()
        if not len(rows) or not np.isfinite(rows).all():
            raise ValueError("thresholds need at least one row, and finite numbers")
        if weights is not None:
            weights = np.asarray(weights, np.float64)
            if weights.shape != (len(rows),):
                raise ValueError(f"weights must have shape ({len(rows)},), got {weights.shape}")
            if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
                raise ValueError("weights must be finite, not negative, and not all 0")
        random = np.random.default_rng(seed)
        found = quantile_thresholds(rows, self.feature.cpu().numpy(), random, weights)
        self.threshold.copy_(torch.from_numpy(found))
        return self

    def extra_repr(self) -> str:
        """The arguments, in their order."""
        return (
            f"{self.in_channels}, {self.classes}, trees={self.trees}, depth={self.depth}, "
            f"sharpness={self.sharpness}"
        )

    def rows(self, x: Tensor) -> Tensor:
        """Vectors as they are, the pixels of maps as rows, image after image: ``[m, c]``."""
        expected = f"(n, {self.in_channels}) or (n, {self.in_channels}, h, w)"
        if x.ndim not in (2, 4):
            raise ValueError(f"the input must have shape {expected}, got {tuple(x.shape)}")
        check_input(x, None, 1, self.in_channels, expected)
        return x.movedim(1, -1).reshape(-1, self.in_channels)

    def _shaped(self, logits: Tensor, shape: torch.Size) -> Tensor:
        if len(shape) == 2:
            return logits
        n, _, h, w = shape
        return logits.reshape(n, h, w, self.classes).movedim(-1, 1)
