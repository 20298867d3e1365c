"""Forests of trees in ONNX: the operator that its own domain has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..runtime import Node
from ._onnx_builder import ML_DOMAIN, Builder, Shape, Value


def forest(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """A ``TreeEnsembleRegressor`` of all pixels, each a row.

    It adds the leaves in an order of its own, and the bias at any time: equal to rounding.
    """
    name, x, sides = node.name, inputs[0], len(shape) - 1
    attributes = ensemble(node.tensors)
    if x.flat or all(side == 1 for side in x.shape[1:]):
        rows = build.flat(x)
        out = build.node(name, "TreeEnsembleRegressor", rows.name, domain=ML_DOMAIN, **attributes)
        return Value(out, shape, flat=True)
    last = build.node(
        f"{name}/channels-last", "Transpose", x.name, perm=[0, *range(2, 2 + sides), 1]
    )
    width = build.constant(f"{name}.width", [-1, x.shape[0]])
    rows = build.node(f"{name}/rows", "Reshape", last, width)
    sums = build.node(f"{name}/sums", "TreeEnsembleRegressor", rows, domain=ML_DOMAIN, **attributes)
    pixels = build.constant(f"{name}.pixels", [-1, *shape[1:], shape[0]])
    placed = build.node(f"{name}/pixels", "Reshape", sums, pixels)
    return Value(
        build.node(name, "Transpose", placed, perm=[0, 1 + sides, *range(1, 1 + sides)]), shape
    )


def ensemble(tensors: Mapping[str, npt.NDArray]) -> dict[str, Any]:
    """The attributes of a ``TreeEnsembleRegressor`` (``ai.onnx.ml`` 1) for the tensors of a forest.

    Trees come one after the other, each from its root on, which is where readers look for it. A
    leaf is a node of its own wherever it hangs.
    """
    found, tree, left = _listed(tensors["children"].astype(np.int64), tensors["root"])
    inner = found >= 0
    at = np.where(inner, found, 0)
    number = np.arange(len(tree)) - np.searchsorted(tree, tree)  # from 0 on in each tree

    def of_nodes(values: npt.NDArray) -> list:
        return np.where(inner, values, np.zeros(1, values.dtype)).tolist()

    leaf = tensors["leaf"].astype(np.float32)
    outs = leaf.shape[1]
    missing = tensors.get("missing", np.zeros(len(tensors["feature"]), np.uint8))
    attributes: dict[str, Any] = {
        "n_targets": outs,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": number.tolist(),
        "nodes_modes": np.where(inner, "BRANCH_LEQ", "LEAF").tolist(),
        "nodes_featureids": of_nodes(tensors["feature"][at]),
        "nodes_values": of_nodes(tensors["threshold"][at]),
        "nodes_truenodeids": of_nodes(number[left]),
        "nodes_falsenodeids": of_nodes(number[left + inner]),
        "nodes_missing_value_tracks_true": of_nodes(1 - missing[at]),
        "target_treeids": np.repeat(tree[~inner], outs).tolist(),
        "target_nodeids": np.repeat(number[~inner], outs).tolist(),
        "target_ids": np.tile(np.arange(outs), np.count_nonzero(~inner)).tolist(),
        "target_weights": leaf[~found[~inner]].ravel().tolist(),
    }
    if "bias" in tensors:
        attributes["base_values"] = tensors["bias"].astype(np.float32).tolist()
    return attributes


def _listed(
    children: npt.NDArray[np.int64], root: npt.NDArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Every node and every leaf that hangs somewhere, tree after tree, each level after level.

    Returns:
        The node, or the leaf as in ``children``; its tree; and where its left child is listed,
        the right one being next (0 for leaves).
    """
    refs, trees = root.astype(np.int64), np.arange(len(root))
    levels: list[tuple[npt.NDArray[np.int64], ...]] = []
    count = 0
    while len(refs):
        count += len(refs)
        inner = refs >= 0
        left = np.where(inner, count + 2 * (np.cumsum(inner) - 1), 0)
        levels.append((refs, trees, left))
        refs, trees = children[refs[inner]].ravel(), np.repeat(trees[inner], 2)
    found, tree, left = (np.concatenate(each) for each in zip(*levels, strict=True))
    order = np.argsort(tree, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return found[order], tree[order], np.where(found >= 0, place[left], 0)[order]
