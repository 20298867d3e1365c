"""Real models that ``binarize_model`` turned into binary ones pack too."""

import pytest
import torch
from torch import nn

from bitgrove import export
from bitgrove.nn import binarize_model

from .networks import settle


class Basic(nn.Module):
    """A residual block as the usual libraries write it."""

    def __init__(self, before, after, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layers = nn.Sequential(Basic(8, 8), Basic(8, 16, 2))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(self.layers(x)), 1))


def separable(before, after, stride):
    return nn.Sequential(
        nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False),
        nn.BatchNorm2d(before),
        nn.ReLU6(inplace=True),
        nn.Conv2d(before, after, 1),
        nn.BatchNorm2d(after),
        nn.ReLU6(inplace=True),
    )


class Separable(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), separable(8, 16, 1), separable(16, 16, 2)
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 5))

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


@pytest.mark.parametrize(
    "options", [{}, {"shortcut": False, "pad_value": 0.0}, {"scale": "channel"}]
)
@pytest.mark.parametrize("kind", [Residual, Separable])
def test_a_binarised_model_packs_and_equals_its_torch_model(kind, options):
    torch.manual_seed(0)
    model, x = binarize_model(kind(), **options), torch.randn(4, 3, 32, 32)
    settle(model, x)
    found = export.verify(model, export.pack(model, x), x.numpy())
    assert found.integers > 1000
    assert found.equal(), found
