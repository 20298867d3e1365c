"""The error of this package."""

from __future__ import annotations


class DataError(ValueError):
    """Pictures cannot be used as they are; the message says which, why, and what to do."""
