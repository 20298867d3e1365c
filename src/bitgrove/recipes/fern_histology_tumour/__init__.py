"""Learning to map between ferns: fern convolutions on histology, tumour or none."""

from .recipe import PLAN as PLAN
