"""Why a decision forest answers as it does: its path, and what in the picture decided each turn."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove.explain")

from ._path import DecisionPath as DecisionPath
from ._path import Step as Step
from ._path import decision_path as decision_path
from ._picture import draw_path as draw_path
from ._routing import arrival_probabilities as arrival_probabilities
from ._routing import draw_routing as draw_routing
from ._saliency import saliency as saliency
