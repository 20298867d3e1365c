"""What the binary layers share: the latent weight, the two estimators, the scale of the result."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from ._estimators import MagnitudeAware, mean_magnitude, resolve
from ._scale import Scale, check_scale, scale_parameters, scale_product
from ._sign import Estimator, sign


class BinaryLayer(nn.Module):
    """Base of the layers whose products are of signs.

    The parameter ``weight`` is latent: real numbers that the optimiser moves and whose signs are
    used. ``binary_parameter_names`` says so; ``bitgrove.optim.split_parameters`` and
    :func:`bitgrove.nn.clip_latents_` go by it. It belongs to the module and not to the tensor,
    because attributes of a ``Parameter`` do not survive ``copy.deepcopy``.
    """

    weight: nn.Parameter
    scale: Scale | None
    scale_channel: nn.Parameter | None

    def __init__(
        self,
        shape: tuple[int, ...],
        input_estimator: str | Estimator | None,
        weight_estimator: str | Estimator | None,
        scale: Scale | None,
        output_size: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.input_estimator = input_estimator
        self.weight_estimator = weight_estimator
        self.scale = check_scale(scale)
        if scale == "channel" and self.weight_estimator is None:
            raise ValueError(
                "scale 'channel' is the magnitude that a sign loses, and weight_estimator=None "
                "keeps the real weight; use scale=None or 'learned'"
            )
        if scale == "channel" and isinstance(self.weight_estimator, MagnitudeAware):
            raise ValueError(
                "scale 'channel' and weight_estimator 'magnitude_aware' are the same factor with "
                "different gradients; use one of them"
            )
        self.weight = nn.Parameter(torch.empty(shape))
        self.scale_channel = None
        self._scale_names: tuple[str, ...] = ()
        for name, extent in scale_parameters(scale, shape[0], output_size).items():
            setattr(self, name, nn.Parameter(torch.ones(extent)))
            self._scale_names += (name,)

    def reset_parameters(self) -> None:
        """Draw the latent weight anew (Glorot, normal) and set learned scales to 1."""
        nn.init.xavier_normal_(self.weight)
        for name in self._scale_names:
            nn.init.ones_(getattr(self, name))

    @property
    def input_estimator(self) -> Estimator | None:
        """The estimator of the input's sign, or ``None`` for a real input; may be assigned."""
        return self._input_estimator

    @input_estimator.setter
    def input_estimator(self, value: str | Estimator | None) -> None:
        value = resolve(value, "input_estimator")
        if isinstance(value, MagnitudeAware):
            raise ValueError(
                "input_estimator 'magnitude_aware' is defined for weights only; "
                "use 'clipped' or 'approx'"
            )
        self._input_estimator = value

    @property
    def weight_estimator(self) -> Estimator | None:
        """The estimator of the weight's sign, or ``None`` for a real weight; may be assigned."""
        return self._weight_estimator

    @weight_estimator.setter
    def weight_estimator(self, value: str | Estimator | None) -> None:
        self._weight_estimator = resolve(value, "weight_estimator")

    @property
    def binary_parameter_names(self) -> tuple[str, ...]:
        """Names of this module's own parameters of which only the sign counts."""
        return () if self.weight_estimator is None else ("weight",)

    @torch.no_grad()
    def binary_weight(self) -> Tensor:
        """The weight as it is multiplied: +1 and -1, or real if ``weight_estimator`` is None.

        Returns:
            A detached tensor with the shape and dtype of ``weight``, without any scale.
        """
        return self.weight.clone() if self.weight_estimator is None else sign(self.weight)

    @torch.no_grad()
    def output_scale(self) -> Tensor | None:
        """What multiplies the integer result, the input scale apart; None if nothing does.

        Returns:
            A detached tensor of shape ``(out,)``, or ``(out, *output_size)`` for ``"map"``,
            ``"plane"`` and ``"spatial"``.
        """
        factors = self._scales()
        return None if factors is None else factors.clone()

    def _signed_input(self, x: Tensor) -> Tensor:
        estimator = self._input_estimator
        return x if estimator is None else estimator(x, training=self.training)

    def _signed_weight(self) -> Tensor:
        if self._weight_estimator is None:
            return self.weight
        # Not the estimator's own call, which for magnitude_aware multiplies by its magnitude: that
        # is among the scales, so that the product below is an exact integer.
        return Estimator.__call__(self._weight_estimator, self.weight, training=self.training)

    def _scales(self) -> Tensor | None:
        """:meth:`output_scale` with its gradient."""
        own = self._own_scale()
        if not isinstance(self._weight_estimator, MagnitudeAware):
            return own
        magnitude = self._weight_estimator.magnitude(self.weight)
        if own is None:
            return magnitude
        return own * magnitude.reshape(-1, *[1] * (own.ndim - 1))

    def _own_scale(self) -> Tensor | None:
        if self.scale == "channel":
            return mean_magnitude(self.weight)
        return scale_product({name: getattr(self, name) for name in self._scale_names})

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""


def check_input(x: Tensor, ndim: int | None, axis: int, size: int, expected: str) -> None:
    """Refuse an input that the layer is not made for.

    Raises:
        TypeError: ``x`` is not of a floating-point type.
        ValueError: ``x`` has another number of axes, or another size along ``axis``.
    """
    if not x.is_floating_point():
        raise TypeError(f"the input must be floating-point, got {x.dtype}; use x.float()")
    if (ndim is not None and x.ndim != ndim) or x.shape[axis] != size:
        raise ValueError(f"the input must have shape {expected}, got {tuple(x.shape)}")
