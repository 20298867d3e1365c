"""The README's table of ``results/runtime.json``: times and ratios on one thread and on two."""

from __future__ import annotations

from typing import Any

OURS = "bitgrove float32"
NETWORKS = {
    "bitgrove float32": "Bi-Real-18, bitgrove",
    "bitgrove int8 stem": "the same, its first layer in 8 bits",
    "bitgrove int8": "the same, all its real layers in 8 bits",
    "larq-compute-engine": "Bi-Real-18, larq-compute-engine",
    "onnxruntime int8": "ResNet-18, onnxruntime int8",
    "onnxruntime float32": "ResNet-18, onnxruntime float32",
    "torch.compile float32": "ResNet-18, torch.compile float32",
}
"""Peers in the order of the table, and what each runs."""


def runtime(record: dict[str, Any]) -> str:
    """Rows for every figure that the record holds, then what it was measured on."""
    counts = [count for count in ("1", "2") if count in record["birealnet18"]]
    lines = [
        f"| | {' | '.join('one thread' if c == '1' else 'two threads' for c in counts)} |",
        f"| --- |{' --- |' * len(counts)}",
    ]
    for name, cells in _rows(record, counts):
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", _machine(record)])


def _rows(record: dict[str, Any], counts: list[str]) -> list[tuple[str, list[str]]]:
    found = []
    networks = [record["birealnet18"][count] for count in counts]
    for peer, name in NETWORKS.items():
        if peer in networks[0]["milliseconds"]:
            found.append((f"{name}, one picture of 224x224", [_time(n, peer) for n in networks]))
    for batch in ("1", "64"):
        cells = [record["binarynet"][count][batch] for count in counts]
        name = f"BinaryNet, {batch} of 32x32"
        found.append((f"{name}, bitgrove", [_time(cell, OURS) for cell in cells]))
        found.append(
            (
                f"its real twin, {batch}, onnxruntime",
                [_time(c, "onnxruntime float32") for c in cells],
            )
        )
    found.append(
        (
            "a binary 3x3 convolution with packing and epilogue, against torch float32, bfloat16",
            [_blocks(record["kernels"][count]) for count in counts],
        )
    )
    return found


def _time(row: dict[str, Any], peer: str) -> str:
    """``3.1 ms``, and for a peer how many times slower than ours: ``22.7 ms, 7.3×``."""
    shown = f"{row['milliseconds'][peer][1]:.3g} ms"
    ratio = row["ratio"][OURS].get(peer)
    return f"{shown}, {ratio[1]:.1f}×" if ratio else shown


def _blocks(kernels: dict[str, Any]) -> str:
    ratios = kernels["geometric_means"]["ratio"]
    return f"{ratios['torch float32']:.1f}×, {ratios['torch bfloat16']:.1f}× faster"


def _machine(record: dict[str, Any]) -> str:
    machine, larq = record["environment"], record["birealnet18"]["1"].get("larq")
    versions = [f"onnxruntime {machine['onnxruntime']}", f"torch {machine['torch']}"]
    if larq:
        version = larq["versions"]["larq-compute-engine"]
        versions.append(f"larq-compute-engine {version} (made for ARM first)")
    return (
        f"Medians over {record['rounds']} rounds in which all take turns, ratios taken within each "
        f"round, on {machine['cpu']} with {machine['simd']}, by `benchmarks/runtime.py`; "
        f"{', '.join(versions)}."
    )
