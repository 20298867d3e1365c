"""Triplets for metric learning, chosen by neighbours: smart mining and what it is compared with."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove.mining")
require("lightning", extra="train", needed_for="bitgrove.mining")

from ._kappa import KappaController as KappaController
from ._lightning import Select as Select
from ._lightning import TripletData as TripletData
from ._lightning import TripletLearner as TripletLearner
from ._lightning import embed_batches as embed_batches
from ._losses import global_loss as global_loss
from ._losses import quarter_distances as quarter_distances
from ._losses import triplet_loss as triplet_loss
from ._losses import violations as violations
from ._miner import Miner as Miner
from ._miner import RandomMiner as RandomMiner
from ._sampler import TripletSampler as TripletSampler
from ._sampler import split_triplets as split_triplets
from ._semi_hard import ClassSampler as ClassSampler
from ._semi_hard import semi_hard_triplets as semi_hard_triplets
from ._smart import SmartMiner as SmartMiner
from ._triplets import Triplets as Triplets
