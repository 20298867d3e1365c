"""Training of the backbone to tell the things of Tiny ImageNet apart."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...data import ImageData
from ..residual_forest._network import CHANNELS, Backbone

BATCH = 64
_RATE = 3e-3
_SHARES = (0.2, 0.3, 1.0)
"""Of the losses of the three maps, the finest first."""
_SHIFT = 4


def train_elsewhere(
    train: ImageData, validation: ImageData, seed: int, epochs: int, say: Callable[[str], None]
) -> tuple[Backbone, dict[str, Any]]:
    """Train the backbone with a classifier on the mean of each map; those are thrown away.

    AdamW with a rate that rises and falls; pictures mirrored and shifted by up to 4 pixels.
    """
    started, cpu = time.perf_counter(), time.process_time()
    normalise = train.preprocessing().normalise
    pixels, labels = torch.from_numpy(train.images), torch.from_numpy(train.labels)

    def standard(rows: Tensor) -> Tensor:
        return torch.from_numpy(normalise(pixels[rows].numpy()))

    accuracy = 0.0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone = Backbone()
        heads = nn.ModuleList(nn.Linear(channels, len(train.classes)) for channels in CHANNELS)
        parameters = [*backbone.parameters(), *heads.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=_RATE, weight_decay=1e-2)
        steps = epochs * math.ceil(len(train) / BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, steps, pct_start=0.2)
        for epoch in range(epochs):
            total = 0.0
            backbone.train()
            for rows in torch.randperm(len(train)).split(BATCH):
                logits = _logits(backbone, heads, _varied(standard(rows)))
                loss = sum(
                    (
                        share * F.cross_entropy(own, labels[rows], label_smoothing=0.1)
                        for share, own in zip(_SHARES, logits, strict=True)
                    ),
                    torch.zeros(()),
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item() * len(rows)
            accuracy = _accuracy(backbone.eval(), heads, validation, normalise)
            say(
                f"backbone, epoch {epoch + 1} of {epochs}: loss {total / len(train):.3f}, "
                f"{accuracy:.1%} of the validation images"
            )
    about = {
        "epochs": epochs,
        "seed": seed,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "accuracy": accuracy,
    }
    return backbone.eval(), about


def _logits(backbone: nn.Module, heads: nn.ModuleList, x: Tensor) -> list[Tensor]:
    means = [F.relu(maps).mean((2, 3)) for maps in backbone(x)]
    return [head(mean) for head, mean in zip(heads, means, strict=True)]


@torch.no_grad()
def _accuracy(
    backbone: nn.Module, heads: nn.ModuleList, data: ImageData, normalise: Callable[..., Any]
) -> float:
    right = 0
    for rows in torch.arange(len(data)).split(500):
        x = torch.from_numpy(normalise(data.images[rows.numpy()]))
        found = _logits(backbone, heads, x)[-1].argmax(1).numpy()
        right += int((found == data.labels[rows.numpy()]).sum())
    return right / len(data)


def _varied(x: Tensor) -> Tensor:
    """A batch mirrored or not, and shifted."""
    if torch.rand(()) < 0.5:
        x = x.flip(3)
    top, left = (int(v) for v in torch.randint(2 * _SHIFT + 1, (2,)))
    wide = F.pad(x, (_SHIFT,) * 4, mode="reflect")
    return wide[:, :, top : top + x.shape[2], left : left + x.shape[3]]
