"""Names of layers as a small chart has room for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def own_parts(names: Sequence[str]) -> list[str]:
    """Of each path the shortest beginning that no other path has.

    >>> own_parts(["stages.0.0.conv.weight", "stages.0.1.conv.weight", "head.linear.weight"])
    ['stages.0.0', 'stages.0.1', 'head']

    A path that another one goes on from stays whole:

    >>> own_parts(["stem", "stem.1.weight"])
    ['stem', 'stem.1']
    """
    beginnings = Counter(part for name in names for part in _beginnings(name))
    return [
        next((part for part in _beginnings(name) if beginnings[part] == 1), name) for name in names
    ]


def _beginnings(path: str) -> list[str]:
    steps = path.split(".")
    return [".".join(steps[: i + 1]) for i in range(len(steps))]
