"""The main job on real data that needs no download."""

from .recipe import run as run
