"""Logits of a network for many images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..data import ImageData
from ..runtime import Preprocessing
from ._batches import Batches


def evaluate(
    model: nn.Module,
    data: ImageData,
    preprocessing: Preprocessing,
    *,
    batch_size: int = 512,
    threads: int | None = None,
) -> npt.NDArray[np.float32]:
    """Logits of ``model`` for every image, in order, in evaluation mode and without gradients.

    Every module is in its former mode afterwards. The work is done where the model's parameters
    lie.

    Args:
        model: maps ``float32[b, c, h, w]`` to ``float32[b, k]``.
        data: at least one image.
        preprocessing: that of the training images.
        batch_size: images at a time, at least 1.
        threads: of torch during the call; None leaves them as they are.

    Returns:
        ``float32[n, k]``.

    Raises:
        ValueError: there is no image, or the preprocessing makes images of another shape.

    >>> from bitgrove import data
    >>> digits = data.load("digits", split="test")
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> evaluate(model, digits, digits.preprocessing()).shape
    (359, 10)
    """
    first = next(model.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    batches = Batches(data, preprocessing, batch_size=batch_size, device=device)
    with using_threads(threads), _in_evaluation_mode(model), torch.no_grad():
        logits = [model(images).float().cpu() for images, _ in batches]
    return torch.cat(logits).numpy()


@contextmanager
def using_threads(threads: int | None) -> Iterator[None]:
    """Let torch use another number of threads for a while."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    before = torch.get_num_threads()
    try:
        if threads is not None:
            torch.set_num_threads(threads)
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _in_evaluation_mode(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, mode in modes:
            module.training = mode
