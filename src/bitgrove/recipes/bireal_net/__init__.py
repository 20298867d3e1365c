"""Bi-Real Net on CIFAR-10, in one step and in two."""

from .recipe import ARMS as ARMS
from .recipe import PLAN as PLAN
from .recipe import WIDTHS as WIDTHS
