"""Smart mining."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import numpy.typing as npt

from ..interfaces import Neighbours, describe
from ..search import Fanng, Flat
from ._algorithm import triplets_of_lists
from ._kappa import KappaController
from ._miner import at_least, random_triplets
from ._triplets import ClassRows, Triplets

_SUCCESS = 0.98
"""Of the naive walks that the graph is built for, as in the paper."""
_EFFORT = 5
"""Distances for each neighbour of a list: on 64-dimensional embeddings 99.8 % are found."""


@final
class SmartMiner:
    """Chooses triplets whose negative is nearer to the anchor than their positive, from all images.

    Once an epoch all training images are embedded, a FANNG graph is built of them by traverse-add,
    and a backtracking search from each image itself lists its neighbours. They give its triplets,
    hard ones but for those below a bound that :class:`KappaController` moves.

    Source: Harwood, Kumar, Carneiro, Reid and Drummond, "Smart Mining for Deep Metric Learning",
    ICCV 2017, alg. 1 and the adaptive controller. Differences: the training error is the share of
    an epoch's triplets with a loss; that of epochs without mining is not told to the controller.

    Args:
        labels: ``int[n]``, the class of every training image. An image that is alone in its class
            is never an anchor.
        per_anchor: triplets of every anchor in an epoch, at least 1.
        kappa: a controller, or a number of 1 or more that stays.
        neighbours: length of the lists that are walked, at least 2; a few times the size of a
            class.
        share: of the triplets that are to be mined, in 0 to 1; the others are random. The paper
            uses 0.5 to 1.
        warmup: epochs of random triplets before the first that is mined.
        index: ``"fanng"``, or ``"flat"`` for exact neighbours.
        threads: of the index; None for one for each CPU. The triplets do not depend on it.
        seed: of the graph and the draws, 0 or more; an epoch depends on it, its number, the
            embeddings and kappa.

    Raises:
        TypeError: labels are no integers, or an argument is of another kind.
        ValueError: an argument is out of range, or there is no triplet.

    >>> rows = np.array([[0], [1], [3], [2], [9]], np.float32)
    >>> miner = SmartMiner([0, 0, 0, 1, 1], kappa=1.0, neighbours=4, warmup=0, index="flat")
    >>> triplets = miner.mine(rows, epoch=0)
    >>> sorted(zip(*(part[triplets.mined].tolist() for part in triplets[:3])))
    [(0, 2, 3), (1, 2, 3)]
    >>> miner.share_mined
    0.4
    """

    def __init__(
        self,
        labels: npt.ArrayLike,
        *,
        per_anchor: int = 1,
        kappa: KappaController | float | None = None,
        neighbours: int = 100,
        share: float = 1.0,
        warmup: int = 2,
        index: str = "fanng",
        threads: int | None = None,
        seed: int = 0,
    ) -> None:
        self._classes = ClassRows(labels)
        self._per_anchor = at_least("per_anchor", per_anchor, 1)
        self._neighbours = at_least("neighbours", neighbours, 2)
        self._warmup = at_least("warmup", warmup, 0)
        self._seed = at_least("seed", seed, 0)
        if not 0 <= share <= 1:
            raise ValueError(f"share must lie in 0 to 1, got {share}")
        if index not in ("fanng", "flat"):
            raise ValueError(f"index must be 'fanng' or 'flat', got {index!r}")
        self._controller = KappaController() if kappa is None else None
        if isinstance(kappa, KappaController):
            self._controller = kappa
        elif kappa is not None and not 1 <= kappa < np.inf:
            raise ValueError(f"kappa must be 1 or more and finite, got {kappa}")
        self._fixed = kappa
        self._share, self._index, self._threads = float(share), index, threads
        self._epoch, self._violated, self._seen = -1, 0, 0
        self.per_epoch = len(self._classes.anchors) * per_anchor
        self.share_mined = 0.0

    @property
    def kappa(self) -> float:
        """That of the epoch mined last, or of the first."""
        if self._controller is not None:
            return self._controller.kappa
        assert isinstance(self._fixed, int | float)
        return float(self._fixed)

    def needs_embeddings(self, epoch: int) -> bool:
        """Whether the epoch is one that is mined."""
        return epoch >= self._warmup

    def mine(self, embeddings: npt.NDArray[np.float32] | None, epoch: int) -> Triplets:
        """The triplets of an epoch, in a random order.

        The first call for an epoch ends the one before: the controller takes its training error.

        Args:
            embeddings: ``float32[n, dim]`` of all training images, in the order of the labels;
                may be None where :meth:`needs_embeddings` is false.
            epoch: its number, from 0.

        Raises:
            TypeError: embeddings are missing or of another kind.
            ValueError: there is not one for each label, or they are not finite.
        """
        rng = np.random.default_rng((self._seed, epoch))
        if not self.needs_embeddings(epoch):
            self._begin(epoch)
            self.share_mined = 0.0
            return random_triplets(self._classes, self._per_anchor, rng).shuffled(rng)
        lists = self._lists(self._check(embeddings))
        self._begin(epoch)
        anchors = self._classes.anchors
        mined = rng.binomial(self._per_anchor, self._share, len(anchors))
        triplets = triplets_of_lists(
            Neighbours(lists.distances[anchors], lists.ids[anchors]),
            anchors,
            self._classes,
            np.stack([mined, self._per_anchor - mined], axis=1),
            self.kappa,
            rng,
        )
        self.share_mined = float(triplets.mined.mean())
        return triplets.shuffled(rng)

    def observe(self, violated: int, triplets: int) -> None:
        """Take note that so many of the triplets of a batch had a loss, for the controller."""
        if not 0 <= violated <= triplets:
            raise ValueError(f"violated must lie in 0 to {triplets} (triplets), got {violated}")
        self._violated += violated
        self._seen += triplets

    def state_dict(self) -> dict[str, Any]:
        """What a run that goes on at the beginning of an epoch needs."""
        return {
            "epoch": self._epoch,
            "violated": self._violated,
            "seen": self._seen,
            "controller": self._controller.state_dict() if self._controller is not None else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`.

        Raises:
            ValueError: it is that of a miner with a fixed kappa, and this one has a controller, or
                the other way round.
        """
        if (state["controller"] is None) != (self._controller is None):
            raise ValueError(
                "the state is that of a miner with another kind of kappa, fixed or controlled; "
                "make the miner as it was made then"
            )
        if self._controller is not None:
            self._controller.load_state_dict(state["controller"])
        self._epoch, self._violated, self._seen = (
            int(state[key]) for key in ("epoch", "violated", "seen")
        )

    def _begin(self, epoch: int) -> None:
        if epoch == self._epoch:
            return
        if self._controller is not None and self._seen and self.needs_embeddings(self._epoch):
            self._controller.update(self._violated / self._seen)
        self._epoch, self._violated, self._seen = epoch, 0, 0

    def _lists(self, rows: npt.NDArray[np.float32]) -> Neighbours:
        """The nearest images of each, itself among them."""
        k = min(self._neighbours + 1, len(rows))
        if self._index == "flat":
            flat = Flat(rows.shape[1])
            flat.add(rows)
            return flat.search(rows, k, threads=self._threads)
        index = Fanng(rows.shape[1])
        index.add(rows)
        index.build_by_traversal(self._threads, self._seed, success=_SUCCESS, refine=False)
        return index.search_by_backtracking(
            rows, k, budget=_EFFORT * k, starts=np.arange(len(rows)), threads=self._threads
        )

    def _check(self, embeddings: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32]:
        if not isinstance(embeddings, np.ndarray) or embeddings.dtype != np.float32:
            raise TypeError(
                f"embeddings must be a float32 array from epoch {self._warmup} on, got "
                f"{describe(embeddings)}"
            )
        if embeddings.ndim != 2 or len(embeddings) != len(self._classes):
            raise ValueError(
                f"embeddings must have shape ({len(self._classes)}, dim), a row for each label, "
                f"got {embeddings.shape}"
            )
        if not np.isfinite(embeddings).all():
            raise ValueError("embeddings must be finite: training has diverged; lower its rate")
        return np.ascontiguousarray(embeddings)
