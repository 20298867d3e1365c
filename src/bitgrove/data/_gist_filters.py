"""The filters of GIST, as what they multiply in the Fourier domain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Transfer = npt.NDArray[np.float64]

LOW_PASS_CYCLES = 4.0
"""Cycles a picture below which differences of light are taken away; half is left there."""

CONTRAST_BORDER = 5
"""Mirrored pixels around a picture whose contrast is normalised."""

BORDER = 32
"""Mirrored pixels around a picture that meets the Gabor filters."""


def low_pass_transfer(side: int, cycles: float) -> Transfer:
    """A Gaussian of 1/2 at ``cycles`` a picture, ``(side, side)``, frequency 0 first."""
    spread = cycles / np.sqrt(np.log(2))
    f = np.fft.fftfreq(side, 1 / side)
    return np.exp(-(f[:, None] ** 2 + f**2) / spread**2)


def gabor_transfer(orientations: Sequence[int], height: int, width: int) -> Transfer:
    """One bump for each scale and orientation, ``(filters, height, width)``, frequency 0 first.

    With ``r`` the frequency in cycles a pixel, ``t`` its angle (rows run down, so positive angles
    are below), scale ``s`` and orientation ``j`` of ``m``::

        exp(-3.5 (r / f - 1)² - 2π (m²/64) (t + π j / m)²),   f = 0.3 / 1.85^s

    where the sum of angles is taken between -π and π.
    """
    down, right = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    radius, angle = np.hypot(right, down), np.arctan2(down, right)
    bumps = []
    for scale, count in enumerate(orientations):
        along = np.exp(-3.5 * (radius / (0.3 / 1.85**scale) - 1) ** 2)
        for j in range(count):
            turn = angle + np.pi * j / count
            turn = np.where(turn > np.pi, turn - 2 * np.pi, turn)
            bumps.append(along * np.exp(-2 * np.pi * (count**2 / 64) * turn**2))
    return np.stack(bumps)
