"""Take the common part off the latent weights of a filter."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def centre_latents_(model: nn.Module) -> None:
    """Subtract from every latent binary weight of ``model`` its mean over the input channels.

    The mean is taken for each output channel and each position of the kernel, so that every column
    of inputs has about as many positive signs as negative ones. Call it before the forward pass,
    that is once at the start and after each step, and then :func:`bitgrove.nn.clip_latents_`: alpha
    is defined on what both leave. Real weights are left alone, and so are binary ones with a single
    input channel (as in a depthwise convolution), of which nothing would be left.

    Source: Rastegari et al., XNOR-Net, ECCV 2016, in its published training code.

    Args:
        model: any module; all its sub-modules are visited.

    Raises:
        ValueError: a binary parameter has fewer than two axes, (out, in, ...).

    >>> from bitgrove.nn import BinaryLinear
    >>> layer = BinaryLinear(2, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[0.5, 1.5]]))
    >>> centre_latents_(layer); layer.weight.data
    tensor([[-0.5000,  0.5000]])
    """
    for path, module in model.named_modules():
        for name in getattr(module, "binary_parameter_names", ()):
            weight = getattr(module, name)
            if weight.ndim < 2:
                raise ValueError(
                    f"centring needs weights of shape (out, in, ...), and {path}.{name} has shape "
                    f"{tuple(weight.shape)}"
                )
            if weight.shape[1] > 1:
                weight.sub_(weight.mean(1, keepdim=True))
