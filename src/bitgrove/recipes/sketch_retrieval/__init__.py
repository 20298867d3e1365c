"""Photographs found by hand-drawn contours: triplets, attributes, and ranking by attributes."""

from ._arms import ARMS as ARMS
from .recipe import run as run
