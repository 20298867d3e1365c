"""Train a network from images to logits: checkpoints, interruption, resumption, a log."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove.training")
require("lightning", extra="train", needed_for="bitgrove.training")

from ._batches import Batches as Batches
from ._checkpoints import load_weights as load_weights
from ._config import TrainingConfig as TrainingConfig
from ._config import default_epochs as default_epochs
from ._errors import TrainingError as TrainingError
from ._evaluate import evaluate as evaluate
from ._fit import FitResult as FitResult
from ._fit import fit as fit
from ._record import EpochMetrics as EpochMetrics
