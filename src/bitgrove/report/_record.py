"""What a run leaves behind: the figures a report shows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """One measured accuracy."""

    model: str
    """What classified, such as ``"binary, by neighbours"``."""
    images: str
    """What was classified, such as ``"test, digits 0-7"``."""
    correct: int
    total: int

    @property
    def value(self) -> float:
        """Fraction of correct answers, 0 to 1; NaN for no images."""
        return self.correct / self.total if self.total else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """A remembered example beside a query."""

    pixels: npt.NDArray[np.uint8] | None
    """``uint8[h, w, c]``, or None where the picture is no longer at hand."""
    name: str
    label: str
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A test image with the answer it got."""

    pixels: npt.NDArray[np.uint8]
    name: str
    truth: str
    answer: str
    confidence: float
    """0 to 1."""
    near: tuple[Near, ...]
    """Nearest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Bytes on disk, by part."""

    network: int
    """Weights and graph, packed."""
    examples: int
    """Embeddings, search graph, labels and names."""
    total: int
    """The whole file."""
    float32: int
    """The state dict of the same network with float32 weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds for one image, packed and in torch float32, measured in alternation."""

    packed: tuple[float, float, float]
    """Lower quartile, median, upper quartile."""
    torch: tuple[float, float, float]
    """The same of the float32 twin."""
    runs: int
    """Alternations."""
    threads: int

    @property
    def speedup(self) -> float:
        """Ratio of the medians: how many times faster the packed model is; NaN if it took 0 ms."""
        return self.torch[1] / self.packed[1] if self.packed[1] else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """Classes taught after training, from few examples and without retraining."""

    classes: tuple[str, ...]
    examples: int
    """Of each class."""
    before: tuple[Accuracy, ...]
    """On old and on new classes, in this order, before teaching; more may follow."""
    after: tuple[Accuracy, ...]
    """The same images, after teaching."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Everything that a report shows."""

    title: str
    data: str
    """One sentence on the data and the split."""
    command: str
    """What to type to repeat the run."""
    counts: dict[str, int]
    """Images in ``train``, ``validation`` and ``test``."""
    curve: tuple[dict[str, float], ...]
    """For each epoch: ``epoch``, ``train_loss``, ``train_accuracy``, ``validation_loss``,
    ``validation_accuracy``."""
    best_epoch: int
    """The epoch that validation chose."""
    accuracy: tuple[Accuracy, ...]
    """The first of the model named by ``confusion_of``, or else the very first, heads the page."""
    confusion_classes: tuple[str, ...]
    confusion: npt.NDArray[np.int64]
    """``[truth, answer]``, of test images."""
    confusion_of: str
    """What the confusion shows, such as ``"binary, by neighbours"``."""
    queries: tuple[Query, ...]
    size: Size
    latency: Latency
    verification: str
    """One sentence: how the packed model was proved equal to the torch model."""
    teaching: Teaching | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    """Files that could not be read, with the reason."""
    environment: dict[str, str] = field(default_factory=dict)
    """CPU, SIMD level, versions, seed, seconds: label to text, in order."""

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values, without pictures."""
        return {
            "title": self.title,
            "data": self.data,
            "command": self.command,
            "counts": self.counts,
            "best_epoch": self.best_epoch,
            "curve": list(self.curve),
            "accuracy": [_row(a) for a in self.accuracy],
            "confusion": {
                "of": self.confusion_of,
                "classes": list(self.confusion_classes),
                "counts": self.confusion.tolist(),
            },
            "size_bytes": {
                "network": self.size.network,
                "examples": self.size.examples,
                "total": self.size.total,
                "float32": self.size.float32,
            },
            "latency_ms": {
                "packed": list(self.latency.packed),
                "torch_float32": list(self.latency.torch),
                "speedup": self.latency.speedup,
                "runs": self.latency.runs,
                "threads": self.latency.threads,
            },
            "verification": self.verification,
            "teaching": self.teaching
            and {
                "classes": list(self.teaching.classes),
                "examples": self.teaching.examples,
                "before": [_row(a) for a in self.teaching.before],
                "after": [_row(a) for a in self.teaching.after],
            },
            "skipped": [list(item) for item in self.skipped],
            "environment": self.environment,
        }


def _row(accuracy: Accuracy) -> dict[str, Any]:
    return {
        "model": accuracy.model,
        "images": accuracy.images,
        "correct": accuracy.correct,
        "total": accuracy.total,
        "accuracy": accuracy.value if accuracy.total else None,
    }
