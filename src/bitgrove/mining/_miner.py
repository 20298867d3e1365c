"""What the sampler needs of a miner, and the one that draws at random."""

from __future__ import annotations

from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt

from ._triplets import ClassRows, Triplets


class Miner(Protocol):
    """Makes the triplets of every epoch; ``SmartMiner`` and ``RandomMiner`` are miners."""

    per_epoch: int
    """Triplets of an epoch."""

    def needs_embeddings(self, epoch: int) -> bool:
        """Whether :meth:`mine` looks at embeddings in this epoch."""
        ...

    def mine(self, embeddings: npt.NDArray[np.float32] | None, epoch: int) -> Triplets:
        """The triplets of an epoch, in the order of training; the same call gives the same."""
        ...

    def observe(self, violated: int, triplets: int) -> None:
        """Take note that so many of the triplets of a batch had a loss."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a run that goes on needs."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        ...


@final
class RandomMiner:
    """Triplets drawn at random, the same number for every image: the baseline.

    Args:
        labels: ``int[n]``, the class of every training image. An image that is alone in its class
            is never an anchor.
        per_anchor: triplets of every anchor in an epoch, at least 1.
        seed: of the draws, 0 or more; an epoch depends on it and its number alone.

    Raises:
        TypeError: labels are no integers.
        ValueError: an argument is out of range, or there is no triplet.

    >>> miner = RandomMiner([0, 0, 1], seed=1)
    >>> miner.mine(None, epoch=0).negatives
    array([2, 2])
    """

    def __init__(self, labels: npt.ArrayLike, *, per_anchor: int = 1, seed: int = 0) -> None:
        self._classes = ClassRows(labels)
        self._per_anchor = at_least("per_anchor", per_anchor, 1)
        self._seed = at_least("seed", seed, 0)
        self.per_epoch = len(self._classes.anchors) * per_anchor

    def needs_embeddings(self, epoch: int) -> bool:
        """Never."""
        return False

    def mine(self, embeddings: npt.NDArray[np.float32] | None, epoch: int) -> Triplets:
        """The triplets of an epoch in a random order."""
        rng = np.random.default_rng((self._seed, epoch))
        return random_triplets(self._classes, self._per_anchor, rng).shuffled(rng)

    def observe(self, violated: int, triplets: int) -> None:
        """Nothing here depends on it."""

    def state_dict(self) -> dict[str, Any]:
        """Empty."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """There is nothing to restore."""


def random_triplets(classes: ClassRows, per_anchor: int, rng: np.random.Generator) -> Triplets:
    """So many for every anchor, with positive and negative drawn evenly."""
    anchors = np.repeat(classes.anchors, per_anchor)
    return Triplets(
        anchors,
        classes.draw_positives(anchors, rng),
        classes.draw_negatives(anchors, rng),
        np.zeros(len(anchors), np.bool_),
    )


def at_least(name: str, value: int, least: int) -> int:
    """The value as an int.

    Raises:
        TypeError: it is none.
        ValueError: it is too small.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)
