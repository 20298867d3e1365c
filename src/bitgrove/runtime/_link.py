"""From a model's scores to probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Link = Literal["softmax", "sigmoid", "normalise", "identity"]
"""``softmax``: e**score, divided by their sum. ``sigmoid``: 1 / (1 + e**-score) of each; of a
single score, that is the probability of the second of two classes. ``normalise``: scores, none
negative, divided by their sum. ``identity``: the scores are the answer."""


def check_link(link: Any) -> Link:
    """``link``, if it is one.

    Raises:
        ValueError: it is another.

    >>> check_link("softmax")
    'softmax'
    """
    if link not in get_args(Link):
        raise ValueError(f"link must be one of {', '.join(get_args(Link))}, got {link!r}")
    return link


def probabilities(scores: npt.NDArray[np.float32], link: Link) -> npt.NDArray[np.float64]:
    """Scores ``[n, k]`` as probabilities ``float64[n, k]``; ``[n, 2]`` of one score by a sigmoid.

    >>> probabilities(np.float32([[0.0]]), "sigmoid")
    array([[0.5, 0.5]])
    >>> probabilities(np.float32([[1.0, 3.0]]), "normalise")
    array([[0.25, 0.75]])
    """
    wide = scores.astype(np.float64)
    if link == "sigmoid":
        with np.errstate(over="ignore"):
            second = 1 / (1 + np.exp(-wide))
        return np.concatenate([1 - second, second], 1) if wide.shape[1] == 1 else second
    if link == "softmax":
        wide = np.exp(wide - wide.max(1, keepdims=True))
    elif link == "identity":
        return wide
    return wide / wide.sum(1, keepdims=True)


def check_classes(classes: Sequence) -> None:
    """Raise ``ValueError`` unless these are different names, or different whole numbers.

    >>> check_classes(("cat", "dog"))
    """
    kinds = {type(name) for name in classes}
    if kinds not in ({str}, {int}) or len(set(classes)) != len(classes):
        raise ValueError("classes must be different texts or different whole numbers")
