"""The packed runtime against other runtimes, in alternation, on one thread and on two.

Sections: ``kernels`` (operators at ResNet-18's shapes against the popcount peak and torch),
``birealnet18`` and ``binarynet`` (whole networks against onnxruntime float32 and int8,
torch.compile and larq-compute-engine), ``levels`` (Bi-Real-18 at every SIMD level, each in a
process of its own), ``threads``, ``memory`` and ``files``. ``_alternate.py`` says how ratios are
taken.

larq-compute-engine needs an environment of its own, here with Python 3.11:

    python3.11 -m venv larq
    larq/bin/pip install larq-compute-engine==0.16.0 larq==0.14.0 tensorflow-cpu==2.15.1
    python benchmarks/runtime.py --larq-python larq/bin/python --out benchmarks/results/runtime.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _runtime_kernels
import _runtime_memory
import _runtime_networks
from _environment import environment
from _runtime_targets import rows
from peers import ours

from bitgrove import kernels

SECTIONS = ("kernels", "birealnet18", "binarynet", "levels", "threads", "memory", "files")
REST = 0.01
"""Seconds of sleep before a turn where there are several threads."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="JSON file to write; what it holds is updated")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--quick", action="store_true", help="5 rounds")
    parser.add_argument("--larq-python", type=Path, help="Python of larq's environment")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--work", type=Path, help="folder that keeps the networks between calls")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = 5
    if arguments.larq_python and not arguments.larq_python.exists():
        parser.error(f"--larq-python: there is no {arguments.larq_python}")
    record: dict[str, Any] = {}
    if arguments.out and arguments.out.exists():
        record = json.loads(arguments.out.read_text())
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        for section in arguments.only:
            started, load = time.perf_counter(), os.getloadavg()[0]
            record[section] = SECTION[section](arguments, work)
            seconds = round(time.perf_counter() - started)
            record.setdefault("sections", {})[section] = {"load_before": load, "seconds": seconds}
            print(f"{section}: {seconds} s", file=sys.stderr)
    record["rounds"] = arguments.rounds
    record["environment"] = environment("onnx", "onnxruntime")
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=2) + "\n")
    print(table(record))


def measure_kernels(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    return {
        str(count): _runtime_kernels.measure(count, arguments.rounds, rest(count))
        for count in arguments.threads
    }


def measure_birealnet18(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    return {
        str(count): _runtime_networks.birealnet18(
            count,
            arguments.rounds,
            rest(count),
            work,
            arguments.larq_python,
            compiled=not arguments.no_compile,
        )
        for count in arguments.threads
    }


def measure_binarynet(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    return {
        str(count): {
            str(batch): _runtime_networks.binarynet(
                count, batch, arguments.rounds, rest(count), work
            )
            for batch in (1, 64)
        }
        for count in arguments.threads
    }


def measure_levels(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Each level in a process of its own, for a network is laid out for its level at loading."""
    return {level: _level(level, arguments.rounds, work) for level in kernels.simd_levels()}


def _level(level: str, rounds: int, work: Path) -> dict[str, Any]:
    out = work / f"level-{level}.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--only", "birealnet18", "--threads", "1"]
    command += ["--no-compile", "--rounds", str(rounds), "--work", str(work), "--out", str(out)]
    subprocess.run(command, check=True, env={**os.environ, "BITGROVE_SIMD": level})
    record = json.loads(out.read_text())
    assert record["environment"]["simd"] == level
    return record["birealnet18"]["1"]


def measure_threads(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    return _runtime_networks.more_threads(
        arguments.threads, arguments.rounds, rest(max(arguments.threads)), work
    )


def measure_memory(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    return _runtime_memory.measure(_files("birealnet18", work)["float32"])


def measure_files(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    return {
        name: {variant: file.stat().st_size for variant, file in _files(name, work).items()}
        for name in ("binarynet", "birealnet18")
    }


def _files(name: str, work: Path) -> dict[str, Path]:
    return ours.pack(name, _runtime_networks.pictures_for(name), work)


def rest(threads: int) -> float:
    """A pool of one thread has nobody who waits."""
    return REST if threads > 1 else 0.0


def table(record: dict[str, Any]) -> str:
    """Measured beside must and aim, for a terminal."""
    lines = [("", "measured", "must", "aim", ""), *rows(record)]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


SECTION = {
    "kernels": measure_kernels,
    "birealnet18": measure_birealnet18,
    "binarynet": measure_binarynet,
    "levels": measure_levels,
    "threads": measure_threads,
    "memory": measure_memory,
    "files": measure_files,
}


if __name__ == "__main__":
    main()
