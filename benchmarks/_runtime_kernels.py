"""Single operators at ResNet-18's shapes: against the popcount peak, and against torch."""

from __future__ import annotations

import statistics
from typing import Any

import torch
from _alternate import Runs, Times, alternate, quartiles, ratios
from peers import eager, ours

from bitgrove import _core

MORE = 9
"""Blocks of the longer chain. The time of a block (packing, convolution, scale, bias and sum) is
the difference between this chain and one block: all is read and written as in a network."""


def measure(threads: int, rounds: int, rest: float) -> dict[str, Any]:
    """All shapes, with their geometric means."""
    torch.set_num_threads(threads)
    shapes = {}
    for channels, side in ours.SHAPES:
        shapes[f"{channels}x{side}x{side}"] = row = shape(channels, side, threads, rounds, rest)
        print("kernels", threads, channels, side, row, flush=True)
    return {"shapes": shapes, "geometric_means": _means(shapes)}


def shape(channels: int, side: int, threads: int, rounds: int, rest: float) -> dict[str, Any]:
    """One shape: microseconds, fractions of the peak, ratios of the peers to our block.

    A turn stands for its fastest run here, for the executor's profile reports no other.
    """
    block = ours.blocks(channels, side, threads)
    chain = ours.blocks(channels, side, threads, MORE)
    peers: dict[str, Runs] = {"one block": block.whole(), "more blocks": chain.whole()}
    operators = {
        "gemm": ours.gemm(channels, side, threads),
        "conv": ours.convolution(channels, side, threads),
    }
    peers |= {name: operator.profiled() for name, operator in operators.items()}
    peers["peak"] = _peak
    macs = {name: operator.macs for name, operator in operators.items()} | {"block": block.macs}
    peers |= {
        "torch float32": eager.convolution(channels, side, torch.float32),
        "torch float32, compiled": eager.frozen_convolution(channels, side),
        "torch bfloat16": eager.convolution(channels, side, torch.bfloat16),
    }
    times = alternate(peers, rounds, turn=0.02, rest=rest, reduce=min)
    times["block"] = [
        (more - one) / (MORE - 1)
        for one, more in zip(times.pop("one block"), times.pop("more blocks"), strict=True)
    ]
    peaks = times.pop("peak")
    return {
        "binary_macs": block.macs,
        "microseconds": {name: quartiles([1e6 * t for t in own]) for name, own in times.items()},
        "ratio": _of_torch(times, "block"),
        "peak_gmacs_per_second": quartiles([1e-9 / t for t in peaks]),
        "fraction_of_peak": {
            name: quartiles(
                [work * p / t / threads for t, p in zip(times[name], peaks, strict=True)]
            )
            for name, work in macs.items()
        },
    }


def _peak(_: int) -> list[float]:
    """Seconds of one binary multiply-accumulate in registers, on one thread."""
    return [1 / _core.popcount_peak(0.005)]


def _of_torch(times: Times, name: str) -> dict[str, list[float]]:
    return {
        peer: quartile for peer, quartile in ratios(times, name).items() if peer.startswith("torch")
    }


def _means(shapes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Geometric means of the shapes' medians, in the same tables."""
    means: dict[str, Any] = {}
    rows = list(shapes.values())
    for key in ("fraction_of_peak", "ratio"):
        if key in rows[0]:
            means[key] = _mean([row[key] for row in rows])
    return means


def _mean(values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return {key: _mean([value[key] for value in values]) for key in values[0]}
    return round(statistics.geometric_mean(value[1] for value in values), 3)
