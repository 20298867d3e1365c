"""A matrix product of signs."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ._layer import BinaryLayer, check_input
from ._scale import SIZED, Scale
from ._sign import Estimator


class BinaryLinear(BinaryLayer):
    """The product of the sign of its input with the sign of its weight, without bias.

    The result is an exact integer in float32, which the scale multiplies afterwards. Sources, half
    precision and NaN are as in :class:`bitgrove.nn.BinaryConv2d`.

    Args:
        in_features: length of the input's last axis.
        out_features: length of the output's last axis.
        input_estimator: gradient of the input's sign: a name from :data:`bitgrove.nn.ESTIMATORS`
            but ``"magnitude_aware"``, an :class:`bitgrove.nn.Estimator`, or ``None`` to leave the
            input real (a binary-weight network).
        weight_estimator: the same for the weight; ``None`` leaves the weight real.
        scale: ``None``; ``"channel"``, alpha, the mean of ``|W|`` per output, differentiated too;
            or ``"learned"``, a parameter per output, first 1.

    Raises:
        ValueError: an argument is out of its range, or two arguments contradict each other.

    >>> import torch
    >>> layer = BinaryLinear(3, 2)
    >>> _ = layer.weight.data.copy_(torch.tensor([[0.1, 0.2, 0.3], [-1.0, 0.0, 1.0]]))
    >>> layer(torch.tensor([[0.5, -0.5, 0.0]])).detach()
    tensor([[ 1., -1.]])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        input_estimator: str | Estimator | None = "clipped",
        weight_estimator: str | Estimator | None = "clipped",
        scale: Scale | None = None,
    ) -> None:
        for name, value in (("in_features", in_features), ("out_features", out_features)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if scale in SIZED:
            raise ValueError(f"scale {scale!r} needs rows and columns; use 'learned'")
        super().__init__((out_features, in_features), input_estimator, weight_estimator, scale)
        self.in_features, self.out_features = in_features, out_features
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., in_features)`` to ``(..., out_features)``."""
        check_input(x, None, -1, self.in_features, f"(..., {self.in_features})")
        y = F.linear(self._signed_input(x), self._signed_weight())
        scale = self._scales()
        return y if scale is None else y * scale.to(y.dtype)

    def extra_repr(self) -> str:
        """The arguments, in their order."""
        text = (
            f"{self.in_features}, {self.out_features}, input_estimator={self.input_estimator}, "
            f"weight_estimator={self.weight_estimator}"
        )
        return text if self.scale is None else f"{text}, scale={self.scale!r}"
