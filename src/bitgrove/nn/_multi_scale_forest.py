"""One forest for each of several maps, their logits summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._residual_forest import ResidualForestHead


class MultiScaleForest(nn.Module):
    """A forest for each of several maps; logits are summed at the size of the first.

    Source: the three forests on layers of FCN-8s in Zuo and Drummond, CoRL 2017. The paper does not
    say how their results are fused; here the coarser logits are interpolated (bilinear) and added,
    as FCN-8s does with its scores.

    Args:
        in_channels: of every map, finest first.
        classes: of the result.
        trees: of every forest, or one number for all.
        depth: levels of tests.
        sharpness: as for :class:`ResidualForestHead`.
        seed: of the channels.

    Attributes:
        heads: a :class:`ResidualForestHead` for each map.

    Raises:
        ValueError: an argument is out of range, or maps are not ``[n, c, h, w]`` of one ``n`` and
            of as many channels as said.

    >>> import torch
    >>> forest = MultiScaleForest((8, 16), 5, trees=(20, 30))
    >>> forest([torch.randn(1, 8, 12, 16), torch.randn(1, 16, 6, 8)]).shape
    torch.Size([1, 5, 12, 16])
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        classes: int,
        *,
        trees: int | Sequence[int] = 256,
        depth: int = 4,
        sharpness: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        counts = list(trees) if isinstance(trees, Sequence) else [trees] * len(in_channels)
        if not in_channels or len(counts) != len(in_channels):
            raise ValueError(
                f"trees must be one number, or one for each of {len(in_channels)} maps (at least "
                f"1), got {trees!r}"
            )
        self.heads: Any = nn.ModuleList(
            ResidualForestHead(
                channels, classes, trees=count, depth=depth, sharpness=sharpness, seed=seed + scale
            )
            for scale, (channels, count) in enumerate(zip(in_channels, counts, strict=True))
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map ``[n, c, h, w]`` of every scale to logits ``[n, classes, h, w]`` of the first."""
        self._check(maps)
        return fuse_logits([head(x) for head, x in zip(self.heads, maps, strict=True)])

    @torch.no_grad()
    def route(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The leaves of every pixel, integers ``[n, h, w, trees]`` for each map.

        On features that do not change they may be kept, and ``routed_logits`` of them trained.
        """
        self._check(maps)
        found = []
        for head, x in zip(self.heads, maps, strict=True):
            small = torch.uint8 if head.depth <= 8 else torch.int16
            images = [head.route(image[None]).to(small) for image in x]
            found.append(torch.stack(images).unflatten(1, x.shape[2:]))
        return found

    def routed_logits(self, routes: Sequence[Tensor]) -> Tensor:
        """What ``forward`` gives for maps whose leaves are known from :meth:`route`."""
        logits = []
        for head, index in zip(self.heads, routes, strict=True):
            sums = head.leaf_logits(index.flatten(0, 2))
            logits.append(sums.reshape(*index.shape[:3], head.classes).movedim(-1, 1))
        return fuse_logits(logits)

    def fit_thresholds(self, maps: Sequence[Tensor], *, seed: int = 0) -> Self:
        """See :meth:`ResidualForestHead.fit_thresholds`."""
        self._check(maps)
        for scale, (head, x) in enumerate(zip(self.heads, maps, strict=True)):
            head.fit_thresholds(x, seed=seed + scale)
        return self

    def _check(self, maps: Sequence[Tensor]) -> None:
        if len(maps) != len(self.heads):
            raise ValueError(f"needs {len(self.heads)} maps, got {len(maps)}")
        if not all(isinstance(x, Tensor) for x in maps):
            return  # traced to be packed
        shapes = [tuple(x.shape) for x in maps]
        if any(len(shape) != 4 or shape[0] != shapes[0][0] for shape in shapes):
            raise ValueError(f"maps must have shape [n, c, h, w] with the same n, got {shapes}")


def fuse_logits(logits: Sequence[Tensor]) -> Tensor:
    """The sum of maps, the others interpolated to the size of the first."""
    total = logits[0]
    for x in logits[1:]:
        total = total + F.interpolate(x, size=logits[0].shape[2:], mode="bilinear")
    return total
