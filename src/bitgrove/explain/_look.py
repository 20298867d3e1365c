"""Running a model that holds a forest, and looking at what the forest sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..nn import HardForest, NeuralDecisionForest


def find_forest(model: nn.Module, name: str | None = None) -> NeuralDecisionForest:
    """The soft forest of a model.

    Raises:
        TypeError: ``model`` is no torch module.
        ValueError: there is none, or there are several and none is named.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"the model must be a torch module with a NeuralDecisionForest, got "
            f"{type(model).__name__}"
        )
    found = {n: m for n, m in model.named_modules() if isinstance(m, NeuralDecisionForest)}
    if not found:
        hard = any(isinstance(module, HardForest) for module in model.modules())
        raise ValueError(
            "the model holds no NeuralDecisionForest"
            + ("; give the soft model that was hardened, which has gradients" if hard else "")
        )
    if name is None and len(found) > 1:
        raise ValueError(f"the model holds several forests; name one: {', '.join(found)}")
    if name is not None and name not in found:
        raise ValueError(f"no forest is called {name!r}; there are: {', '.join(found)}")
    return next(iter(found.values())) if name is None else found[name]


def check_tree(forest: NeuralDecisionForest, tree: int) -> None:
    """Refuse a tree that the forest has not."""
    if type(tree) is not int or not 0 <= tree < forest.trees:
        raise ValueError(f"tree must be 0 to {forest.trees - 1}, got {tree!r}")


Pixels = Tensor | npt.NDArray[np.floating[Any]]


def as_batch(image: Pixels, model: nn.Module) -> Tensor:
    """One image as a batch of the model's type and device.

    Raises:
        TypeError: it is no array of floating-point numbers.
        ValueError: it is not one image, or holds NaN.
    """
    x = _numbers(image)
    if x.ndim == 4 and len(x) == 1:
        x = x[0]
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"image must be one of shape (c, h, w), got {tuple(x.shape)}")
    return as_images(x[None], model)


def as_images(images: Pixels, model: nn.Module) -> Tensor:
    """One or more images in the model's type and on its device.

    Raises:
        TypeError: they are no array of floating-point numbers.
        ValueError: there is none, or they have another shape or hold NaN.
    """
    x = _numbers(images)
    if x.ndim != 4 or 0 in x.shape:
        raise ValueError(f"images must have shape (n, c, h, w), one or more, got {tuple(x.shape)}")
    if not torch.isfinite(x).all():
        raise ValueError("there are NaN or infinite numbers among the pixels")
    return x.to(next(model.parameters()))


def _numbers(pixels: Pixels) -> Tensor:
    if isinstance(pixels, np.ndarray):
        pixels = torch.from_numpy(np.ascontiguousarray(pixels))
    if not isinstance(pixels, Tensor):
        raise TypeError(f"pixels must be an array or a tensor, got {type(pixels).__name__}")
    if not pixels.is_floating_point():
        raise TypeError(
            f"pixels must be floating-point, as the model takes them, got {pixels.dtype}; use "
            "Preprocessing.normalise"
        )
    return pixels


@contextmanager
def watched(model: nn.Module, forest: NeuralDecisionForest) -> Iterator[list[Tensor]]:
    """A list of what reaches the forest, while the model is in evaluation mode and soft."""
    seen: list[Tensor] = []
    modes = [(module, module.training) for module in model.modules()]
    hard = forest.hard
    handle = forest.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        model.eval()
        forest.hard = False
        yield seen
    finally:
        handle.remove()
        forest.hard = hard
        for module, mode in modes:
            module.training = mode
