"""Every network of ``bitgrove.models`` in a small size, with numbers as after training."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import bitgrove as bg
from bitgrove.nn import RPReLU, RSign

SMALL: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "binarynet": ({"width": 8, "image_size": 18}, (3, 18, 18)),
    "birealnet_small": ({"width": 8}, (1, 8, 8)),
    "birealnet18": ({"width": 8}, (3, 32, 32)),
    "birealnet34": ({"width": 4}, (3, 32, 32)),
    "birealnet50": ({"width": 8}, (3, 32, 32)),
    "birealnet152": ({"width": 4, "stem": "small"}, (3, 8, 8)),
    "birealnet50_depth": ({"width": 8, "blocks": (1, 2, 1, 1)}, (3, 64, 32)),
    "bwn_alexnet": ({"width": 6, "image_size": 67}, (3, 67, 67)),
    "bwn_resnet18": ({"width": 8, "stem": "small"}, (3, 16, 16)),
    "fernnet": ({"width": 8}, (3, 24, 20)),
    "nin": ({"width": 8}, (3, 16, 16)),
    "quicknet": ({"width": 8}, (3, 32, 32)),
    "quicknet_large": ({"width": 4}, (3, 32, 32)),
    "quicknet_small": ({"width": 8}, (3, 32, 32)),
    "reactnet_a": ({"width": 4}, (3, 32, 32)),
    "xnor_alexnet": ({"width": 6, "image_size": 67}, (3, 67, 67)),
    "xnor_resnet18": ({"width": 8}, (3, 32, 32)),
    "xnornet_cifar10": ({"width": 8, "image_size": 16}, (3, 16, 16)),
}


def make(name: str, seed: int = 0, **options: Any) -> tuple[nn.Module, torch.Tensor]:
    """A small network in eval mode, and four pictures."""
    own, shape = SMALL[name]
    torch.manual_seed(seed)
    if name != "birealnet50_depth" and options.get("num_classes") is None:
        options["num_classes"] = 5
    model = bg.models.create(name, **own, **options)
    x = torch.randn(4, *shape)
    settle(model, x)
    return model, x


@torch.no_grad()
def settle(model: nn.Module, x: torch.Tensor) -> None:
    """Give a network numbers as after training.

    Shifts, slopes, scales and batch norms are drawn (gamma of both signs, and some zeros); the
    running statistics are those of ``x``, so that every sign has two values.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        if isinstance(norm.weight, nn.Parameter):
            norm.weight.normal_()
            norm.weight[:: max(len(norm.weight) // 3, 2)] = 0
        if norm.bias is not None:
            norm.bias.normal_(0, 0.5)
    for module in model.modules():
        if isinstance(module, RSign | RPReLU | nn.PReLU):
            for parameter in module.parameters():
                parameter.normal_(0, 0.3)
        for name, parameter in module.named_parameters(recurse=False):
            if name.startswith("scale_"):
                parameter.uniform_(0.5, 1.5)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    model.train()
    model(x)
    model.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
