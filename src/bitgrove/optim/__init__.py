"""Optimisers and schedules for binary weights; which parameters are binary, and which decay."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove.optim")

from ._bop import Bop as Bop
from ._bop2 import Bop2ndOrder as Bop2ndOrder
from ._centre import centre_latents_ as centre_latents_
from ._flipping import FlippingOptimizer as FlippingOptimizer
from ._groups import latent_groups as latent_groups
from ._scheduler import HyperparameterScheduler as HyperparameterScheduler
from ._schedules import constant as constant
from ._schedules import cosine as cosine
from ._schedules import exponential as exponential
from ._schedules import linear as linear
from ._schedules import piecewise as piecewise
from ._schedules import staircase as staircase
from ._split import split_parameters as split_parameters
