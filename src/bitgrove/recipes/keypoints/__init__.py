"""Facial landmarks by cascades of decision forests: Li and Cheng, CVPRW 2019, in the plane."""

from .recipe import ARMS as ARMS
from .recipe import run as run
