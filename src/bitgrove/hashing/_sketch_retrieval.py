"""Photographs in the order in which they fit a sketch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ._checks import check_not_negative, check_whole
from ._sketch_loss import Described, attribute_distance


def sketch_distances(
    sketches: Described, photographs: Described, *, attribute_weight: float = 0.0
) -> npt.NDArray[np.float64]:
    """How far each photograph is from each sketch, ``(sketches, photographs)``.

    The l2 distance of the embeddings, plus ``attribute_weight`` times the mean squared difference
    of the predicted probabilities of the attributes.

    Args:
        sketches: what the network says of them.
        photographs: what it says of the photographs to choose from.
        attribute_weight: 0 or more; 0 ranks by embedding alone.

    Raises:
        ValueError: the weight is out of range, a shape does not fit, or NaN.

    >>> from bitgrove.hashing import Described
    >>> embeddings, attributes = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.zeros(2, 1)
    >>> sketch_distances(Described(embeddings[:1], attributes[:1]),
    ...                  Described(embeddings, attributes))
    array([[0., 5.]])
    """
    check_not_negative(attribute_weight=attribute_weight)
    (a, la), (b, lb) = (
        [part.detach().double() for part in said] for said in (sketches, photographs)
    )
    flat = all(part.ndim == 2 for part in (a, la, b, lb))
    paired = len(a) == len(la) and len(b) == len(lb)
    if not (flat and paired and a.shape[1] == b.shape[1] and la.shape[1] == lb.shape[1]):
        raise ValueError(
            "sketches and photographs must be described by one network, got embeddings of shape "
            f"{tuple(a.shape)} and {tuple(b.shape)}, attributes of {tuple(la.shape)} and "
            f"{tuple(lb.shape)}"
        )
    distances: Tensor = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    if attribute_weight:
        distances = distances + attribute_weight * attribute_distance(la[:, None], lb[None])
    if torch.isnan(distances).any():
        raise ValueError("embeddings and attributes must not hold NaN")
    return distances.cpu().numpy()


class Accuracy(NamedTuple):
    """A share of queries with what chance alone makes of it."""

    value: float
    low: float
    """2.5th percentile of the bootstrap."""
    high: float
    """97.5th percentile."""


def accuracy_at(
    distances: npt.ArrayLike,
    answers: npt.ArrayLike,
    ks: Sequence[int] = (1, 10),
    *,
    groups: npt.ArrayLike | None = None,
    samples: int = 2000,
    seed: int = 0,
) -> dict[int, Accuracy]:
    """Share of the queries whose answer is among the ``k`` nearest, with a bootstrap interval.

    acc@k of sketch retrieval: each query has one right answer. Test sets there are small (115 and
    97 queries in the usual ones, where a query is a point), so a figure without its interval says
    little. Among items at one distance every order is as likely, and a query counts by its chance.

    Args:
        distances: ``(queries, items)``, smaller is nearer.
        answers: of each query the number of the right item, ``int[queries]``.
        ks: each at least 1.
        groups: of each query what it shares with others that are not independent of it, such as
            the photograph that several people drew: whole groups are drawn then.
        samples: draws with replacement, at least 1.
        seed: of the draws.

    Returns:
        By ``k`` the share and the 95 % interval of its percentiles.

    Raises:
        ValueError: there is no query, NaN, or a shape or number is out of range.

    >>> accuracy_at([[0.1, 0.5, 0.9], [0.4, 0.2, 0.3]], [0, 2], (1, 2))[1].value
    0.5
    """
    table, right = np.asarray(distances, np.float64), np.asarray(answers)
    if table.ndim != 2 or right.shape != table.shape[:1] or not table.size:
        raise ValueError(
            "distances must have shape (queries, items) and answers (queries,), with a query at "
            f"least, got {table.shape} and {right.shape}"
        )
    if np.isnan(table).any():
        raise ValueError("distances must not hold NaN")
    if right.dtype.kind not in "iu" or right.min() < 0 or right.max() >= table.shape[1]:
        raise ValueError(f"answers must be numbers of the {table.shape[1]} items")
    check_whole(1, samples=samples)
    own = table[np.arange(len(table)), right][:, None]
    before, tied = (table < own).sum(1), (table == own).sum(1)
    _, group = np.unique(
        np.arange(len(table)) if groups is None else np.asarray(groups), return_inverse=True
    )
    if group.shape != right.shape:
        raise ValueError(f"groups must be one for each query, got shape {group.shape}")
    sizes = np.bincount(group)
    drawn = np.random.default_rng(seed).integers(0, len(sizes), (samples, len(sizes)))
    found = {}
    for k in ks:
        check_whole(1, k=k)
        hit = np.clip((k - before) / tied, 0, 1)
        sums = np.bincount(group, hit)
        shares = sums[drawn].sum(1) / sizes[drawn].sum(1)
        low, high = np.percentile(shares, [2.5, 97.5])
        found[int(k)] = Accuracy(float(hit.mean()), float(low), float(high))
    return found
