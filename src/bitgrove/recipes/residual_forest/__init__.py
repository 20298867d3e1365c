"""Zuo and Drummond, Fast Residual Forests, CoRL 2017, on CamVid."""

from ._heads import ARMS as ARMS
from .recipe import run as run
