"""The binary methods side by side."""

from .recipe import PLAN as PLAN
