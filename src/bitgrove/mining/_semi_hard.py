"""Semi-hard mining within a batch: the baseline that needs no index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Sampler

from ._miner import at_least
from ._triplets import ClassRows


@final
class ClassSampler(Sampler[int]):
    """Image numbers in groups of one class each, for batches that hold positives.

    Every group is a class drawn at random, and images of it without repetition. A batch of
    ``classes`` groups has distinct classes.

    Args:
        labels: ``int[n]``, the class of every training image.
        classes: in a batch, at least 2.
        images: of a class in a batch, at least 2; smaller classes are left out.
        batches: of an epoch, at least 1.
        seed: of the draws, 0 or more; an epoch depends on it and its number alone.

    Raises:
        ValueError: fewer than ``classes`` classes have enough images.

    >>> sampler = ClassSampler([0, 0, 1, 1, 2], classes=2, images=2, batches=1)
    >>> list(sampler)
    [1, 0, 3, 2]
    """

    def __init__(
        self, labels: npt.ArrayLike, *, classes: int, images: int, batches: int, seed: int = 0
    ) -> None:
        rows = ClassRows(labels)
        self._classes = at_least("classes", classes, 2)
        self._images = at_least("images", images, 2)
        self._batches = at_least("batches", batches, 1)
        self._seed, self._epoch = at_least("seed", seed, 0), 0
        members = [np.flatnonzero(rows.labels == label) for label in range(rows.labels.max() + 1)]
        self._members = [group for group in members if len(group) >= images]
        if len(self._members) < classes:
            raise ValueError(
                f"a batch of {classes} classes of {images} images needs as many such classes, got "
                f"{len(self._members)}"
            )

    def set_epoch(self, epoch: int) -> None:
        """Number of the epoch that the next iteration runs through, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._batches * self._classes * self._images

    def __iter__(self) -> Iterator[int]:
        """One epoch."""
        rng = np.random.default_rng((self._seed, self._epoch))
        for _ in range(self._batches):
            for group in rng.choice(len(self._members), self._classes, replace=False):
                yield from rng.choice(self._members[group], self._images, replace=False).tolist()


@torch.no_grad()
def semi_hard_triplets(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For every anchor and positive of a batch the nearest negative that is farther than it.

    Where no negative is farther, the farthest of all is taken.

    Source: Schroff, Kalenichenko and Philbin, "FaceNet", CVPR 2015, sec. 3.2; what is done without
    a farther negative is that of Song et al., "Deep metric learning via lifted structured feature
    embedding", CVPR 2016, whose figures the smart-mining paper quotes.

    Args:
        embeddings: shape ``(b, dim)``.
        labels: ``int64[b]``.

    Returns:
        Rows of anchors, positives and negatives, ``int64[t]`` each, in order of anchor and
        positive; empty if there is no pair of one class or none of two.

    >>> rows = torch.tensor([[0.0], [2.0], [1.0], [5.0]])
    >>> semi_hard_triplets(rows, torch.tensor([0, 0, 1, 2]))
    (tensor([0, 1]), tensor([1, 0]), tensor([3, 3]))
    """
    distances = torch.cdist(embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels[None, :]
    pairs = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    anchors, positives = (pairs & ~same.all(dim=1, keepdim=True)).nonzero(as_tuple=True)
    near, others = distances[anchors, positives], distances[anchors]
    negative = ~same[anchors]
    farther = negative & (others > near[:, None])
    if not len(anchors):
        return anchors, positives, positives
    semi_hard = others.masked_fill(~farther, torch.inf).argmin(dim=1)
    farthest = others.masked_fill(~negative, -1).argmax(dim=1)
    return anchors, positives, torch.where(farther.any(dim=1), semi_hard, farthest)
