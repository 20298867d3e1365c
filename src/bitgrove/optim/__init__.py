"""Optimisers for binary weights, and the split of parameters into binary and real."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove.optim")

from ._bop import Bop as Bop
from ._split import split_parameters as split_parameters
