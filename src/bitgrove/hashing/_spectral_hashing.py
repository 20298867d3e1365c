"""Spectral hashing: waves along the principal axes of a box."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt

from ._checks import check_whole
from ._encoder import Features, HashEncoder
from ._principal import top_eigenvectors
from ._rows import Matrix, blocks, mean_and_covariance


@final
class SpectralHashing(HashEncoder):
    """Signs of the slowest waves along the principal axes.

    Codes that are balanced, uncorrelated and alike for near rows are thresholded eigenvectors of a
    graph's Laplacian. If the rows fill a box evenly, they are known without the graph: along an
    axis on which the rows run from ``a`` to ``b``, wave ``k = 1, 2, ...`` is ::

        sin(π/2 + k π (x - a) / (b - a)),   with eigenvalue 1 - exp(-ε²/2 (k π / (b - a))²),

    and the ``bits`` of smallest eigenvalue, over all axes, are taken: a long axis has several bits.
    ``ε`` does not change their order. Products of waves along several axes are left out, as in the
    paper. Rows beyond the box meet the same wave, which just goes on.

    Source: Weiss, Torralba and Fergus, "Spectral Hashing", NIPS 2008, section 3.

    Args:
        bits: length of a code.
        components: principal axes that are looked at, at most the number of features; None for
            ``bits`` of them, or all where there are fewer.

    Attributes:
        mean_: ``(features,)``, of the training rows.
        components_: the axes, orthonormal, ``(components, features)``, most variance first. Axes
            on which all training rows are alike carry no wave.
        low_, high_: where the training rows begin and end on each axis, from the mean.
        axes_: for each bit the number of its axis.
        waves_: for each bit ``k``, the half waves that fit between ``low_`` and ``high_``.

    >>> from bitgrove.hashing import SpectralHashing
    >>> rows = np.array([[x, y] for x in range(8) for y in range(3)], float)
    >>> spectral = SpectralHashing(bits=3).fit(rows)
    >>> spectral.axes_, spectral.waves_  # the long side once, twice and three times
    (array([0, 0, 0]), array([1, 2, 3]))
    >>> spectral = SpectralHashing(bits=4).fit(rows)
    >>> spectral.axes_, spectral.waves_  # one along the short side is slower than four
    (array([0, 0, 0, 1]), array([1, 2, 3, 1]))
    """

    mean_: Matrix
    components_: Matrix
    low_: Matrix
    high_: Matrix
    axes_: npt.NDArray[np.int64]
    waves_: npt.NDArray[np.int64]

    def __init__(self, bits: int = 32, *, components: int | None = None) -> None:
        self.bits = bits
        self.components = components

    def _learn(self, features: Features, labels: npt.NDArray | None) -> None:
        width = features.shape[1]
        count = min(self.bits, width)
        if self.components is not None:
            check_whole(1, components=self.components)
            if self.components > width:
                raise ValueError(
                    f"components must not exceed n_features={width}, got {self.components}"
                )
            count = int(self.components)
        self.mean_, covariance = mean_and_covariance(features)
        self.components_ = top_eigenvectors(covariance, count)
        places = np.empty((len(features), count))
        for rows, part in blocks(features):
            places[rows] = (part - self.mean_) @ self.components_.T
        self.low_, self.high_ = places.min(0), places.max(0)
        self.axes_, self.waves_ = slowest_waves(self.high_ - self.low_, self.bits)

    def _project(self, rows: Matrix) -> Features:
        axes = self.axes_
        speed = self.waves_ * np.pi / (self.high_ - self.low_)[axes]
        places = (rows - self.mean_) @ self.components_.T
        return np.sin(np.pi / 2 + speed * (places - self.low_)[:, axes])


def slowest_waves(
    lengths: Matrix, count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The axis and the number of half waves of the ``count`` waves of smallest eigenvalue.

    Raises:
        ValueError: no side has a length.
    """
    longest = lengths.max()
    if not longest > 0:
        raise ValueError("all rows are equal, so there is no axis to lay a wave along")
    known = lengths > 1e-9 * longest  # shorter ones are rounding
    shown = np.flatnonzero(known)
    numbers = np.arange(1, count + 1)
    speeds = numbers[:, None] / lengths[shown]
    first = np.argsort(speeds, axis=None, kind="stable")[:count]
    wave, axis = np.unravel_index(first, speeds.shape)
    return shown[axis], numbers[wave]
