"""Forests of LightGBM, read from the text that it saves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..runtime import Forest, Link
from ._trees import Grove, Tree, class_names

_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_NONE, _MISSING_ZERO, _MISSING_NAN = 0, 1, 2
_PLAIN = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")


def from_lightgbm(text: str, classes: npt.NDArray | None = None) -> Forest:
    """The model in a text that ``Booster.save_model`` writes; ``classes`` name what it numbers.

    Raises:
        ValueError: the text is no such model, or one that cannot be packed.
    """
    head, *parts = text.split("\nTree=")
    header = _fields(head)
    if not head.startswith("tree") or "max_feature_idx" not in header or not parts:
        raise ValueError("the text is no trained LightGBM model (Booster.save_model writes one)")
    try:
        return _forest(header, parts, classes)
    except (KeyError, IndexError, OverflowError) as error:
        raise ValueError(f"the LightGBM model is damaged: {error!r}") from None


def _forest(header: dict[str, str], parts: list[str], classes: npt.NDArray | None) -> Forest:
    outputs = int(header["num_tree_per_iteration"])
    features = int(header["max_feature_idx"]) + 1
    link, numbered = _link(header.get("objective", ""), outputs)
    grove = Grove(features, outputs)
    averaged = 1 / (len(parts) // outputs) if _is_averaged(header) else 1.0
    for number, part in enumerate(parts):
        # What follows the last tree has no fields of a tree.
        grove.trees.append(_tree(_fields(part), number % outputs, outputs, averaged))
    if numbered:
        names = np.arange(numbered) if classes is None else classes
        return grove.forest(link, class_names(names))
    return grove.forest(link)


def _is_averaged(header: dict[str, str]) -> bool:
    return "average_output" in header


def _fields(text: str) -> dict[str, str]:
    """``key=value`` lines up to the end of a tree; a line without a value is a key as well."""
    found: dict[str, str] = {}
    for line in text.split("\nend of trees")[0].splitlines():
        key, _, value = line.partition("=")
        found.setdefault(key.strip(), value.strip())
    return found


def _link(objective: str, outputs: int) -> tuple[Link, int]:
    """The link, and how many classes there are; 0 for a regression."""
    words = objective.split()
    name = words[0] if words else "regression"
    options = dict(word.split(":", 1) for word in words[1:] if ":" in word)
    if float(options.get("sigmoid", 1)) != 1:
        raise ValueError("a LightGBM model with sigmoid other than 1 cannot be packed")
    if name == "binary":
        return "sigmoid", 2
    if name == "multiclass":
        return "softmax", outputs
    if name == "multiclassova":
        return "sigmoid", outputs
    if name in _PLAIN and "sqrt" not in words:
        return "identity", 0
    raise ValueError(
        f"the LightGBM objective '{objective}' cannot be packed; known are binary, multiclass, "
        f"multiclassova, {', '.join(_PLAIN)}"
    )


def _tree(values: dict[str, str], output: int, outputs: int, scale: float) -> Tree:
    if int(values.get("is_linear", "0")):
        raise ValueError("linear trees cannot be packed")

    def numbers(key: str, dtype: type) -> npt.NDArray:
        return np.array(values[key].split(), dtype)

    leaf = np.zeros((int(values["num_leaves"]), outputs))
    leaf[:, output] = numbers("leaf_value", np.float64) * scale
    if len(leaf) == 1:
        return Tree(np.zeros(0), np.zeros(0), np.zeros((0, 2), np.int64), leaf)
    decision = numbers("decision_type", np.int64)
    threshold = numbers("threshold", np.float64)
    if (decision & _CATEGORICAL).any():
        raise ValueError("categorical splits cannot be packed: encode them as numbers")
    kind = decision >> 2 & 3
    if (kind == _MISSING_ZERO).any():
        raise ValueError("zero_as_missing cannot be packed: train with zero_as_missing=false")
    # Where no NaN was seen in training, LightGBM takes it for 0.
    right = np.where(kind == _MISSING_NAN, decision & _DEFAULT_LEFT == 0, threshold < 0)
    return Tree(
        numbers("split_feature", np.int64),
        threshold,
        np.stack([numbers("left_child", np.int64), numbers("right_child", np.int64)], 1),
        leaf,
        right,
    )


def text_of(model: Any) -> tuple[str, npt.NDArray | None]:
    """The text and the classes of a Booster or of an estimator with its interface."""
    booster = getattr(model, "booster_", model)
    return booster.model_to_string(), getattr(model, "classes_", None)
