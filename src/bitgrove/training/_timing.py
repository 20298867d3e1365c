"""How long a training step takes, before a run is planned."""

from __future__ import annotations

import copy
import time

import torch
from torch import nn

from ..data import ImageData
from ._batches import Batches
from ._config import TrainingConfig
from ._evaluate import using_threads
from ._method import Mover


def seconds_per_image(
    model: nn.Module,
    data: ImageData,
    config: TrainingConfig,
    *,
    teacher: nn.Module | None = None,
    threads: int | None = None,
    steps: int = 4,
) -> float:
    """Wall time of training by one image: the fastest of a few steps on a copy of ``model``.

    Measured where :func:`bitgrove.training.fit` trains by default: on a GPU if there is one.

    Validation, checkpoints and start-up are not in it.

    Args:
        model: maps ``float32[b, c, h, w]`` to logits; it stays as it is.
        data: at least one batch of training images.
        config: the settings, of which the number of epochs does not count.
        teacher: as for :func:`bitgrove.training.fit`.
        threads: of torch during the call; None leaves them as they are.
        steps: steps to time, after one that is not timed.

    >>> from bitgrove import data
    >>> digits = data.load("digits")
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> 0 < seconds_per_image(model, digits, TrainingConfig()) < 1
    True
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = copy.deepcopy(model).to(device).train()
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    teacher = copy.deepcopy(teacher).to(device) if teacher is not None else None
    few = data.select(range(min(config.batch_size, len(data))))
    batches = Batches(few, few.preprocessing(), batch_size=config.batch_size, device=device)
    images, labels = next(iter(batches))
    mover = Mover(config.method, model)
    half = config.precision == "bfloat16"
    fastest = float("inf")
    with using_threads(threads):
        for step in range(steps + 1):
            started = time.perf_counter()
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                logits = model(images).float()
                taught = None
                if teacher is not None:
                    with torch.no_grad():
                        taught = teacher(images).float()
                loss = config.method.loss(logits, labels, taught)
            for optimizer in mover.optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in mover.optimizers:
                optimizer.step()
            mover.settle()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if step:
                fastest = min(fastest, time.perf_counter() - started)
    return fastest / len(few)
