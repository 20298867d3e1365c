"""Learning to map between ferns: fern convolutions on histology, three classes."""

from .recipe import PLAN as PLAN
