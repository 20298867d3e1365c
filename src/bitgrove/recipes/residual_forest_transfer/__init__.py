"""Residual forests on features that were learnt from other pictures."""

from .recipe import ARMS as ARMS
from .recipe import run as run
