"""Harwood et al., Smart Mining for Deep Metric Learning, ICCV 2017, on Omniglot."""

from ._figures import FIGURES as FIGURES
from ._figures import figure as figure
from .recipe import ARMS as ARMS
from .recipe import EXTRA as EXTRA
from .recipe import run as run
