"""A binary network taught by its float twin."""

from .recipe import ARMS as ARMS
from .recipe import PLAN as PLAN
