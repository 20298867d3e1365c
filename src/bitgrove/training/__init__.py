"""Train a network from images to logits: checkpoints, interruption, resumption, a log."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove.training")
require("lightning", extra="train", needed_for="bitgrove.training")

from ._batch_norm import reestimate_batch_norm as reestimate_batch_norm
from ._batches import Batches as Batches
from ._bit_tally import BitRecord as BitRecord
from ._bit_tally import BitTally as BitTally
from ._bit_tally import WeightBits as WeightBits
from ._bits import BitStatistics as BitStatistics
from ._bits import read_bits as read_bits
from ._checkpoints import load_weights as load_weights
from ._config import Precision as Precision
from ._config import TrainingConfig as TrainingConfig
from ._config import default_epochs as default_epochs
from ._errors import TrainingError as TrainingError
from ._evaluate import evaluate as evaluate
from ._fit import FitResult as FitResult
from ._fit import fit as fit
from ._forests import LeafUpdates as LeafUpdates
from ._forests import refit_leaves as refit_leaves
from ._losses import CrossEntropy as CrossEntropy
from ._losses import Distillation as Distillation
from ._losses import OutputLoss as OutputLoss
from ._losses import SquaredHinge as SquaredHinge
from ._method import Flips as Flips
from ._method import Gradient as Gradient
from ._method import Method as Method
from ._record import EpochMetrics as EpochMetrics
from ._schedules import Constant as Constant
from ._schedules import Exponential as Exponential
from ._schedules import Linear as Linear
from ._schedules import Schedule as Schedule
from ._schedules import Staircase as Staircase
from ._timing import seconds_per_image as seconds_per_image
