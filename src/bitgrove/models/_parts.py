"""What the networks are built of: layers that are binary or, in a twin, real."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal, get_args

from torch import nn

from ..nn import BinaryConv2d, BinaryLinear, Estimator, LeakyClip

Activation = Literal["relu", "leaky_clip", "clip"]
Real = bool | Activation
"""``False`` for the binary network, or what its real twin has in place of the signs of the
activations; ``True`` is ``"relu"``."""

Size = int | tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Bits:
    """How the binary layers of one network are made, or the real ones of its twin.

    A twin's layers have the same parameters under the same names, so that its state dict fits.
    """

    real: Real = False
    pad_value: float = 0.0
    input_estimator: str | Estimator | None = "clipped"
    weight_estimator: str | Estimator | None = "clipped"
    scale: Literal["channel"] | None = None
    input_scale: bool = False

    def __post_init__(self) -> None:
        self.activation()  # refuses an unknown twin

    def convolution(
        self, before: int, after: int, kernel: Size, *, stride: int = 1, padding: int = 0
    ) -> nn.Conv2d | BinaryConv2d:
        """A binary convolution, or the twin's real one; both without bias."""
        if self.real is not False:
            return real_convolution(before, after, kernel, stride=stride, padding=padding)
        return BinaryConv2d(
            before,
            after,
            kernel,
            stride=stride,
            padding=padding,
            pad_value=self.pad_value,
            input_estimator=self.input_estimator,
            weight_estimator=self.weight_estimator,
            scale=self.scale,
            input_scale=self.input_scale,
        )

    def linear(self, before: int, after: int) -> nn.Linear | BinaryLinear:
        """A binary linear layer, or the twin's real one; both without bias."""
        if self.real is not False:
            layer = nn.Linear(before, after, bias=False)
            nn.init.xavier_normal_(layer.weight)
            return layer
        return BinaryLinear(
            before,
            after,
            input_estimator=self.input_estimator,
            weight_estimator=self.weight_estimator,
            scale=self.scale,
        )

    def activation(self) -> nn.Module | None:
        """What a twin has before a layer; ``None`` for binary layers, which have the sign."""
        if self.real is False:
            return None
        if self.real is True or self.real == "relu":
            return nn.ReLU()
        if self.real == "clip":
            return nn.Hardtanh()
        if self.real == "leaky_clip":
            return LeakyClip()
        names = ", ".join(map(repr, get_args(Activation)))
        raise ValueError(f"real must be False, True or one of {names}, got {self.real!r}")

    def relu(self) -> nn.Module:
        """The activation of layers that are real anyway: ReLU, but in a twin with another one."""
        return self.activation() or nn.ReLU()


def real_convolution(
    before: int, after: int, kernel: Size, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> nn.Conv2d:
    """A real convolution without bias, drawn as the binary ones are (Glorot, normal)."""
    layer = nn.Conv2d(before, after, kernel, stride, padding, groups=groups, bias=False)
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


def pair(name: str, value: Size) -> tuple[int, int]:
    """One number of at least 1, or two, as two.

    Raises:
        ValueError: it is something else.
    """
    both = (value, value) if isinstance(value, int) else tuple(value)
    if len(both) != 2 or not all(isinstance(item, int) and item >= 1 for item in both):
        raise ValueError(f"{name} must be an integer of at least 1 or two, got {value!r}")
    return both[0], both[1]
