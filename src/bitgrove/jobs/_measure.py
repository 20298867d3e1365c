"""The figures of a report."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..data import ImageData
from ..report import Accuracy, Latency, Near, Query, Size
from ..runtime import Artifact, Prediction, Session


def accuracy(model: str, images: str, answers: Sequence[str], truths: Sequence[str]) -> Accuracy:
    """How many answers are the truth."""
    correct = sum(a == t for a, t in zip(answers, truths, strict=True))
    return Accuracy(model=model, images=images, correct=correct, total=len(truths))


def confusion(
    answers: Sequence[str], truths: Sequence[str], classes: Sequence[str]
) -> npt.NDArray[np.int64]:
    """Counts ``[truth, answer]``.

    >>> confusion(["a", "b", "b"], ["a", "a", "b"], ["a", "b"])
    array([[1, 1],
           [0, 1]])
    """
    number = {name: i for i, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), np.int64)
    for answer, truth in zip(answers, truths, strict=True):
        counts[number[truth], number[answer]] += 1
    return counts


def truths(data: ImageData) -> list[str]:
    """The class name of every image."""
    return [data.classes[label] for label in data.labels]


def classify(session: Session, data: ImageData, *, k: int = 5) -> list[Prediction]:
    """Predictions for all images, in blocks that bound the memory."""
    found: list[Prediction] = []
    for start in range(0, len(data), 1024):
        block = data.images[start : start + 1024]
        found += session.classify(session.preprocessing.normalise(block), k=k)
    return found


def embed(session: Session, data: ImageData) -> npt.NDArray[np.float32]:
    """Embeddings of all images."""
    blocks = [
        session.embed(session.preprocessing.normalise(data.images[start : start + 1024]))
        for start in range(0, len(data), 1024)
    ]
    return np.concatenate(blocks)


def latency(packed: Artifact, twin: nn.Module, *, runs: int = 100) -> Latency:
    """One image through the packed model and its float32 twin, in turn, one thread each."""
    x = np.zeros((1, *packed.graph.input), np.float32)
    # Channels last is the faster layout for torch on a CPU.
    tensor = torch.from_numpy(x).to(memory_format=torch.channels_last)
    twin = copy.deepcopy(twin)
    twin.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    session = Session(packed)
    twin.eval()
    times = np.empty((runs, 2))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for run in range(-10, runs):  # ten to warm up
                start = time.perf_counter()
                session.run(x)
                middle = time.perf_counter()
                twin(tensor)
                times[max(run, 0)] = middle - start, time.perf_counter() - middle
    finally:
        torch.set_num_threads(before)
    quartiles = np.percentile(times * 1000, [25, 50, 75], axis=0)
    mine, theirs = quartiles.T.tolist()
    return Latency(packed=tuple(mine), torch=tuple(theirs), runs=runs, threads=1)


def size(path: Path, artifact: Artifact, twin: nn.Module) -> Size:
    """Bytes of the file by part, against the twin's state dict in float32."""
    total = path.stat().st_size
    examples = 0
    if artifact.examples:
        examples = sum(array.nbytes for array in artifact.examples.arrays().values())
    state = sum(
        tensor.numel() * 4 for tensor in twin.state_dict().values() if tensor.is_floating_point()
    )
    return Size(network=total - examples, examples=examples, total=total, float32=state)


def pick_queries(
    data: ImageData,
    predictions: Sequence[Prediction],
    known: Mapping[str, npt.NDArray[np.uint8]],
    *,
    count: int = 10,
    seed: int = 0,
) -> tuple[Query, ...]:
    """Test images to show: one of each class as far as they go, up to a third of them wrong.

    ``known`` gives the pixels of remembered examples by name.
    """
    truth = truths(data)
    order = np.random.default_rng(seed).permutation(len(data)).tolist()
    wrong = [i for i in order if predictions[i].label != truth[i]][: count // 3]
    chosen: list[int] = []
    seen: dict[str, int] = {}
    # Classes in turn: an image comes the earlier, the fewer of its class came before it.
    for i in order:
        if i not in wrong:
            seen[truth[i]] = seen.get(truth[i], 0) + 1
            chosen.append((seen[truth[i]] << 32) + i)
    rows = [key & 0xFFFFFFFF for key in sorted(chosen)[: count - len(wrong)]] + wrong
    rows.sort(key=lambda i: (truth[i], i))
    return tuple(_query(data, i, truth[i], predictions[i], known) for i in rows)


def _query(
    data: ImageData,
    row: int,
    truth: str,
    prediction: Prediction,
    known: Mapping[str, npt.NDArray[np.uint8]],
) -> Query:
    return Query(
        pixels=data.images[row],
        name=data.names[row],
        truth=truth,
        answer=prediction.label,
        confidence=prediction.confidence,
        near=tuple(
            Near(
                pixels=known.get(near.name),
                name=near.name,
                label=near.label,
                distance=near.distance,
            )
            for near in prediction.neighbours
        ),
    )
