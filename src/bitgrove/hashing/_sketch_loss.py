"""The loss of sketches and photographs that are told apart by embedding and by attributes."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._checks import check_not_negative


class Described(NamedTuple):
    """What a network says of pictures."""

    embedding: Tensor
    """``(n, d)``."""
    attributes: Tensor
    """Logits ``(n, attributes)``."""


@final
class SketchLoss(nn.Module):
    """Three aims at once: ranking by embedding, naming the attributes, ranking by attributes.

    For a sketch, its photograph and another one::

        mean max(0, margin + |s - p| - |s - n|)
            + attribute_weight * (sum over s, p, n of the mean binary cross-entropy)
            + ranking_weight * mean max(0, attribute_margin + d(s, p) - d(s, n))

    ``| |`` is the l2 distance and ``d`` the mean squared difference of the predicted probabilities
    of the attributes.

    Source: the three aims are those of Song, Song, Xiang, Hospedales and Ruan, "Deep Multi-task
    Attribute-driven Ranking for Fine-grained Sketch-based Image Retrieval", BMVC 2016; margin 0.3
    and the l2 distance are those of Yu et al., "Sketch Me That Shoe", CVPR 2016, on which it
    builds. Weights, the distance of attributes and its margin are ours: theirs are not known to us.

    Args:
        margin: of the embeddings, 0 or more.
        attribute_weight: of the cross-entropy, 0 or more.
        ranking_weight: of the ranking by attributes, 0 or more.
        attribute_margin: of that ranking, 0 or more.

    Raises:
        ValueError: an argument or a shape does not fit.

    >>> loss = SketchLoss(margin=0.5)
    >>> a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    >>> sure = torch.tensor([[999.0]])
    >>> loss(Described(a, sure), Described(a, sure), Described(b, -sure),
    ...      torch.ones(1, 1), torch.ones(1, 1), torch.zeros(1, 1))
    tensor(0.)
    """

    def __init__(
        self,
        *,
        margin: float = 0.3,
        attribute_weight: float = 1.0,
        ranking_weight: float = 1.0,
        attribute_margin: float = 0.1,
    ) -> None:
        super().__init__()
        check_not_negative(
            margin=margin,
            attribute_weight=attribute_weight,
            ranking_weight=ranking_weight,
            attribute_margin=attribute_margin,
        )
        self.margin, self.attribute_weight = margin, attribute_weight
        self.ranking_weight, self.attribute_margin = ranking_weight, attribute_margin

    def forward(
        self,
        sketch: Described,
        positive: Described,
        negative: Described,
        sketch_attributes: Tensor,
        positive_attributes: Tensor,
        negative_attributes: Tensor,
    ) -> Tensor:
        """The loss of a batch of triplets.

        Args:
            sketch: of the sketches, ``n`` rows.
            positive: of their photographs.
            negative: of other photographs.
            sketch_attributes: 0 or 1, ``(n, attributes)``, what the sketches have.
            positive_attributes: what their photographs have.
            negative_attributes: what the others have.
        """
        said = [
            Described(part.embedding.float(), part.attributes.float())
            for part in (sketch, positive, negative)
        ]
        truths = (sketch_attributes, positive_attributes, negative_attributes)
        _check(said, truths)
        s, p, n = said
        near, far = (F.pairwise_distance(s.embedding, x.embedding) for x in (p, n))
        ranking = (self.margin + near - far).clamp_min(0).mean()
        naming = torch.stack(
            [
                F.binary_cross_entropy_with_logits(part.attributes, truth.float())
                for part, truth in zip(said, truths, strict=True)
            ]
        ).sum()
        alike, other = (attribute_distance(s.attributes, x.attributes) for x in (p, n))
        by_attributes = (self.attribute_margin + alike - other).clamp_min(0).mean()
        return ranking + self.attribute_weight * naming + self.ranking_weight * by_attributes

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"margin={self.margin:g}, attribute_weight={self.attribute_weight:g}, "
            f"ranking_weight={self.ranking_weight:g}, attribute_margin={self.attribute_margin:g}"
        )


def attribute_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of the probabilities of attributes, from logits, row by row."""
    return (a.sigmoid() - b.sigmoid()).square().mean(-1)


def _check(said: list[Described], truths: tuple[Tensor, ...]) -> None:
    first = said[0]
    for part, truth in zip(said, truths, strict=True):
        if (
            part.embedding.ndim != 2
            or part.embedding.shape != first.embedding.shape
            or part.attributes.shape != first.attributes.shape
            or truth.shape != first.attributes.shape
            or len(part.attributes) != len(part.embedding)
        ):
            raise ValueError(
                "sketches, photographs and others need embeddings (n, d) and attributes (n, a) of "
                f"one shape, and truths (n, a); got {tuple(part.embedding.shape)}, "
                f"{tuple(part.attributes.shape)} and {tuple(truth.shape)} beside "
                f"{tuple(first.embedding.shape)}"
            )
