"""The forest with its backbone as one packed file, compared with torch on whole images."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ... import export, runtime
from ...data import SegmentationData
from ._network import Backbone

_ROUNDS = 5


class Segmenter(nn.Module):
    """From an image to the logits of all its pixels."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, 3, h, w]`` to ``[n, classes, h, w]``."""
        return F.interpolate(self.head(self.backbone(x)), size=x.shape[2:], mode="bilinear")


def pack_and_time(
    path: Path, backbone: Backbone, head: nn.Module, images: Tensor, train: SegmentationData
) -> dict[str, Any]:
    """Write the packed file; compare its answers with torch's, and the time of one image.

    Returns:
        Figures as JSON values: share of the pixels that get the same class, largest difference of
        a logit, median seconds of an image in torch and packed, taken in turns on one thread.
    """
    model = Segmenter(backbone, head).eval()
    artifact = export.pack(model, images[:1], preprocessing=train.preprocessing())
    artifact.save(path)
    session = runtime.load(path, threads=1)
    with torch.no_grad():
        expected = model(images).numpy()
    got = session.run(images.numpy()).reshape(expected.shape)
    same = float((got.argmax(1) == expected.argmax(1)).mean())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {"torch": [], "packed": []}
    try:
        for _ in range(_ROUNDS):
            begun = time.process_time()
            with torch.no_grad():
                model(images[:1])
            between = time.process_time()
            session.run(images[:1].numpy())
            seconds["torch"].append(between - begun)
            seconds["packed"].append(time.process_time() - between)
    finally:
        torch.set_num_threads(threads)
    return {
        "same_class": same,
        "largest_difference": float(np.abs(got - expected).max()),
        "bytes": path.stat().st_size,
        "cpu_seconds": {name: statistics.median(values) for name, values in seconds.items()},
    }
