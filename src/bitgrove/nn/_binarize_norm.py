"""A batch norm after a linear layer."""

from __future__ import annotations

from torch import Tensor, nn


def norm_of_features(features: int) -> nn.BatchNorm1d:
    """A batch norm over the last axis of ``(n, features)`` or tokens ``(n, length, features)``.

    ``BatchNorm1d`` alone takes the second axis. It is one all the same, with hooks that move the
    axis there and back, so that after ``(n, features)`` it is packed as any other.
    """
    norm = nn.BatchNorm1d(features)
    norm.register_forward_pre_hook(_features_second)
    norm.register_forward_hook(_features_last)
    return norm


def _features_second(_: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    x = inputs[0]
    if x.ndim > 3:
        raise ValueError(
            "the batch norm that binarize_model adds after a linear layer takes (n, features) or "
            f"(n, length, features), got {tuple(x.shape)}; flatten the axes between before the "
            "layer, or leave it real with skip"
        )
    return x.movedim(-1, 1)


def _features_last(_: nn.Module, inputs: tuple[Tensor], y: Tensor) -> Tensor:
    return y.movedim(1, -1)
