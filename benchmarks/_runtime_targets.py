"""What the runtime must reach and aims at, beside what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One figure of the record, with its bounds."""

    what: str
    find: Callable[[Record], float]
    """Raises ``KeyError`` where the record does not hold the figure."""
    must: float
    aim: float
    unit: str = "×"
    less: bool = False
    """Whether less is better."""

    def verdict(self, value: float) -> str:
        """``aim``, ``must`` or ``missed``: the better bound that the value keeps."""
        for name, bound in (("aim", self.aim), ("must", self.must)):
            if value <= bound if self.less else value >= bound:
                return name
        return "missed"

    def show(self, value: float) -> str:
        """The value with its unit: ``7.32×``, ``81 %``, ``2.9 MB``."""
        if self.unit == "%":
            return f"{value:.0%}"
        return f"{value:.3g}{self.unit}" if self.unit == "×" else f"{value:.3g} {self.unit}"


def _bireal(peer: str, variant: str = "float32") -> Callable[[Record], float]:
    return lambda r: r["birealnet18"]["1"]["ratio"][f"bitgrove {variant}"][peer][1]


def _binarynet(batch: str) -> Callable[[Record], float]:
    return lambda r: r["binarynet"]["1"][batch]["ratio"]["bitgrove float32"][ORT][1]


def _kernel(name: str) -> Callable[[Record], float]:
    return lambda r: r["kernels"]["1"]["geometric_means"]["fraction_of_peak"][name]


def _block(r: Record) -> float:
    return r["kernels"]["1"]["geometric_means"]["ratio"]["torch float32"]


def _bytes(name: str, variant: str) -> Callable[[Record], float]:
    return lambda r: r["files"][name][variant] / 1e6


ORT, INT8 = "onnxruntime float32", "onnxruntime int8"
TARGETS = (
    Target("binary GEMM, fraction of the popcount peak", _kernel("gemm"), 0.8, 0.95, "%"),
    Target("binary 3x3 convolution, the same", _kernel("conv"), 0.8, 0.95, "%"),
    Target("with packing and epilogue, against torch float32", _block, 18, 22),
    Target("Bi-Real-18 against onnxruntime float32 ResNet-18", _bireal(ORT), 7, 10),
    Target("Bi-Real-18 against onnxruntime int8", _bireal(INT8), 2.1, 3),
    Target("with its stem in int8, the same", _bireal(INT8, "int8 stem"), 2.1, 3),
    Target("with all its real layers in int8, the same", _bireal(INT8, "int8"), 2.1, 3),
    Target("BinaryNet against onnxruntime float32, batch 1", _binarynet("1"), 15, 25),
    Target("BinaryNet against onnxruntime float32, batch 64", _binarynet("64"), 15, 25),
    Target("Bi-Real-18 against larq-compute-engine", _bireal("larq-compute-engine"), 4.5, 6.5),
    Target(
        "AVX2 only, Bi-Real-18 against onnxruntime float32",
        lambda r: r["levels"]["avx2"]["ratio"]["bitgrove float32"][ORT][1],
        3.5,
        5,
    ),
    Target(
        "two threads against one, Bi-Real-18",
        lambda r: r["threads"]["speedup"]["2"][1],
        1.7,
        1.9,
    ),
    Target(
        "peak memory above the interpreter, Bi-Real-18",
        lambda r: r["memory"]["above_interpreter_mb"],
        60,
        30,
        "MB",
        less=True,
    ),
    Target("file, BinaryNet", _bytes("binarynet", "float32"), 1.4, 1.4, "MB", less=True),
    Target("file, Bi-Real-18", _bytes("birealnet18", "float32"), 4.25, 4.25, "MB", less=True),
    Target("file, Bi-Real-18 in fp16", _bytes("birealnet18", "float16"), 2.9, 2.9, "MB", less=True),
)
"""Each on one thread, unless it says otherwise; ratios are medians over the rounds."""


def rows(record: Record) -> list[tuple[str, str, str, str, str]]:
    """What, measured, must, aim and verdict, of every figure that the record holds."""
    found = []
    for target in TARGETS:
        try:
            value = target.find(record)
        except KeyError:
            continue
        bounds = target.show(target.must), target.show(target.aim)
        found.append((target.what, target.show(value), *bounds, target.verdict(value)))
    return found
