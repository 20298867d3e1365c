"""BWN and XNOR-Net on CIFAR-10."""

from .recipe import ARMS as ARMS
from .recipe import PLAN as PLAN
