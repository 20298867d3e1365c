"""Whole networks: ours against the float32, int8 and binary networks of other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from _alternate import Runs, Times, alternate, milliseconds, quartiles, ratios, timed
from pack_models import settle
from peers import eager, ort, ours
from peers.larq_client import LarqWorker
from peers.resnet18 import resnet18

from bitgrove import runtime

CALIBRATION = 16
"""Drawn pictures on which the int8 network's scales are measured."""


def birealnet18(
    threads: int, rounds: int, rest: float, work: Path, larq: Path | None, *, compiled: bool
) -> dict[str, Any]:
    """Bi-Real-18, one picture of 224, against ResNet-18 in onnxruntime and torch, and larq's.

    Args:
        threads: of every peer.
        rounds: of the alternation.
        rest: seconds of sleep before each turn.
        work: folder for the networks' files, which are made if they are not there.
        larq: Python of larq's environment; without it larq is left out.
        compiled: whether torch's compiled float32 network takes part.
    """
    torch.set_num_threads(threads)
    pictures = pictures_for("birealnet18")
    x = pictures[:1].numpy()
    peers = _ours(ours.pack("birealnet18", pictures, work), x, threads)
    torch.manual_seed(0)
    twin = resnet18()
    settle(twin, pictures)
    float32 = ort.export(twin, pictures[:1], work / "resnet18.onnx")
    _check_same(twin, pictures[:1], float32)
    tried = {name: ort.quantise(float32, name, _calibration()) for name in ort.INT8_FORMATS}
    trial = alternate({name: ort.runs(file, x, threads) for name, file in tried.items()}, 5)
    best = min(trial, key=lambda name: min(trial[name]))
    peers["onnxruntime float32"] = ort.runs(float32, x, threads)
    peers["onnxruntime int8"] = ort.runs(tried[best], x, threads)
    if compiled:
        peers["torch.compile float32"] = eager.compiled(twin, pictures[:1])
    found: dict[str, Any] = {"int8": {"format": best, "tried_ms": milliseconds(trial)}}
    if larq is None:
        return found | _result(alternate(peers, rounds, rest=rest))
    with LarqWorker(larq, work / "birealnet18.tflite", threads) as worker:
        found["larq"] = worker.hello
        peers["larq-compute-engine"] = worker.runs
        return found | _result(alternate(peers, rounds, rest=rest))


def binarynet(threads: int, batch: int, rounds: int, rest: float, work: Path) -> dict[str, Any]:
    """Bop's BinaryNet, pictures of 32, against its real twin in onnxruntime."""
    pictures, drawn = _pictures(batch, 32), pictures_for("binarynet")
    x = pictures.numpy()
    peers = _ours(ours.pack("binarynet", drawn, work), x, threads)
    twin = ours.network("binarynet", drawn, real=True)
    file = ort.export(twin, pictures, work / f"binarynet-real-{batch}.onnx")
    _check_same(twin, pictures, file)
    peers["onnxruntime float32"] = ort.runs(file, x, threads)
    return _result(alternate(peers, rounds, rest=rest))


def more_threads(threads: list[int], rounds: int, rest: float, work: Path) -> dict[str, Any]:
    """Bi-Real-18 of ours alone: the last number of threads against the first, and others."""
    pictures = pictures_for("birealnet18")
    file = ours.pack("birealnet18", pictures, work)["float32"]
    x = pictures[:1].numpy()
    peers = {str(count): _runs(file, x, count) for count in threads}
    times = alternate(peers, rounds, rest=rest)
    first = str(threads[0])
    return {
        "milliseconds": milliseconds(times),
        "speedup": {
            name: quartiles([a / b for a, b in zip(times[first], own, strict=True)])
            for name, own in times.items()
            if name != first
        },
    }


def _result(times: Times) -> dict[str, Any]:
    """Milliseconds of all, and the ratio of every peer to each variant of ours."""
    variants = [name for name in times if name.startswith("bitgrove")]
    theirs = {name: own for name, own in times.items() if name not in variants}
    return {
        "milliseconds": milliseconds(times),
        "ratio": {
            variant: ratios({variant: times[variant], **theirs}, variant) for variant in variants
        },
    }


def _ours(files: dict[str, Path], x: npt.NDArray[np.float32], threads: int) -> dict[str, Runs]:
    return {
        f"bitgrove {variant}": _runs(file, x, threads)
        for variant, file in files.items()
        if variant != "float16"
    }


def _runs(file: Path, x: npt.NDArray[np.float32], threads: int) -> Runs:
    session = runtime.load(file, threads=threads)
    return timed(lambda: session.run(x))


def pictures_for(name: str) -> torch.Tensor:
    """The two drawn pictures on which a network's batch norms are measured."""
    return _pictures(2, 32 if name == "binarynet" else 224)


def _pictures(count: int, side: int) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def _calibration() -> npt.NDArray[np.float32]:
    return _pictures(CALIBRATION, 224).numpy()


@torch.no_grad()
def _check_same(model: torch.nn.Module, x: torch.Tensor, file: Path) -> None:
    """The exported network must compute what torch's does, or its time would mean nothing."""
    np.testing.assert_allclose(ort.output(file, x.numpy()), model(x).numpy(), rtol=1e-3, atol=1e-3)
