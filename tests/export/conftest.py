import numpy as np
import pytest
import torch
from torch import nn


def randomise(model: nn.Module, seed: int) -> nn.Module:
    """Batch norms as after training: gamma of both signs and zero, statistics of their own."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            with torch.no_grad():
                if module.affine:
                    module.weight.normal_(generator=generator)
                    module.weight[:: max(len(module.weight) // 3, 1)] = 0
                    module.bias.normal_(generator=generator)
                module.running_mean.normal_(generator=generator)
                module.running_var.uniform_(0.1, 3, generator=generator)
    return model.eval()


def images(n: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, *shape)).astype(np.float32)


@pytest.fixture
def torch_seed():
    torch.manual_seed(0)
