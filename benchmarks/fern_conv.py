"""What a packed fern convolution costs, against the convolutions that it stands for.

Peers, layer by layer at the shapes of the paper's network (64x64 pictures) and as a whole network:
torch's float32 convolution (with channels last, the faster layout, where that is faster) and our
own packed binary convolution; one thread, one process, in turn. All packed ones take and give float
numbers, so the binary layer has its signs to make and the ferns their comparisons. A ratio is taken
within each round; quartiles over the rounds.

The limit: a byte shuffle looks up as many numbers as it has bytes, 64, and this CPU begins one in
each cycle. `shuffles` has the time of one layer between ferns, of which only the outputs are summed
that the next layer tests, as look-ups per nanosecond; 64 times the clock in GHz is the most there
can be. The memory of a training step is what autograd keeps, every storage once.

    python benchmarks/fern_conv.py --out benchmarks/results/fern-conv.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _alternate import Runs, alternate, milliseconds, ratios, timed
from _environment import environment
from torch import Tensor, nn

from bitgrove import export, models
from bitgrove.nn import BinaryConv2d, FernConv2d
from bitgrove.runtime import Session

SHAPES = {
    "3 -> 64, 5x5 by 2, 64x64": (3, 5, 64),
    "64 -> 64, 3x3 by 2, 32x32": (64, 3, 32),
    "64 -> 64, 3x3 by 2, 16x16": (64, 3, 16),
}
"""Input channels, kernel and side; 64 output channels, stride 2."""


def torch_run(model: nn.Module, x: Tensor) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return model(x)

    return run


def channels_last(module: nn.Module, x: Tensor) -> Callable[[], object]:
    twin = module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return torch_run(twin, x.to(memory_format=torch.channels_last))


def packed_run(model: nn.Module, x: Tensor) -> Callable[[], object]:
    session = Session(export.pack(model.eval(), x))
    array = x.numpy()
    return lambda: session.run(array)


def fern_like(module: nn.Module, x: Tensor) -> nn.Module:
    """With thresholds as after a first batch and statistics of its own."""
    module.train()
    with torch.no_grad():
        module(x)
    return module.eval()


def measure(peers: dict[str, Callable[[], object]], rounds: int) -> dict[str, Any]:
    runs: dict[str, Runs] = {name: timed(peer) for name, peer in peers.items()}
    times = alternate(runs, rounds)
    return {"milliseconds": milliseconds(times), "times_ferns": ratios(times, "ferns")}


def layer_peers(channels: int, kernel: int, side: int) -> dict[str, Callable[[], object]]:
    torch.manual_seed(0)
    x = torch.randn(1, channels, side, side)
    shape, options = (channels, 64, kernel), dict[str, Any](stride=2, padding=kernel // 2)
    conv = nn.Conv2d(*shape, **options, bias=False).eval()
    return {
        "ferns": packed_run(fern_like(FernConv2d(*shape, **options), x), x),
        "binary": packed_run(BinaryConv2d(*shape, **options), x),
        "packed float32": packed_run(conv, x),
        "torch float32": torch_run(conv, x),
        "torch float32, channels last": channels_last(nn.Conv2d(*shape, **options, bias=False), x),
    }


def network_peers() -> dict[str, Callable[[], object]]:
    x = torch.randn(1, 3, 64, 64)
    made = {}
    kinds: dict[str, dict[str, Any]] = {"ferns": {}, "xnor": {"layers": "xnor"}}
    for name, options in (kinds | {"float": {"real": True}}).items():
        torch.manual_seed(0)
        made[name] = fern_like(models.create("fernnet", **options), x.repeat(4, 1, 1, 1))
    return {
        "ferns": packed_run(made["ferns"], x),
        "xnor": packed_run(made["xnor"], x),
        "packed float32": packed_run(made["float"], x),
        "torch float32": torch_run(made["float"], x),
        "torch float32, channels last": channels_last(made["float"], x),
    }


def shuffle_share(rounds: int) -> dict[str, Any]:
    """A layer of 64 channels between ferns, alone: the difference of two depths of a network."""
    torch.manual_seed(0)
    x = torch.randn(1, 64, 64, 64)

    def stack(count: int) -> Callable[[], object]:
        layers: list[nn.Module] = []
        for _ in range(count):
            layers += [FernConv2d(64, 64, 3, padding=1, ferns=12), nn.BatchNorm2d(64)]
        return packed_run(fern_like(nn.Sequential(*layers), x), x)

    times = alternate({"short": timed(stack(2)), "long": timed(stack(6))}, rounds)
    per_layer = [(b - a) / 4 for a, b in zip(times["short"], times["long"], strict=True)]
    seconds = float(np.median(per_layer))
    # Only the channels that the next layer tests are summed: 48 tests of 64 channels.
    tested = 64 * (1 - (1 - 1 / 64) ** 48)
    lookups = 64 * 64 * 12 * tested
    return {
        "layer": "64 -> 64, 3x3, 64x64, 12 ferns of depth 4, between ferns",
        "microseconds": round(1e6 * seconds, 2),
        "expected_channels_summed": round(tested, 1),
        "lookups_per_nanosecond": round(lookups / seconds * 1e-9, 2),
        "binary_macs_of_such_a_layer_per_nanosecond": round(64 * 64 * 576 * 64 / seconds * 1e-9, 1),
    }


def kept_bytes(layer: nn.Module, x: Tensor) -> int:
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(x)
    return sum(storages.values())


def training(rounds: int) -> dict[str, Any]:
    torch.manual_seed(0)
    x = torch.randn(16, 64, 32, 32, requires_grad=True)
    conv = nn.Conv2d(64, 64, 3, stride=2, padding=1, bias=False)
    ferns = {
        mode: FernConv2d(64, 64, 3, stride=2, padding=1, gradient=mode)
        for mode in ("tanh", "ste", "hinge", "efd", "soft")
    }

    def step(layer: nn.Module) -> Callable[[], object]:
        return lambda: layer(x).sum().backward()

    times = alternate(
        {"float32": timed(step(conv)), **{name: timed(step(own)) for name, own in ferns.items()}},
        rounds,
    )
    own = kept_bytes(conv, x)
    return {
        "batch": list(x.shape),
        "kept_bytes": {"float32": own}
        | {mode: kept_bytes(layer, x) for mode, layer in ferns.items()},
        "kept_over_float32": {
            mode: round(kept_bytes(layer, x) / own, 3) for mode, layer in ferns.items()
        },
        "milliseconds": milliseconds(times),
    }


def figures(rounds: int) -> dict[str, Any]:
    """Layers, the network, the shuffles and training; torch must be on one thread."""
    return {
        "rounds": rounds,
        "layers": {name: measure(layer_peers(*shape), rounds) for name, shape in SHAPES.items()},
        "network": measure(network_peers(), rounds),
        "shuffles": shuffle_share(rounds),
        "training": training(max(3, rounds // 5)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=31)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = {"environment": environment()} | figures(arguments.rounds)
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
