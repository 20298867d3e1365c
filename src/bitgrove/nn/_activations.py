"""Activations of binary networks: a shifted sign, a shifted PReLU, a clip that leaks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._estimators import MagnitudeAware, resolve
from ._layer import check_input
from ._sign import Estimator


class RSign(nn.Module):
    """``sign(x + b)`` with a learned shift ``b`` per channel: +1 and -1.

    The shift moves the threshold of each channel from 0 to ``-b``. A binary layer behind it is made
    with ``input_estimator="identity"``: the sign of +1 and -1 is exact and passes the gradient on
    as it is, so that the gradient is cut here and only here.

    Source: Liu et al., ReActNet, ECCV 2020, whose threshold ``alpha`` is ``-b``.

    Args:
        channels: length of the input's axis 1.
        estimator: gradient of the sign: a name from :data:`bitgrove.nn.ESTIMATORS` but
            ``"magnitude_aware"``, or an :class:`bitgrove.nn.Estimator`.

    Attributes:
        shift: ``b``, shape ``(channels,)``, first 0; a real parameter.

    Raises:
        ValueError: an argument is out of its range.

    >>> from bitgrove.nn import BinaryConv2d
    >>> rsign = RSign(2)
    >>> _ = rsign.shift.data.copy_(torch.tensor([0.5, -0.5]))
    >>> rsign(torch.tensor([[-0.4, 0.4]])).detach()
    tensor([[ 1., -1.]])
    >>> net = nn.Sequential(rsign, BinaryConv2d(2, 8, 3, input_estimator="identity"))
    """

    def __init__(self, channels: int, *, estimator: str | Estimator = "approx") -> None:
        super().__init__()
        self.channels = _at_least_one(channels)
        self.estimator = estimator
        self.shift = nn.Parameter(torch.zeros(channels))

    @property
    def estimator(self) -> Estimator:
        """The estimator of the sign; may be assigned."""
        return self._estimator

    @estimator.setter
    def estimator(self, value: str | Estimator) -> None:
        resolved = resolve(value, "estimator")
        if resolved is None or isinstance(resolved, MagnitudeAware):
            raise ValueError(
                f"RSign is a sign of activations, got estimator={value!r}; "
                "use 'approx' or 'clipped'"
            )
        self._estimator = resolved

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, ...)`` to +1 and -1 of the same shape."""
        _check(x, self.channels)
        return self.estimator(x + _along_channels(self.shift, x), training=self.training)

    def extra_repr(self) -> str:
        """The arguments, in their order."""
        return f"{self.channels}, estimator={self.estimator}"


class RPReLU(nn.Module):
    """``PReLU(x + b1) + b2`` with learned shifts and a learned slope per channel.

    Source: Liu et al., ReActNet, ECCV 2020, whose ``gamma`` is ``-b1`` and ``zeta`` is
    ``b2``.

    Args:
        channels: length of the input's axis 1.
        slope: below 0, first; every number is allowed.

    Attributes:
        shift_in: ``b1``, shape ``(channels,)``, first 0.
        slope: shape ``(channels,)``.
        shift_out: ``b2``, shape ``(channels,)``, first 0.

    >>> RPReLU(1)(torch.tensor([[-4.0], [4.0]])).detach()
    tensor([[-1.],
            [ 4.]])
    """

    def __init__(self, channels: int, *, slope: float = 0.25) -> None:
        super().__init__()
        self.channels = _at_least_one(channels)
        self.shift_in = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.full((channels,), float(slope)))
        self.shift_out = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, ...)`` to the same shape."""
        _check(x, self.channels)
        y = x + _along_channels(self.shift_in, x)
        return F.prelu(y, self.slope.to(y.dtype)) + _along_channels(self.shift_out, x)

    def extra_repr(self) -> str:
        """The number of channels."""
        return f"{self.channels}"


class LeakyClip(nn.Module):
    """``x`` on [-1, 1] and a flatter line beyond: ``±1 + slope (x ∓ 1)``. Continuous.

    The step between ReLU and the clip when a real network is prepared for binary activations; the
    clip itself is ``slope=0``, or ``nn.Hardtanh``.

    Source: Liu et al., Bi-Real Net, ECCV 2018 (how a real network is prepared).

    Args:
        slope: outside [-1, 1], in [0, 1]. It is an attribute and may be assigned.

    Raises:
        ValueError: ``slope`` is out of its range.

    >>> LeakyClip()(torch.tensor([-3.0, -0.5, 2.0]))
    tensor([-1.2000, -0.5000,  1.1000])
    """

    def __init__(self, slope: float = 0.1) -> None:
        super().__init__()
        if not 0 <= slope <= 1:
            raise ValueError(f"slope must be in [0, 1], got {slope}")
        self.slope = float(slope)

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same shape."""
        return torch.lerp(x.clamp(-1, 1), x, self.slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"slope={self.slope}"


def _along_channels(parameter: Tensor, x: Tensor) -> Tensor:
    # In the dtype of x, so that autocast's activations keep their half precision.
    return parameter.to(x.dtype).reshape(-1, *[1] * (x.ndim - 2))


def _check(x: Tensor, channels: int) -> None:
    check_input(x, max(x.ndim, 2), 1, channels, f"(n, {channels}, ...)")


def _at_least_one(channels: int) -> int:
    if channels < 1:
        raise ValueError(f"channels must be at least 1, got {channels}")
    return channels
