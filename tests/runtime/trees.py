"""Decision trees drawn at random, and walked one step at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Tensors = dict[str, npt.NDArray]


def random_trees(
    rng: np.random.Generator,
    channels: int,
    outs: int,
    *,
    trees: int = 4,
    depth: int = 6,
    grow: float = 0.8,
    missing: bool = False,
    thresholds: npt.NDArray | None = None,
) -> Tensors:
    """The tensors of a ``forest``; at every node a subtree goes on with probability ``grow``.

    ``thresholds`` are those to draw from; without them they are normal. Nodes and leaves are
    numbered at random.
    """
    children: list[list[int]] = []
    leaves = 0

    def subtree(left: int) -> int:
        nonlocal leaves
        if left == 0 or rng.random() > grow:
            leaves += 1
            return -leaves
        number = len(children)
        children.append([])
        children[number] = [subtree(left - 1), subtree(left - 1)]
        return number

    roots = [subtree(depth) for _ in range(trees)]
    while not children:
        roots.append(subtree(depth + 1))
    count = len(children)
    nodes, rows = rng.permutation(count), rng.permutation(leaves)

    def renumbered(i: int) -> int:
        return int(nodes[i]) if i >= 0 else ~int(rows[~i])

    ordered = np.empty((count, 2), np.int32)
    ordered[nodes] = [[renumbered(a), renumbered(b)] for a, b in children]
    values = rng.standard_normal(count) if thresholds is None else rng.choice(thresholds, count)
    tensors: Tensors = {
        "feature": rng.integers(0, channels, count).astype(np.int32),
        "threshold": values.astype(np.float32),
        "children": ordered,
        "root": np.int32([renumbered(root) for root in roots]),
        "leaf": rng.standard_normal((leaves, outs)).astype(np.float32),
    }
    if rng.random() < 0.5:
        tensors["bias"] = rng.standard_normal(outs).astype(np.float32)
    if missing:
        tensors["missing"] = rng.integers(0, 2, count, dtype=np.uint8)
    return tensors


def leaves_of(tensors: Mapping[str, npt.NDArray], x: npt.NDArray) -> list[int]:
    """The leaf that one vector reaches in each tree."""
    found = []
    for at in tensors["root"].tolist():
        while at >= 0:
            value = x[tensors["feature"][at]]
            if np.isnan(value):
                right = int(tensors["missing"][at]) if "missing" in tensors else 0
            else:
                right = int(value > tensors["threshold"][at])
            at = int(tensors["children"][at, right])
        found.append(~at)
    return found


def outputs_of_rows(tensors: Mapping[str, npt.NDArray], x: npt.NDArray) -> npt.NDArray[np.float32]:
    """As :func:`outputs_of`, all rows one step at a time."""
    out = np.zeros((len(x), tensors["leaf"].shape[1]), np.float32)
    if "bias" in tensors:
        out += tensors["bias"]
    for root in tensors["root"]:
        at = np.full(len(x), root)
        while (open_ := np.flatnonzero(at >= 0)).size:
            node = at[open_]
            value = x[open_, tensors["feature"][node]]
            right = value > tensors["threshold"][node]
            if "missing" in tensors:
                right |= np.isnan(value) & (tensors["missing"][node] == 1)
            at[open_] = tensors["children"][node, right.astype(int)]
        out += tensors["leaf"][~at]
    return out


def outputs_of(tensors: Mapping[str, npt.NDArray], x: npt.NDArray) -> npt.NDArray[np.float32]:
    """The result for each row of ``x``, added in float32 in the order of the trees."""
    leaf = tensors["leaf"].astype(np.float32)
    out = np.zeros((len(x), leaf.shape[1]), np.float32)
    if "bias" in tensors:
        out += tensors["bias"].astype(np.float32)
    for i, row in enumerate(x):
        for reached in leaves_of(tensors, row):
            out[i] += leaf[reached]
    return out
