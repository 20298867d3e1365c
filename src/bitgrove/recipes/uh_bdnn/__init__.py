"""UH-BDNN against other codes that are learnt without labels."""

from .recipe import run as run
