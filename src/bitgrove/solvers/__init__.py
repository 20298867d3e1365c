"""Estimators in scikit-learn's form that answer from embeddings."""

from .. import require

require("sklearn", extra="train", needed_for="bitgrove.solvers")

from ._nearest_kernel import NearestKernelClassifier as NearestKernelClassifier  # noqa: E402
from ._random_ferns import RandomFerns as RandomFerns  # noqa: E402
from ._residual_forest import ResidualForest as ResidualForest  # noqa: E402
from ._segmentation_forest import SegmentationForest as SegmentationForest  # noqa: E402
