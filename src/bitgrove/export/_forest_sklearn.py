"""Trained forests of scikit-learn. It is not imported: a model is known by its class's name."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime import Forest, Link
from ._trees import Grove, Tree, class_names

_TREES = {"DecisionTree", "ExtraTree"}
_AVERAGED = {"RandomForest", "ExtraTrees"}


def from_sklearn(model: Any) -> Forest:
    """A trained tree or forest of scikit-learn; errors as :func:`import_forest`."""
    name = type(model).__name__
    family, _, kind = name.partition("Classifier" if name.endswith("Classifier") else "Regressor")
    if kind or family not in _TREES | _AVERAGED | {"GradientBoosting", "HistGradientBoosting"}:
        raise TypeError(
            f"{name} of scikit-learn is no forest that can be packed; known are DecisionTree, "
            "ExtraTree, RandomForest, ExtraTrees, GradientBoosting and HistGradientBoosting, "
            "classifiers and regressors"
        )
    if not hasattr(model, "n_features_in_"):
        raise ValueError(f"{name} is not trained: call fit first")
    if family == "GradientBoosting":
        return _gradient_boosting(model)
    if family == "HistGradientBoosting":
        return _hist_gradient_boosting(model)
    return _averaged(model, [model] if family in _TREES else model.estimators_)


def _averaged(model: Any, trees: list[Any]) -> Forest:
    classifier = hasattr(model, "classes_")
    if classifier and model.n_outputs_ > 1:
        raise ValueError("a classifier of several outputs cannot be packed: train one for each")
    grove = Grove(model.n_features_in_, len(model.classes_) if classifier else model.n_outputs_)
    for tree in trees:
        values = tree.tree_.value
        values = values[:, 0] if classifier else values[:, :, 0]
        if classifier:  # before 1.3 these were counts
            values = values / values.sum(1, keepdims=True)
        grove.trees.append(_tree(tree.tree_, values / len(trees), missing=True))
    if classifier:
        return grove.forest("normalise", class_names(model.classes_))
    return grove.forest("identity")


def _tree(tree: Any, values: np.ndarray, *, missing: bool) -> Tree:
    inner = tree.children_left >= 0
    number = np.where(inner, np.cumsum(inner) - 1, -np.cumsum(~inner))
    children = np.stack([tree.children_left[inner], tree.children_right[inner]], 1)
    to_left = getattr(tree, "missing_go_to_left", None) if missing else None
    return Tree(
        tree.feature[inner],
        tree.threshold[inner],
        number[children],
        values[~inner],
        None if to_left is None else 1 - np.asarray(to_left)[inner],
    )


def _gradient_boosting(model: Any) -> Forest:
    loss = model.loss
    classifier = hasattr(model, "classes_")
    if loss == "exponential":
        raise ValueError("GradientBoosting with the exponential loss cannot be packed")
    kind = type(model.init_).__name__
    if kind not in ("str", "DummyClassifier", "DummyRegressor"):
        raise ValueError(f"init={kind} cannot be packed: its answers depend on the row")
    outputs = model.estimators_.shape[1]
    grove = Grove(model.n_features_in_, outputs)
    for row in model.estimators_:
        for output, estimator in enumerate(row):
            values = np.zeros((estimator.tree_.node_count, outputs))
            values[:, output] = model.learning_rate * estimator.tree_.value[:, 0, 0]
            grove.trees.append(_tree(estimator.tree_, values, missing=False))
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32))[0]
    link: Link = "identity" if not classifier else "sigmoid" if outputs == 1 else "softmax"
    return grove.forest(link, class_names(model.classes_) if classifier else None, start)


def _hist_gradient_boosting(model: Any) -> Forest:
    classifier = hasattr(model, "classes_")
    if not classifier and model.loss not in ("squared_error", "absolute_error", "quantile"):
        raise ValueError(
            f"HistGradientBoosting with loss={model.loss!r} cannot be packed: its answers are "
            "exponentials of the scores"
        )
    outputs = len(model._predictors[0])
    grove = Grove(model.n_features_in_, outputs)
    for row in model._predictors:
        for output, predictor in enumerate(row):
            nodes = predictor.nodes
            if nodes["is_categorical"].any():
                raise ValueError("categorical features cannot be packed: encode them as numbers")
            inner = nodes["is_leaf"] == 0
            number = np.where(inner, np.cumsum(inner) - 1, -np.cumsum(~inner))
            values = np.zeros((len(nodes) - inner.sum(), outputs))
            values[:, output] = nodes["value"][~inner]
            children = np.stack([nodes["left"][inner], nodes["right"][inner]], 1).astype(np.int64)
            grove.trees.append(
                Tree(
                    nodes["feature_idx"][inner],
                    nodes["num_threshold"][inner],
                    number[children],
                    values,
                    1 - nodes["missing_go_to_left"][inner],
                )
            )
    link: Link = "identity" if not classifier else "sigmoid" if outputs == 1 else "softmax"
    start = np.ravel(model._baseline_prediction)
    return grove.forest(link, class_names(model.classes_) if classifier else None, start)
