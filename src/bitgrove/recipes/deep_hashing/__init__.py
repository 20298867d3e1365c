"""Deep hash methods with one backbone: CIFAR-10, 5,000 labelled images, 59,000 searched."""

from ._arms import BITS as BITS
from ._arms import METHODS as METHODS
from .recipe import run as run
