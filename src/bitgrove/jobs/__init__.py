"""The main job: from labelled pictures to a packed model with a report."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove fit")

from ._arms import Arm as Arm
from ._arms import Plan as Plan
from ._arms import Stage as Stage
from ._arms import StudyOptions as StudyOptions
from ._fit import FitOptions as FitOptions
from ._fit import InterruptedRunError as InterruptedRunError
from ._fit import Run as Run
from ._fit import fit as fit
from ._measure import accuracy as accuracy
from ._measure import confusion as confusion
from ._measure import pick_queries as pick_queries
from ._network import network_for as network_for
from ._run_plan import StudyRun as StudyRun
from ._run_plan import run_plan as run_plan
from ._steps import Steps as Steps
