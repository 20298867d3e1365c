"""torch: single convolutions, and whole networks compiled."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from _alternate import Runs, timed
from torch import nn


def convolution(channels: int, side: int, dtype: torch.dtype) -> Runs:
    """A 3x3 convolution of one picture, channels last, without bias."""
    torch.manual_seed(0)
    x, weight = (
        torch.randn(*shape).to(dtype).to(memory_format=torch.channels_last)
        for shape in ((1, channels, side, side), (channels, channels, 3, 3))
    )
    return timed(_inferring(lambda: F.conv2d(x, weight, padding=1)))


def frozen_convolution(channels: int, side: int) -> Runs:
    """The same in float32, compiled, with the weight laid out for the kernel once and for all."""
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    x = torch.randn(1, channels, side, side).to(memory_format=torch.channels_last)
    return compiled(conv, x)


def compiled(model: nn.Module, x: torch.Tensor) -> Runs:
    """``torch.compile`` with frozen weights, channels last: its fastest setting here.

    Only the network compiled last can be run.
    """
    import torch._inductor.config as inductor

    torch._dynamo.reset()
    inductor.freezing = True
    fast = torch.compile(
        model.eval().to(memory_format=torch.channels_last),  # pyright: ignore[reportCallIssue]
        dynamic=False,
    )
    x = x.to(memory_format=torch.channels_last)
    return timed(_inferring(lambda: fast(x)))


def _inferring(call: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        with torch.inference_mode():
            call()

    return run
