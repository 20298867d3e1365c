"""What a step of binary training costs against the float step of the same shape, in torch.

Networks: Bi-Real-18 and its float twin (ReLU) on pictures of 224 and of 32 pixels, forward,
backward and Adam. Layers: a binary 3x3 convolution against ``torch.nn.Conv2d`` at ResNet-18's four
shapes, forward and backward. The two alternate in one process; a ratio is the median over the
pairs, with its quartiles, so that a slow moment of a shared machine strikes both; ``cpu_ratio`` is
the same of the processor time, which does not count the waiting. glibc hands freed memory back to
the system and takes it again page by page, now in the one step and now in the other:
``MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_MMAP_THRESHOLD_=1000000000`` keeps it. Memory is what the
step keeps for the backward pass, counted by torch's own hooks, and the peak of a process that
does nothing else.

    python benchmarks/training_step.py --out benchmarks/results/training-step.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from _environment import environment
from torch import nn

from bitgrove import models
from bitgrove.nn import BinaryConv2d

NETWORKS = {
    "224": (224, "large", 1000, 16, 0.0),
    "224, border of -1": (224, "large", 1000, 16, -1.0),
    "32": (32, "small", 10, 64, 0.0),
}
"""Side of the pictures, stem, classes, batch, border of the binary convolutions: 0 as published."""
LAYERS = ((64, 56), (128, 28), (256, 14), (512, 7))
"""Channels and side, for a batch of 16."""


def network(name: str, kind: str) -> Callable[[], None]:
    """One training step of a network; ``kind`` is binary or float."""
    side, stem, classes, batch, pad_value = NETWORKS[name]
    torch.manual_seed(0)
    model = models.create(
        "birealnet18",
        stem=stem,
        num_classes=classes,
        pad_value=pad_value,
        real="relu" if kind == "float" else False,
    ).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    adam = torch.optim.Adam(model.parameters())
    x = torch.randn(batch, 3, side, side).to(memory_format=torch.channels_last)
    y = torch.randint(0, classes, (batch,))

    def step() -> None:
        adam.zero_grad()
        F.cross_entropy(model(x), y).backward()
        adam.step()

    return step


def layer(channels: int, side: int, kind: str) -> Callable[[], None]:
    """Forward and backward of one convolution; its input needs a gradient too."""
    torch.manual_seed(0)
    make = {
        "binary": lambda: BinaryConv2d(
            channels, channels, 3, padding=1, pad_value=0, input_estimator="approx"
        ),
        "float": lambda: nn.Conv2d(channels, channels, 3, padding=1, bias=False),
    }
    conv = make[kind]().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue, reportArgumentType]
    x = torch.randn(16, channels, side, side).to(memory_format=torch.channels_last)
    x.requires_grad_()
    g = torch.randn_like(x)

    def step() -> None:
        conv.zero_grad()
        x.grad = None
        conv(x).backward(g)

    return step


def compare(binary: Callable[[], None], twin: Callable[[], None], pairs: int) -> dict[str, Any]:
    """Times of both in alternation, and their ratio."""
    times: dict[str, list[float]] = {"binary": [], "float": []}
    cpu: dict[str, list[float]] = {"binary": [], "float": []}
    for i in range(pairs + 1):
        for name, step in (("binary", binary), ("float", twin)):
            started, cpu_started = time.perf_counter(), time.process_time()
            step()
            if i:
                times[name].append(time.perf_counter() - started)
                cpu[name].append(time.process_time() - cpu_started)
    return {
        "binary_ms": round(1000 * statistics.median(times["binary"]), 2),
        "float_ms": round(1000 * statistics.median(times["float"]), 2),
        "ratio": _quartiles(times),
        "cpu_ratio": _quartiles(cpu),
        "pairs": pairs,
    }


def _quartiles(times: dict[str, list[float]]) -> list[float]:
    """Of the ratio of binary to float."""
    ratios = [b / f for b, f in zip(times["binary"], times["float"], strict=True)]
    return [round(q, 3) for q in statistics.quantiles(ratios, n=4)]


def kept_bytes(step: Callable[[], None]) -> int:
    """Bytes that the step keeps for its backward pass, every storage once."""
    storages: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(storages.values())


def peak_mib(name: str, kind: str) -> float:
    """Peak memory of a process that takes three steps."""
    command = [sys.executable, __file__, "--peak", name, kind]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _status() -> list[str]:
    return Path("/proc/self/status").read_text().splitlines()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.peak:
        step = network(*arguments.peak)
        for _ in range(3):
            step()
        status = dict(line.split(":", 1) for line in _status())
        print(int(status["VmHWM"].split()[0]) / 1024)
        return
    record: dict[str, Any] = {"threads": arguments.threads, "networks": {}, "layers": {}}
    for name, (_, _, _, batch, _) in NETWORKS.items():
        steps = {kind: network(name, kind) for kind in ("binary", "float")}
        row = compare(steps["binary"], steps["float"], arguments.pairs)
        for kind, step in steps.items():
            row[f"{kind}_images_per_second"] = round(1000 * batch / row[f"{kind}_ms"], 1)
            row[f"{kind}_kept_mib"] = round(kept_bytes(step) / 2**20, 1)
            row[f"{kind}_peak_mib"] = round(peak_mib(name, kind))
        record["networks"][name] = row
        print(name, json.dumps(row), flush=True)
    for channels, side in LAYERS:
        steps = {kind: layer(channels, side, kind) for kind in ("binary", "float")}
        row = compare(steps["binary"], steps["float"], 2 * arguments.pairs)
        record["layers"][f"{channels}x{side}x{side}"] = row
        print(channels, side, json.dumps(row), flush=True)
    record["environment"] = environment()
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
