"""The settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from ._method import Method

Precision = Literal["float32", "bfloat16"]

_IMAGES_SHOWN = 800_000
_LEAST_EPOCHS, _MOST_EPOCHS = 8, 120


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """What determines the result of training, apart from the data and the model.

    Raises:
        ValueError: a setting is out of range.

    >>> TrainingConfig(epochs=3).batch_size
    128
    """

    epochs: int | None = None
    """Passes over the training images, at least 1; None for :func:`default_epochs`."""
    batch_size: int = 128
    """Images per step at most, 2 or more; an epoch is cut into batches of equal size, up to one."""
    method: Method = field(default_factory=Method)
    """What moves the parameters. By default AdamW, its rate falling linearly from 0.001 to 0, with
    latent binary weights that do not decay and are clipped to [-1, 1] after each step."""
    shift: float = 0.125
    """Largest random shift in each direction, as a fraction of the side, 0 to 0.5; rounded down to
    pixels. The edge pixels are repeated."""
    flip: bool = False
    """Mirror every other image at random, left to right."""
    precision: Precision = "float32"
    """Of the forward and backward pass; parameters, averages and validation are in float32. With
    bfloat16 products of signs are exact and their sums are rounded to 8 bits."""
    seed: int = 0
    """Of the order, shifts and flips, and of layers that draw random numbers, 0 or more."""

    def __post_init__(self) -> None:
        whole = self.epochs is None or (type(self.epochs) is int and self.epochs >= 1)
        self._check("epochs", whole, "a whole number of at least 1, or None")
        self._check("batch_size", self.batch_size >= 2, "at least 2")
        self._check("shift", 0 <= self.shift <= 0.5, "in 0 to 0.5")
        names = get_args(Precision)
        self._check("precision", self.precision in names, " or ".join(names))
        if not isinstance(self.method, Method):
            raise TypeError(f"method must be a Method, got {self.method!r}")
        self._check("seed", self.seed >= 0, "0 or more")

    def _check(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ValueError(f"{name} must be {expected}, got {getattr(self, name)}")


def default_epochs(images: int) -> int:
    """Epochs after which about 800,000 images were shown, between 8 and 120.

    >>> [default_epochs(n) for n in (862, 60_000, 1_000_000)]
    [120, 13, 8]
    """
    return min(max(round(_IMAGES_SHOWN / max(images, 1)), _LEAST_EPOCHS), _MOST_EPOCHS)
