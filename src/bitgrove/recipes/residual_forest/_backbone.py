"""Training of the backbone, once for all heads, and its maps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...data import SegmentationData
from ...files import replacing
from ._network import Backbone, LinearHead

BATCH = 8
_RATE = 3e-3
_STEP = 4
"""Pixels of the image from one label to the next that the loss looks at."""

Maps = list[Tensor]


def pixels_of(data: SegmentationData, like: SegmentationData) -> Tensor:
    """The images standardised by the statistics of ``like``, ``float32[n, 3, h, w]``."""
    return torch.from_numpy(like.preprocessing().normalise(data.images))


def labels_of(data: SegmentationData) -> Tensor:
    """``int64[n, h / 4, w / 4]``: every fourth label of every fourth row."""
    return torch.from_numpy(data.labels[:, 2::_STEP, 2::_STEP].astype("int64"))


def train_backbone(
    train: SegmentationData, seed: int, epochs: int, say: Callable[[str], None]
) -> tuple[Backbone, dict[str, Any]]:
    """Train the backbone with a linear head, which is thrown away.

    Adam with a rate that rises and falls, mirrored and enlarged pictures; cross-entropy on every
    fourth pixel.
    """
    started, cpu = time.perf_counter(), time.process_time()
    pixels, labels = pixels_of(train, train), torch.from_numpy(train.labels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone, head = Backbone(), LinearHead(len(train.classes), relu=True)
        parameters = [*backbone.parameters(), *head.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=_RATE, weight_decay=1e-3)
        steps = epochs * math.ceil(len(pixels) / BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, steps, pct_start=0.2)
        for epoch in range(epochs):
            total = 0.0
            for rows in torch.randperm(len(pixels)).split(BATCH):
                x, y = _varied(pixels[rows], labels[rows])
                loss = F.cross_entropy(head(backbone(x)), y, ignore_index=train.void)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item() * len(rows)
            say(f"backbone, epoch {epoch + 1} of {epochs}: loss {total / len(pixels):.3f}")
    about = {
        "epochs": epochs,
        "seed": seed,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
    }
    return backbone.eval(), about


def save_backbone(path: Path, backbone: Backbone, about: dict[str, Any]) -> None:
    """Write the weights with how they were made."""
    with replacing(path) as file:
        torch.save({"weights": backbone.state_dict(), "about": about}, file)


def load_backbone(path: Path) -> tuple[Backbone, dict[str, Any]]:
    """The inverse of :func:`save_backbone`."""
    kept = torch.load(path, weights_only=True)
    backbone = Backbone()
    backbone.load_state_dict(kept["weights"])
    return backbone.eval(), kept["about"]


@torch.no_grad()
def maps_of(backbone: Backbone, pixels: Tensor) -> Maps:
    """The maps of all images, one tensor for each scale."""
    parts = [backbone(some) for some in pixels.split(BATCH)]
    return [torch.cat(scale) for scale in zip(*parts, strict=True)]


def _varied(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """A batch mirrored or not, and a part of it enlarged; labels of every fourth pixel."""
    y = labels[:, None].float()
    if torch.rand(()) < 0.5:
        x, y = x.flip(3), y.flip(3)
    h, w = x.shape[2:]
    share = float(torch.empty(()).uniform_(0.6, 1))
    ch, cw = int(share * h), int(share * w)
    top, left = int(torch.randint(h - ch + 1, ())), int(torch.randint(w - cw + 1, ()))
    x, y = (part[:, :, top : top + ch, left : left + cw] for part in (x, y))
    x = F.interpolate(x, size=(h, w), mode="bilinear")
    y = F.interpolate(y, size=(h, w), mode="nearest-exact")
    return x, y[:, 0, 2::_STEP, 2::_STEP].long()
