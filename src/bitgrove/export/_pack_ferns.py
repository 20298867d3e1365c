"""Random ferns as a packed model: one operator, and no scikit-learn to run it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from ..runtime import Artifact, Graph, Node, Preprocessing, Session
from ..solvers import RandomFerns


def pack_ferns(
    solver: RandomFerns,
    input_shape: Sequence[int] | None = None,
    *,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
) -> Artifact:
    """Turn fitted random ferns into a packed model that gives the same scores, exactly.

    The logits are the scores of ``decision_function``: a number for each class of each output, in
    order. Of an output of two classes they are 0 and the score. In the file the table has the dtype
    of ``table_``.

    Args:
        solver: fitted.
        input_shape: of an image, ``(c, h, w)``, ``(c, l)`` or ``(c, d, h, w)``, whose numbers in
            this order are the elements of a row; by default ``(features, 1)``: a session runs
            ``X[:, :, None]``.
        labels: names of the logits; by default the classes, of ferns of one output.
        preprocessing: how a picture becomes the input. That of mean 0 and std 1 / 255 leaves bytes
            as they are: ``Preprocessing(28, 28, 1, (0.0,), (1 / 255,))``.

    Raises:
        NotFittedError: ``solver`` has not been fitted.
        TypeError: ``solver`` is something else.
        ValueError: ``input_shape`` has not as many numbers as a row, or the labels are not one for
            each logit.

    >>> import bitgrove as bg
    >>> X, y = np.float32([[0, 0], [0, 1], [9, 9], [9, 8]]), ["low", "low", "high", "high"]
    >>> model = pack_ferns(bg.solvers.RandomFerns(ferns=20, depth=2).fit(X, y))
    >>> [p.label for p in bg.runtime.Session(model).classify(np.float32([[[1], [1]], [[8], [8]]]))]
    ['low', 'high']
    """
    if not isinstance(solver, RandomFerns):
        raise TypeError(f"solver must be RandomFerns, got {type(solver).__name__}")
    check_is_fitted(solver, "table_")
    features = solver.n_features_in_
    shape = (features, 1) if input_shape is None else tuple(map(int, input_shape))
    if not 2 <= len(shape) <= 4 or math.prod(shape) != features:
        raise ValueError(
            f"input_shape must be channels and 1 to 3 sides of {features} numbers in all, as a row "
            f"has, got {shape}"
        )
    nodes = [Node("flatten", "rows", (0,))] if math.prod(shape[1:]) > 1 else []
    nodes.append(Node("ferns", "ferns", (len(nodes),), {}, _tensors(solver)))
    spread = _spread(solver)
    if spread is not None:
        axes = len(shape) - 1
        one_pixel = {
            "stride": [1] * axes,
            "padding": [0] * axes,
            "dilation": [1] * axes,
            "groups": 1,
            "pad_value": 0,
        }
        weight = spread.reshape(len(spread), *[1] * axes, -1)
        nodes.append(Node(f"conv{axes}d", "classes", (len(nodes),), one_pixel, {"weight": weight}))
    last = len(nodes)
    if labels is None and solver.n_outputs_ == 1:
        labels = [str(name) for name in solver.classes_]
    graph = Graph(shape, tuple(nodes), last, last)
    artifact = Artifact(graph, None if labels is None else list(labels), preprocessing)
    Session(artifact)  # refuses labels that are too few or too many
    return artifact


def _tensors(solver: RandomFerns) -> dict[str, npt.NDArray]:
    tensors: dict[str, npt.NDArray] = {"feature": solver.feature_}
    if solver.other_ is not None:
        tensors["other"] = solver.other_
    if solver.threshold_ is not None:
        tensors["threshold"] = solver.threshold_
    if solver.scale_ is None:
        tensors["leaf"] = solver.table_
    else:
        tensors |= {"codes": solver.table_, "scale": np.array([solver.scale_], np.float32)}
    if solver.bias_ is not None:
        tensors["bias"] = solver.bias_
    return tensors


def _spread(solver: RandomFerns) -> npt.NDArray[np.float32] | None:
    """``[logits, scores]``: two logits for each output of two classes; None if there is no such."""
    classes = [solver.classes_] if solver.n_outputs_ == 1 else solver.classes_
    widths = [1 if len(known) == 2 else len(known) for known in classes]
    if all(len(known) != 2 for known in classes):
        return None
    rows: list[npt.NDArray[np.float32]] = []
    whole, start = np.eye(sum(widths), dtype=np.float32), 0
    for known, width in zip(classes, widths, strict=True):
        if len(known) == 2:
            rows.append(np.zeros((1, len(whole)), np.float32))
        rows.append(whole[start : start + width])
        start += width
    return np.concatenate(rows)
