"""Trained forests of other libraries as packed ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..interfaces import describe
from ..runtime import Forest
from ._forest_lightgbm import from_lightgbm, text_of
from ._forest_sklearn import from_sklearn
from ._forest_ydf import from_ydf


def import_forest(model: Any) -> Forest:
    """Pack a trained forest of scikit-learn, LightGBM or ydf.

    Every row of finite float32 reaches the same leaves as in its source: thresholds in double
    are rounded so that the comparison is the same for each of them. Scores are sums in float32 of
    leaves rounded to float32, so they agree to float rounding. NaN goes where the source sends it;
    where the source refuses it, so does the packed forest.

    Args:
        model: of scikit-learn, a trained ``DecisionTree``, ``ExtraTree``, ``RandomForest``,
            ``ExtraTrees``, ``GradientBoosting`` or ``HistGradientBoosting``, classifier or
            regressor; of LightGBM, a ``Booster``, an estimator with scikit-learn's interface, or
            the path of a text that ``Booster.save_model`` wrote; of ydf, a random forest or
            gradient boosted trees over numerical features.

    Raises:
        TypeError: ``model`` is something else.
        ValueError: it is not trained, or holds what a packed forest cannot: categorical or oblique
            splits, linear leaves, answers that are exponentials, several classified outputs.
        OSError: the file cannot be read.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> import numpy as np
    >>> x, y = load_iris(return_X_y=True)
    >>> model = RandomForestClassifier(5, max_depth=3, random_state=0).fit(x, y)
    >>> packed = import_forest(model)
    >>> bool((packed.predict(x.astype(np.float32)) == model.predict(x.astype(np.float32))).all())
    True
    """
    if isinstance(model, str | os.PathLike):
        return from_lightgbm(_text(Path(model)))
    library = type(model).__module__.partition(".")[0]
    if library == "sklearn":
        return from_sklearn(model)
    if library == "lightgbm":
        return from_lightgbm(*_trained_text(model))
    if library == "ydf":
        return from_ydf(model)
    raise TypeError(
        f"model must be a trained forest of scikit-learn, LightGBM or ydf, or the path of a "
        f"LightGBM text, got {describe(model)}"
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(
            f"{path} is no LightGBM text. A pickled model is not opened: unpickling runs whatever "
            "the file says; load it yourself, if you trust it, and give the model"
        ) from None


def _trained_text(model: Any) -> tuple[str, Any]:
    try:
        return text_of(model)
    except (AttributeError, ValueError) as error:
        raise ValueError(f"{type(model).__name__} is not trained: {error}") from None
