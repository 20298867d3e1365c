"""Second-order Bop on CIFAR-10."""

from .recipe import BIASED as BIASED
from .recipe import PLAN as PLAN
