"""The settings of a training run."""

from __future__ import annotations

import math
from dataclasses import dataclass

_IMAGES_SHOWN = 800_000
_LEAST_EPOCHS, _MOST_EPOCHS = 8, 120


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """What determines the result of training, apart from the data and the model.

    Adam with a learning rate that falls linearly to zero; latent binary weights are clipped to
    [-1, 1] after each step and never decay.

    Source: D. Kingma, J. Ba, Adam, ICLR 2015; the linear fall as in Liu et al., Bi-Real Net,
    ECCV 2018; the clipping as in Courbariaux et al., BinaryConnect, NeurIPS 2015, sec. 2.4;
    decoupled weight decay as in Loshchilov and Hutter, AdamW, ICLR 2019.

    Raises:
        ValueError: a setting is out of range.

    >>> TrainingConfig(epochs=3).batch_size
    128
    """

    epochs: int | None = None
    """Passes over the training images, at least 1; None for :func:`default_epochs`."""
    batch_size: int = 128
    """Images per step at most, 2 or more; an epoch is cut into batches of equal size, up to one."""
    learning_rate: float = 1e-3
    """Of the first step, above 0."""
    weight_decay: float = 0.0
    """Share of a real weight taken off per step and unit of learning rate, 0 or more."""
    label_smoothing: float = 0.0
    """Probability spread evenly over all classes in the training target, 0 to below 1."""
    shift: float = 0.125
    """Largest random shift in each direction, as a fraction of the side, 0 to 0.5; rounded down to
    pixels. The edge pixels are repeated."""
    flip: bool = False
    """Mirror every other image at random, left to right."""
    seed: int = 0
    """Of the order, shifts and flips, and of layers that draw random numbers, 0 or more."""

    def __post_init__(self) -> None:
        self._check("epochs", self.epochs is None or self.epochs >= 1, "at least 1, or None")
        self._check("batch_size", self.batch_size >= 2, "at least 2")
        self._check("learning_rate", 0 < self.learning_rate < math.inf, "above 0")
        self._check("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more")
        self._check("label_smoothing", 0 <= self.label_smoothing < 1, "in 0 to below 1")
        self._check("shift", 0 <= self.shift <= 0.5, "in 0 to 0.5")
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
