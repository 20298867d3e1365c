"""The error of this package."""

from __future__ import annotations


class TrainingError(RuntimeError):
    """Training cannot start, resume or go on; the message says why and what to do."""
