"""Forests of ydf (Yggdrasil), read through the trees that a model hands out."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime import Forest, Link
from ._trees import Grove, Tree, class_names


def from_ydf(model: Any) -> Forest:
    """A trained random forest or gradient boosted trees; errors as :func:`import_forest`.

    The columns of a row are the model's input features, in the order of ``input_feature_names``.
    """
    name = type(model).__name__
    if name not in ("RandomForestModel", "GradientBoostedTreesModel"):
        raise TypeError(f"{name} of ydf is no forest that can be packed")
    task = str(model.task()).rsplit(".", 1)[-1]
    if task not in ("CLASSIFICATION", "REGRESSION"):
        raise ValueError(f"a ydf model for {task} cannot be packed")
    columns = {feature.column_idx: number for number, feature in enumerate(model.input_features())}
    classes = class_names(model.label_classes()) if task == "CLASSIFICATION" else None
    trees = model.get_all_trees()
    if name == "RandomForestModel":
        return _random_forest(model, trees, columns, classes)
    return _boosted(model, trees, columns, classes)


def _random_forest(model: Any, trees: list[Any], columns: dict[int, int], classes: Any) -> Forest:
    outputs = len(classes) if classes else 1
    votes = classes is not None and model.winner_takes_all()

    def leaf(value: Any) -> np.ndarray:
        if classes is None:
            return np.array([value.value]) / len(trees)
        share = np.array(value.probability, np.float64)
        if votes:
            share = (np.arange(outputs) == share.argmax()).astype(np.float64)
        return share / len(trees)

    grove = Grove(len(columns), outputs, [_tree(t, columns, leaf, outputs) for t in trees])
    return grove.forest("normalise" if classes else "identity", classes)


def _boosted(model: Any, trees: list[Any], columns: dict[int, int], classes: Any) -> Forest:
    start = np.ravel(model.initial_predictions())
    outputs = len(start)
    if classes and outputs != (1 if len(classes) == 2 else len(classes)):
        raise ValueError(f"{outputs} scores for {len(classes)} classes cannot be packed")
    link: Link = "identity" if not classes else "sigmoid" if outputs == 1 else "softmax"
    grove = Grove(len(columns), outputs)
    for number, tree in enumerate(trees):
        place = np.arange(outputs) == number % outputs
        grove.trees.append(_tree(tree, columns, lambda v, p=place: v.value * p, outputs))
    return grove.forest(link, classes, start)


def _tree(tree: Any, columns: dict[int, int], leaf_of: Any, outputs: int) -> Tree:
    feature, threshold, missing, children, leaves = [], [], [], [], []

    def number(node: Any) -> int:
        if node.is_leaf:
            leaves.append(leaf_of(node.value))
            return -len(leaves)
        condition = node.condition
        kind = type(condition).__name__
        if kind != "NumericalHigherThanCondition":
            raise ValueError(
                f"a split by {kind} cannot be packed: only comparisons of one numerical feature"
            )
        own = len(feature)
        feature.append(columns[condition.attribute])
        # x >= t of float32 is x > the number before t.
        before = np.nextafter(np.float32(condition.threshold), np.float32(-np.inf))
        threshold.append(float(before))
        missing.append(int(condition.missing))
        children.append([0, 0])
        children[own] = [number(node.neg_child), number(node.pos_child)]
        return own

    number(tree.root)
    return Tree(
        np.array(feature, np.int64),
        np.array(threshold, np.float64),
        np.array(children, np.int64).reshape(-1, 2),
        np.array(leaves, np.float64).reshape(-1, outputs),
        np.array(missing, np.uint8),
    )
