"""Pack every network at full size: bytes of the file, proof of equality, time of one picture.

python benchmarks/pack_models.py --out benchmarks/results/pack-models.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from _environment import environment
from torch import nn

import bitgrove as bg
from bitgrove import export, runtime

SIZES = {
    "binarynet": (3, 32, 32),
    "birealnet_small": (1, 28, 28),
    "birealnet50_depth": (3, 224, 224),
    "nin": (3, 32, 32),
    "xnornet_cifar10": (3, 32, 32),
}
"""All others take 224x224 pictures in colour."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--models", nargs="+", default=bg.models.list(), help="names; default: all")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = {}
    for name in arguments.models:
        rows[name] = measure(name, arguments.seed)
        print(name, json.dumps(rows[name]), flush=True)
    record = {
        "what": "networks with drawn weights, batch norms measured on the two pictures compared; "
        "milliseconds: one picture, one thread, medians of five runs in alternation; torch runs "
        "the same binary network, eagerly, in float32",
        "seed": arguments.seed,
        "models": rows,
        "environment": environment(),
    }
    arguments.out.write_text(json.dumps(record, indent=2) + "\n")


def measure(name: str, seed: int) -> dict[str, object]:
    torch.manual_seed(seed)
    shape = SIZES.get(name, (3, 224, 224))
    model, x = bg.models.create(name), torch.randn(2, *shape)
    settle(model, x)
    started = time.perf_counter()
    artifact = export.pack(model, x)
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "m.grove"
        artifact.save(file)
        size = file.stat().st_size
        session = runtime.load(file)
    found = export.verify(model, session.artifact, x.numpy())
    one = x[:1].numpy()
    packed, eager = alternating(lambda: session.run(one), lambda: run(model, x[:1]))
    return {
        "input": list(shape),
        "file_bytes": size,
        "state_dict_bytes": sum(t.nbytes for t in model.state_dict().values()),
        "nodes": len(artifact.graph.nodes),
        "equal": found.equal(),
        "integers": found.integers,
        "integers_different": found.integers_different,
        "signs": found.signs,
        "signs_different": found.signs_different,
        "signs_turned_by_rounding": found.signs_turned,
        "relative_error": float(f"{found.relative_error:.2g}"),
        "pack_seconds": round(seconds, 2),
        "milliseconds": {"packed": round(packed * 1000, 2), "torch": round(eager * 1000, 2)},
        "ratio": round(eager / packed, 2),
    }


@torch.no_grad()
def settle(model: nn.Module, x: torch.Tensor) -> None:
    """Numbers as after training: drawn affine parts, gamma of both signs, running statistics."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        if isinstance(norm.weight, nn.Parameter):
            norm.weight.normal_(1, 0.5)
        if norm.bias is not None:
            norm.bias.normal_(0, 0.5)
        norm.momentum = 1.0
    model.train()
    model(x)
    model.eval()


@torch.no_grad()
def run(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return model(x)


def alternating(*calls: Callable[[], object]) -> list[float]:
    """Median seconds of each call; all are run once before."""
    seconds: list[list[float]] = [[] for _ in calls]
    for trial in range(6):
        for call, own in zip(calls, seconds, strict=True):
            started = time.perf_counter()
            call()
            if trial:
                own.append(time.perf_counter() - started)
    return [statistics.median(own) for own in seconds]


if __name__ == "__main__":
    main()
