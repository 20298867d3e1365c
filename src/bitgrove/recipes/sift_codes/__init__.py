"""Hash codes of SIFT descriptors, with their Euclidean neighbours as the truth."""

from .recipe import run as run
