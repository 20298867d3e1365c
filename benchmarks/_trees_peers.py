"""What else answers for rows by trees: each as a function of rows, on one thread."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Answer = Callable[[npt.NDArray[np.float32]], npt.NDArray]
PACKAGES = ("scikit-learn", "onnxruntime", "skl2onnx", "ydf", "lightgbm", "treelite", "tl2cgen")


def of_sklearn(model: Any, *, compiled: bool) -> dict[str, Answer]:
    """The same trained forest in scikit-learn and in what imports it.

    ``compiled``: whether tl2cgen's C is compiled, which takes minutes.
    """
    classifier = hasattr(model, "classes_")
    peers: dict[str, Answer] = {
        "scikit-learn": model.predict_proba if classifier else model.predict,
        "onnxruntime": _onnx(model, classifier),
    }
    import treelite

    imported = treelite.sklearn.import_model(model)
    peers["treelite"] = lambda x: treelite.gtil.predict(imported, x, nthread=1)
    if compiled:
        peers["tl2cgen"] = _tl2cgen(imported)
    return peers


def _onnx(model: Any, classifier: bool) -> Answer:
    import onnxruntime
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    options = {id(model): {"zipmap": False}} if classifier else None
    shape = [None, model.n_features_in_]
    made = skl2onnx.convert_sklearn(
        model, initial_types=[("x", FloatTensorType(shape))], options=options
    )
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    name = session.get_outputs()[-1].name
    return lambda x: session.run([name], {"x": x})[0]


def _tl2cgen(imported: Any) -> Answer:
    import tl2cgen

    folder = Path(tempfile.mkdtemp())
    tl2cgen.export_lib(
        imported, toolchain="gcc", libpath=folder / "forest.so", params={"parallel_comp": 2}
    )
    predictor = tl2cgen.Predictor(folder / "forest.so", nthread=1)
    return lambda x: predictor.predict(tl2cgen.DMatrix(x))


def ydf_forest(task: Any, kind: str, trees: int, depth: int, *, boosted: bool) -> Any:
    """A forest of ydf's own, as deep and as large. Its depth counts levels of nodes and leaves."""
    import ydf

    ydf.verbose(0)
    labels = task.labels if kind == "classes" else (task.labels > 4).astype(np.float32)
    options: dict[str, Any] = {
        "label": "y",
        "task": ydf.Task.CLASSIFICATION if kind == "classes" else ydf.Task.REGRESSION,
        "num_trees": trees,
        "max_depth": depth + 1,
        "num_threads": 1,
        "random_seed": 0,
    }
    if boosted:
        learner = ydf.GradientBoostedTreesLearner(**options)
    else:
        learner = ydf.RandomForestLearner(
            **options, winner_take_all=False, compute_oob_performances=False
        )
    return learner.train({"x": task.train, "y": labels})


def of_ydf(model: Any) -> dict[str, Answer]:
    """Its own fast engine."""
    return {"ydf": lambda x: model.predict({"x": x}, num_threads=1)}


def lightgbm_forest(task: Any, trees: int, depth: int) -> Any:
    """Boosted trees that tell digits above 4 from the others, grown to ``depth``."""
    import lightgbm

    return lightgbm.LGBMClassifier(
        n_estimators=trees,
        max_depth=depth,
        num_leaves=2**depth,
        min_child_samples=1,
        n_jobs=1,
        verbose=-1,
        random_state=0,
    ).fit(task.train, task.labels > 4)


def of_lightgbm(model: Any) -> dict[str, Answer]:
    """Its booster, scores without the link."""
    booster = model.booster_
    return {"lightgbm": lambda x: booster.predict(x, raw_score=True, num_threads=1)}
