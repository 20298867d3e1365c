"""Mini-batch training of a small head on features, and the head as plain arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ._divide_and_encode import DivideAndEncode
from ._subic_loss import BlockHead

Rows = npt.NDArray[np.float64]
Optimizer = Literal["adam", "sgd"]


class Schedule(NamedTuple):
    """How long and how fast."""

    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    optimizer: Optimizer


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Random numbers of torch from a seed, and one thread, so that sums are taken in one order."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def train_head(
    head: nn.Module,
    loss: nn.Module,
    features: Tensor,
    targets: Callable[[Tensor], Tensor],
    schedule: Schedule,
) -> list[float]:
    """Move the parameters of ``head`` and ``loss`` in place; returns the mean loss of each epoch.

    The rate falls linearly to 0. An epoch is every row once, in batches of one size up to one row,
    at least ``batch_size`` where there are so many.

    Args:
        head: features to outputs.
        loss: outputs and targets to a number.
        features: ``float32[n, d]``.
        targets: of the rows of these numbers.
        schedule: the settings.

    Raises:
        ValueError: the loss is not finite.
    """
    parameters = [*head.parameters(), *loss.parameters()]
    if schedule.optimizer == "adam":
        optimizer = torch.optim.AdamW(parameters, schedule.lr, weight_decay=schedule.weight_decay)
    else:
        optimizer = torch.optim.SGD(
            parameters, schedule.lr, momentum=0.9, weight_decay=schedule.weight_decay
        )
    n = len(features)
    batches = max(n // schedule.batch_size, 1)
    bounds = np.linspace(0, n, batches + 1).round().astype(int)
    curve = []
    for module in (head, loss):
        module.train()
    for epoch in range(schedule.epochs):
        order, total = torch.randperm(n), 0.0
        for batch, (start, end) in enumerate(itertools.pairwise(bounds)):
            done = (epoch * batches + batch) / (schedule.epochs * batches)
            for group in optimizer.param_groups:
                group["lr"] = schedule.lr * (1 - done)
            rows = order[start:end]
            value = loss(head(features[rows]), targets(rows))
            if not math.isfinite(value.item()):
                raise ValueError(
                    f"the loss is {value.item()} in epoch {epoch + 1}: training diverged. Lower lr "
                    f"(now {schedule.lr:g})"
                )
            optimizer.zero_grad()
            if value.requires_grad:  # a batch without a pair or triplet moves nothing
                value.backward()
                optimizer.step()
            total += value.item() * len(rows)
        curve.append(total / n)
    for module in (head, loss):
        module.eval()
    return curve


class Layer(NamedTuple):
    """``x -> x @ weight + bias``; between layers, ReLU."""

    weight: Rows
    """``(inputs, outputs)``."""
    bias: Rows
    """``(outputs,)``."""


def layers_of(head: Sequence[nn.Module]) -> list[Layer]:
    """A head of linear layers, ReLU between them and perhaps a batch norm at the end, as arrays."""
    layers: list[Layer] = []
    for module in head:
        if isinstance(module, DivideAndEncode):
            module = module.linear()
        elif isinstance(module, BlockHead):
            module = module.linear
        if isinstance(module, nn.Linear):
            bias = np.zeros(module.out_features) if module.bias is None else _array(module.bias)
            layers.append(Layer(_array(module.weight).T, bias))
        elif isinstance(module, nn.BatchNorm1d):
            mean, variance = module.running_mean, module.running_var
            assert mean is not None
            assert variance is not None
            scale = 1 / np.sqrt(_array(variance) + module.eps)
            weight, bias = layers.pop()
            layers.append(Layer(weight * scale, (bias - _array(mean)) * scale))
    return layers


def project(features: Rows, layers: Sequence[Layer]) -> Rows:
    """The outputs of a head for rows, in float64."""
    for layer in layers[:-1]:
        features = np.maximum(features @ layer.weight + layer.bias, 0)
    return features @ layers[-1].weight + layers[-1].bias


def _array(tensor: Tensor) -> Rows:
    return tensor.detach().double().numpy()
