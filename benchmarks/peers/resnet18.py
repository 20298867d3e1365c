"""ResNet-18 in float32: the network that a Bi-Real-18 stands in for."""

from __future__ import annotations

from torch import Tensor, nn


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(_conv(before, after, 3, stride), nn.ReLU())
        self.second = _conv(after, after, 3, 1)
        self.shortcut = nn.Identity() if stride == 1 else _conv(before, after, 1, stride)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.second(self.first(x)) + self.shortcut(x))


def _conv(before: int, after: int, kernel: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after))


def resnet18(classes: int = 1000) -> nn.Module:
    """Eight blocks of two 3x3 convolutions behind a 7x7 stem.

    Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, table 1, with
    projections where the shape changes (option B).
    """
    layers: list[nn.Module] = [_conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    before = 64
    for stage, after in enumerate((64, 128, 256, 512)):
        for index in range(2):
            layers.append(_Block(before, after, 2 if stage and not index else 1))
            before = after
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes)]
    return nn.Sequential(*layers)
