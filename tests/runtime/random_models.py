"""Torch networks of binary layers drawn at random, with numbers as after training or worse."""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor, nn

from bitgrove.nn import (
    BinaryConv1d,
    BinaryConv2d,
    BinaryConv3d,
    BinaryLinear,
    RPReLU,
    RSign,
)

_BINARY = {1: BinaryConv1d, 2: BinaryConv2d, 3: BinaryConv3d}
_REAL = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_MAX = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_AVG = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_GLOBAL = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
_SIDES = {1: (29,), 2: (11, 10), 3: (5, 6, 7)}
WIDTHS = (1, 3, 8, 31, 32, 33, 64, 65, 128, 130)


class Block(nn.Module):
    """Norm, shifted sign, binary convolution, norm, activation; with the input added or not."""

    def __init__(self, random: Random, axes: int, channels: int) -> None:
        super().__init__()
        same = random.random() < 0.6
        self.out = channels if same else random.choice(WIDTHS)
        common = [g for g in (1, 1, 2, 3, channels) if not channels % g | self.out % g]
        shifted = random.random() < 0.3
        kernel = random.choice([1, 3]) if same else random.choice([1, 2, 3])
        inputs = "identity" if shifted else random.choice(["clipped", "approx", None])
        self.before = _norm(random, axes, channels)
        self.sign = RSign(channels) if shifted else nn.Identity()
        self.conv = _BINARY[axes](
            channels,
            self.out,
            kernel,
            stride=1 if same else random.choice([1, 2]),
            padding=kernel // 2 if same else random.choice([0, 1]),
            pad_value=random.choice([-1, 0, 1]),
            groups=random.choice(common),
            input_estimator=inputs,
            scale=random.choice([None, None, "channel", "learned"]),
            input_scale=inputs is not None and not shifted and random.random() < 0.2,
        )
        self.after = _norm(random, axes, self.out)
        self.activation = random.choice(
            [nn.Identity(), nn.PReLU(self.out), nn.ReLU(), nn.Hardtanh(), RPReLU(self.out)]
        )
        self.pool = nn.Identity()
        self.added = random.choice(["first", "last", ""]) if same else ""
        if not same and random.random() < 0.5:
            self.pool = random.choice([_MAX, _AVG])[axes](2, 1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.after(self.conv(self.sign(self.before(x))))
        if self.added == "first":
            y = x + y
        y = self.pool(self.activation(y))
        return y + x if self.added == "last" else y


def _norm(random: Random, axes: int, channels: int) -> nn.Module:
    if random.random() < 0.4:
        return nn.Identity()
    norm = _NORM[axes](channels)
    with torch.no_grad():
        norm.weight.normal_()
        norm.weight[:: random.randint(2, 5)] = 0
        norm.weight[1 :: random.randint(3, 7)] *= 1e-6
        norm.bias.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.01, 3)
    return norm


def random_model(random: Random) -> tuple[nn.Module, Tensor]:
    """A network in eval mode, and three inputs for it."""
    torch.manual_seed(random.randrange(1 << 30))
    axes = random.choice([2, 2, 1, 3])
    images = torch.randn(3, random.choice([1, 3]), *_SIDES[axes])
    channels = random.choice(WIDTHS)
    layers: list[nn.Module] = [_REAL[axes](images.shape[1], channels, 3, padding=1)]
    if random.random() < 0.5:
        layers += [_MAX[axes](3, 1, 1), nn.ReLU()][: random.randint(1, 2)]
    for _ in range(random.randint(1, 3)):
        block = Block(random, axes, channels)
        channels = block.out
        layers.append(block)
    if random.random() < 0.7:
        layers.append(_GLOBAL[axes](1))
        layers.append(nn.Flatten())
        layers.append(random.choice([nn.Linear, BinaryLinear])(channels, 5))
    model = nn.Sequential(*layers)
    for module in model.modules():
        if isinstance(module, RSign | RPReLU | nn.PReLU):
            for parameter in module.parameters():
                nn.init.normal_(parameter, std=0.3)
    return model.eval(), images
