"""What the networks are built of: layers that are binary or, in a twin, real."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, get_args

from torch import Tensor, nn

from ..nn import BinaryConv2d, BinaryLinear, Estimator

Activation = Literal["relu", "leaky_clip", "clip"]
Real = bool | Activation
"""``False`` for the binary network, or what its real twin has in place of the signs of the
activations; ``True`` is ``"relu"``."""


class LeakyClip(nn.Module):
    """``x`` in [-1, 1], and a tenth of the way beyond: ``clip(x) + slope (x - clip(x))``.

    Between the ReLU and the clip it leads a real network towards a binary one.

    Source: Liu et al., Bi-Real Net, ECCV 2018, on initialisation, with a slope of 0.1.

    Args:
        slope: outside [-1, 1].

    >>> import torch
    >>> LeakyClip()(torch.tensor([-2.0, 0.5, 3.0]))
    tensor([-1.1000,  0.5000,  1.2000])
    """

    def __init__(self, slope: float = 0.1) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Apply it elementwise, to any shape."""
        return self.slope * x + (1 - self.slope) * x.clamp(-1, 1)

    def extra_repr(self) -> str:
        """The argument."""
        return f"slope={self.slope}"


def activation(real: Real) -> nn.Module | None:
    """The activation of a twin; ``None`` for the binary network, whose layers have the sign."""
    if real is False:
        return None
    if real is True or real == "relu":
        return nn.ReLU()
    if real == "clip":
        return nn.Hardtanh()
    if real == "leaky_clip":
        return LeakyClip()
    names = ", ".join(map(repr, get_args(Activation)))
    raise ValueError(f"real must be False, True or one of {names}, got {real!r}")


def convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int],
    *,
    real: Real,
    stride: int = 1,
    padding: int = 0,
    pad_value: float = 0.0,
    groups: int = 1,
    input_estimator: str | Estimator | None = "clipped",
    weight_estimator: str | Estimator | None = "clipped",
    scale: Literal["channel", "learned"] | None = None,
    input_scale: bool = False,
) -> nn.Conv2d | BinaryConv2d:
    """A binary convolution, or the twin's real one without bias, whose state dict fits it."""
    if real is not False:
        return real_convolution(in_channels, out_channels, kernel_size, stride, padding, groups)
    return BinaryConv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=padding,
        pad_value=pad_value,
        groups=groups,
        input_estimator=input_estimator,
        weight_estimator=weight_estimator,
        scale=scale,
        input_scale=input_scale,
    )


def real_convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int],
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> nn.Conv2d:
    """A real convolution without bias, drawn as the binary ones are (Glorot, normal)."""
    layer = nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False
    )
    nn.init.xavier_normal_(layer.weight)
    return layer


def linear(
    in_features: int,
    out_features: int,
    *,
    real: Real,
    input_estimator: str | Estimator | None = "clipped",
    weight_estimator: str | Estimator | None = "clipped",
) -> nn.Linear | BinaryLinear:
    """A binary linear layer, or the twin's real one without bias, whose state dict fits it."""
    if real is False:
        return BinaryLinear(
            in_features,
            out_features,
            input_estimator=input_estimator,
            weight_estimator=weight_estimator,
        )
    layer = nn.Linear(in_features, out_features, bias=False)
    nn.init.xavier_normal_(layer.weight)
    return layer


def without_scale(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """The same batch norm with its gamma fixed at 1: a buffer that is not saved."""
    gamma = norm.weight.detach()
    del norm.weight
    norm.register_buffer("weight", gamma, persistent=False)
    return norm


def sequence(**modules: nn.Module | None) -> nn.Sequential:
    """Modules one after the other by name; those that are ``None`` are left out.

    The names make the keys of the state dict, so a twin that has one module more, without
    parameters, fits.
    """
    present = OrderedDict((name, module) for name, module in modules.items() if module is not None)
    return nn.Sequential(present)


def check_at_least_one(**values: int) -> None:
    """Refuse a size below 1.

    Raises:
        ValueError: a value is below 1; the message names it.
    """
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def pair(name: str, value: int | tuple[int, int]) -> tuple[int, int]:
    """One number of at least 1, or two, as two.

    Raises:
        ValueError: it is something else.
    """
    both = (value, value) if isinstance(value, int) else tuple(value)
    if len(both) != 2 or not all(isinstance(item, int) and item >= 1 for item in both):
        raise ValueError(f"{name} must be an integer of at least 1 or two, got {value!r}")
    return both[0], both[1]
