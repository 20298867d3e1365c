"""What a leaf of a fern says of each class, from the counts of the rows that fell into it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FernRule = Literal["likelihood", "opencv", "rferns"]
"""The three published rules, see :func:`leaf_logs`."""

_Logs = npt.NDArray[np.float64]


def leaf_logs(counts: _Logs, prior: float, rule: FernRule) -> _Logs:
    """The logarithm that each leaf adds to the score of each class.

    With ``n`` the rows of class ``c`` in the leaf, ``N_c`` those of the class in the fern, ``n_k``
    those of all classes in the leaf, ``N`` all rows, ``K`` leaves and ``C`` classes:

    - ``"likelihood"``: ``log((n + prior) / (N_c + K prior))``, Ozuysal et al., "Fast Keypoint
      Recognition Using Random Ferns", PAMI 2010: what the class says of the leaf.
    - ``"opencv"``: the same divided by its sum over the classes, as OpenCV 2 did with prior 1. It
      differs by a number common to all classes, so answers are the same and values bounded.
    - ``"rferns"``: ``log((n + prior) / (n_k + C prior) * (N + C prior) / (N_c + prior))``, Kursa,
      "rFerns", Journal of Statistical Software 61(10), 2014, with prior 1: what the leaf says of
      the class, against what all rows say.

    None is ever infinite, for the prior is above 0.

    Args:
        counts: rows, or sums of their weights, ``float64[ferns, leaves, classes]``.
        prior: above 0, added to each count.
        rule: one of the above.

    >>> counts = np.array([[[3.0, 0.0], [0.0, 1.0]]])
    >>> np.exp(leaf_logs(counts, 1.0, "likelihood")).round(3)
    array([[[0.8  , 0.333],
            [0.2  , 0.667]]])
    """
    leaves, classes = counts.shape[1:]
    of_class = counts.sum(1, keepdims=True)
    if rule == "rferns":
        of_leaf, rows = counts.sum(2, keepdims=True), counts.sum((1, 2), keepdims=True)
        posterior = (counts + prior) / (of_leaf + classes * prior)
        return np.log(posterior) + np.log((rows + classes * prior) / (of_class + prior))
    logs = np.log((counts + prior) / (of_class + leaves * prior))
    if rule == "opencv":
        logs -= log_sum(logs)
    return logs


def prior_logs(given: Any, counts: list[_Logs], prior: float) -> npt.NDArray[np.float32] | None:
    """What a class prior adds to the sum of each column; None if that is nothing.

    Args:
        given: ``"uniform"``, ``"empirical"``, or a probability for each class of the one output.
        counts: of each output, ``[ferns, leaves, classes]``.
        prior: added to the rows of each class.
    """
    if isinstance(given, str) and given == "uniform":
        return None
    if isinstance(given, str):
        rows = [part.sum((0, 1)) / len(part) for part in counts]
        shares = [(n + prior) / (n + prior).sum() for n in rows]
    else:
        shares = [np.asarray(given, np.float64)]
    parts = [columns_of(np.log(share / share.sum())) for share in shares]
    return np.concatenate(parts).astype(np.float32)


def log_sum(logs: npt.NDArray) -> _Logs:
    """``log(sum(exp(logs)))`` over the last axis, kept."""
    most = logs.max(-1, keepdims=True)
    return most + np.log(np.exp(np.asarray(logs, np.float64) - most).sum(-1, keepdims=True))


def columns_of(logs: _Logs) -> _Logs:
    """What has to be added up: of two classes the difference alone, else a number for each."""
    return logs[..., 1:] - logs[..., :1] if logs.shape[-1] == 2 else logs
