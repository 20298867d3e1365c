"""Binarized Neural Networks on CIFAR-10."""

from .recipe import ARM as ARM
from .recipe import PLAN as PLAN
