"""Latent Weights Do Not Exist: Bop on CIFAR-10."""

from .recipe import BOP as BOP
from .recipe import LATENT as LATENT
from .recipe import PLAN as PLAN
