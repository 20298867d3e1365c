"""How far an accuracy measured on few images may be from the truth."""

from __future__ import annotations

import math

_Z = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


def wilson(correct: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22 (1927). It holds the proportions ``p`` with
    ``|correct / total - p| <= z * sqrt(p * (1 - p) / total)``.

    Args:
        correct: number of successes, 0 to ``total``.
        total: number of trials, at least 1.

    Returns:
        Lower and upper end, 0 to 1.

    >>> low, high = wilson(9, 10)
    >>> round(low, 3), round(high, 3)
    (0.596, 0.982)
    """
    share, z2 = correct / total, _Z * _Z
    middle = share + z2 / (2 * total)
    half = _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    scale = 1 + z2 / total
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
