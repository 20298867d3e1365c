"""Whether the forest's gradient to the maps improves the backbone: a short run."""

from __future__ import annotations

import copy
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...data import SegmentationData
from ...nn import MultiScaleForest
from ._backbone import labels_of, maps_of, pixels_of
from ._network import Backbone
from ._train import measure

STEPS = 60
BATCH = 2
SHARPNESS = 1.0
"""Lambda, as in the paper."""
_LEAF_RATE, _BACKBONE_RATE = 0.1, 1e-4


def compare_end_to_end(
    backbone: Backbone,
    forest: nn.Module,
    train: SegmentationData,
    validation: SegmentationData,
    seed: int,
) -> dict[str, Any]:
    """Go on with a trained forest for a few steps: its leaves alone, or with the backbone.

    The forests' logits are interpolated and summed before the loss, so the divergent gradient is
    taken to first order. Both see the same images in the same order; batch norms keep their
    statistics.

    Returns:
        By way (``leaves``, ``both``): loss on 64 of the training images and scores on the
        validation images, before and after, and processor seconds, as JSON values.
    """
    seen, known = pixels_of(train, train), pixels_of(validation, train)
    labels = labels_of(train)
    results: dict[str, Any] = {"steps": STEPS, "batch_size": BATCH, "sharpness": SHARPNESS}
    order = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(labels), generator=order)[: STEPS * BATCH]
    part = rows[:64]
    for way in ("leaves", "both"):
        body, head = copy.deepcopy(backbone).eval(), _copy(forest, way == "both")
        before = _state(body, head, seen[part], labels[part], train.void, known, validation)
        begun = time.process_time()
        _tune(body, head, seen, labels, rows, train.void, backbone_too=way == "both")
        spent = time.process_time() - begun
        after = _state(body, head, seen[part], labels[part], train.void, known, validation)
        results[way] = {"before": before, "after": after, "cpu_seconds": round(spent, 1)}
    return results


def _copy(forest: nn.Module, moves: bool) -> MultiScaleForest:
    twin: Any = copy.deepcopy(forest)
    for head in twin.heads:
        head.sharpness = SHARPNESS if moves else None
    return twin


def _tune(
    body: Backbone,
    head: MultiScaleForest,
    pixels: Tensor,
    labels: Tensor,
    rows: Tensor,
    void: int,
    *,
    backbone_too: bool,
) -> None:
    groups = [{"params": list(h.parameters()), "lr": _LEAF_RATE / h.trees} for h in head.heads]
    if backbone_too:
        groups.append({"params": list(body.parameters()), "lr": _BACKBONE_RATE})
    optimizer = torch.optim.Adam(groups)
    for some in rows.split(BATCH):
        with torch.set_grad_enabled(backbone_too):
            maps = body(pixels[some])
        loss = F.cross_entropy(head(maps), labels[some], ignore_index=void)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def _state(
    body: Backbone,
    head: MultiScaleForest,
    pixels: Tensor,
    labels: Tensor,
    void: int,
    known: Tensor,
    validation: SegmentationData,
) -> dict[str, float]:
    losses = [
        F.cross_entropy(head(body(x)), y, ignore_index=void).item()
        for x, y in zip(pixels.split(8), labels.split(8), strict=True)
    ]
    scores = measure(head, maps_of(body, known), validation)
    return {
        "train_loss": sum(losses) / len(losses),
        "mean_iou": scores.mean_iou,
        "pixel_accuracy": scores.pixel_accuracy,
    }
