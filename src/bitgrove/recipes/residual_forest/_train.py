"""Training of one head on frozen maps, with its accuracy over the seconds it took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...data import SegmentationData
from ...metrics import SegmentationScores, confusion_matrix, segmentation_scores
from ._backbone import BATCH, labels_of
from ._heads import Arm, Inputs, groups_of, make_head

PARTS = 4
"""Measurements on the validation images in the first epoch; later there is one an epoch."""


def train_head(
    arm: Arm,
    seed: int,
    maps: Sequence[Tensor],
    train: SegmentationData,
    seen: Sequence[Tensor],
    validation: SegmentationData,
) -> tuple[nn.Module, dict[str, Any]]:
    """Train a head; measure along the way.

    The seed is that of the starting weights or trees and of the order of the images. Seconds are
    those of the processor in this process, with what a forest takes to route all pixels once, and
    without what measuring takes.

    Args:
        arm: which head.
        seed: of everything random.
        maps: of the training images.
        train: their labels.
        seen: maps of the validation images.
        validation: their labels.

    Returns:
        The head, and its curve as JSON values.
    """
    labels = labels_of(train)
    curve: list[dict[str, float]] = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = make_head(arm, len(train.classes), seed)
        spent, begun = 0.0, time.process_time()
        inputs = Inputs(arm, head, maps, seed)
        prepared = time.process_time() - begun
        spent += prepared
        optimizer = torch.optim.Adam(groups_of(arm, head))
        batches = -(-len(labels) // BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, arm.epochs * batches)
        for epoch in range(arm.epochs):
            total, head = 0.0, head.train()
            marks = (
                {batches * (part + 1) // PARTS for part in range(PARTS)} if not epoch else {batches}
            )
            for done, rows in enumerate(torch.randperm(len(labels)).split(BATCH), start=1):
                begun = time.process_time()
                loss = F.cross_entropy(inputs.logits(rows), labels[rows], ignore_index=train.void)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                spent += time.process_time() - begun
                total += loss.item()
                if done in marks:
                    scores = measure(head, seen, validation)
                    head.train()
                    curve.append(
                        {
                            "epoch": epoch + done / batches,
                            "cpu_seconds": round(spent, 3),
                            "loss": total / done,
                            "mean_iou": scores.mean_iou,
                            "pixel_accuracy": scores.pixel_accuracy,
                        }
                    )
    about = {"routing_cpu_seconds": round(prepared, 3), "cpu_seconds": round(spent, 3)}
    return head.eval(), about | {"curve": curve}


@torch.no_grad()
def predict(head: nn.Module, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """The class of every pixel of the image, ``int64[n, h, w]``."""
    head.eval()
    parts = [
        F.interpolate(head(some), size=size, mode="bilinear").argmax(1)
        for some in zip(*(x.split(BATCH) for x in maps), strict=True)
    ]
    return torch.cat(parts)


def measure(head: nn.Module, maps: Sequence[Tensor], data: SegmentationData) -> SegmentationScores:
    """Scores at full resolution, void left out."""
    h, w = data.labels.shape[1:]
    predicted = predict(head, maps, (h, w)).numpy()
    counts = confusion_matrix(data.labels, predicted, len(data.classes), void=data.void)
    return segmentation_scores(counts)
