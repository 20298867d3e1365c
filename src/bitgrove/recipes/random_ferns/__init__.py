"""Random ferns against the forests of scikit-learn."""

from .recipe import run as run
