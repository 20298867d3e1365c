"""Writes the tables of results in the README from the files that hold the measurements.

These are ``benchmarks/results/*.json`` and a recipe's ``expected.toml``.

python benchmarks/table.py          rewrite the README
python benchmarks/table.py --check  fail if the README differs from the files
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from _runtime_table import runtime
from _search_table import search
from _trees_table import trees

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
EXPECTED = ROOT / "src" / "bitgrove" / "recipes" / "binary_methods" / "expected.toml"


def main() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text()
    wanted = text
    tables = {"results": results(), "methods": methods()}
    if (RESULTS / "runtime.json").exists():
        tables["runtime"] = runtime(load("runtime"))
    if (RESULTS / "trees.json").exists():
        tables["trees"] = trees(load("trees"))
    if (RESULTS / "search.json").exists():
        tables["search"] = search(load("search"))
    for name, table in tables.items():
        start, end = f"<!-- {name}: benchmarks/table.py -->", f"<!-- end of {name} -->"
        before, rest = wanted.split(start)
        _, after = rest.split(end)
        wanted = f"{before}{start}\n\n{table}\n\n{end}{after}"
    if "--check" not in sys.argv[1:]:
        readme.write_text(wanted)
    elif text != wanted:
        sys.exit("README.md differs from benchmarks/results: run python benchmarks/table.py")


def methods() -> str:
    """The binary methods side by side, best first."""
    figures = tomllib.loads(EXPECTED.read_text())
    protocol = figures["protocol"]
    lines = ["| method | test accuracy | packed |", "| --- | --- | --- |"]
    for arm in sorted(figures["arms"].values(), key=lambda arm: -arm["mean"]):
        accuracy = f"{arm['mean']:.1%} ± {arm['std']:.1%}"
        lines.append(f"| {arm['title']} | {accuracy} | {arm['packed_bytes'] / 1000:.0f} kB |")
    lines += [
        "",
        f"Mean and standard deviation over seeds {', '.join(map(str, protocol['seeds']))}; "
        f"{protocol['split']}; width {protocol['width']}, {protocol['epochs']} epochs, "
        f"{protocol['precision'][0]}. Repeat it by `{protocol['command']}`.",
    ]
    return "\n".join(lines)


def results() -> str:
    digits, folder = load("digits"), load("fit-folder")
    packed, step = load("pack-models")["models"], load("training-step")["networks"]["224"]
    rows = [
        ("digits 0–7, binary network, by neighbours", accuracy(digits, "neighbours")),
        ("the same, by logits", accuracy(digits, "logits")),
        ("float32 twin of the same shape", accuracy(digits, "twin")),
        ("8 and 9, taught from 20 examples each", accuracy(digits, "new_after")),
        ("0–7 after teaching", accuracy(digits, "old_after")),
        ("network on disk, against its float32 weights", size(digits)),
        ("one 8x8 image, one thread, against torch float32", latency(digits["latency_ms"])),
        ("one 28x28 image, the same", latency([medians(folder["latency_ms"])])),
        (
            "Bop's BinaryNet, Bi-Real-18 on disk",
            f"{packed['binarynet']['file_bytes'] / 1e6:.2f} MB, "
            f"{packed['birealnet18']['file_bytes'] / 1e6:.2f} MB",
        ),
        (
            "training step of Bi-Real-18 against its float twin, 224x224, one thread",
            f"{step['ratio'][1]:.2f} times the time",
        ),
        (
            "`make demo`'s training, packing and teaching",
            f"{median(digits['seconds']):.0f} s",
        ),
        (
            f"`bitgrove fit` on a folder of {folder['files']:,} PNG files (Fashion-MNIST)",
            f"{folder['seconds'] / 60:.1f} minutes, {folder['peak_memory_mib']:.0f} MiB",
        ),
        (
            "its test accuracy, by neighbours",
            f"{folder['accuracy'][0]['accuracy']:.1%} of {folder['accuracy'][0]['total']:,}",
        ),
    ]
    lines = ["| what | measured |", "| --- | --- |"]
    lines += [f"| {what} | {figure} |" for what, figure in rows]
    seeds, machine = len(digits["seeds"]), folder["environment"]
    lines += [
        "",
        f"Digits: mean and standard deviation over {seeds} seeds, each with a split of its own "
        "(60/20/20), by `benchmarks/digits.py`; the folder: one run of "
        f"`benchmarks/fit_folder.py`, on {machine['threads']} cores of a shared machine "
        f"({machine['cpu']}).",
    ]
    return "\n".join(lines)


def load(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text())


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def accuracy(digits: dict[str, Any], key: str) -> str:
    row = digits["accuracy"][key]
    return f"{row['mean']:.1%} ± {row['std']:.1%}"


def size(digits: dict[str, Any]) -> str:
    ours, theirs = digits["size_bytes"]["network"], digits["size_bytes"]["float32"]
    return f"{ours / 1000:.0f} kB, {theirs / ours:.1f} times smaller"


def medians(quartiles: dict[str, Any]) -> dict[str, float]:
    return {"packed": quartiles["packed"][1], "torch": quartiles["torch_float32"][1]}


def latency(runs: list[dict[str, float]]) -> str:
    ours, theirs = (median([run[key] for run in runs]) for key in ("packed", "torch"))
    return f"{ours:.2f} ms, {theirs / ours:.1f} times faster"


if __name__ == "__main__":
    main()
