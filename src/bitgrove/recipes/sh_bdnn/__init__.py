"""SH-BDNN against other codes that are learnt from labels."""

from .recipe import run as run
