"""onnxruntime: float32, and int8 with static scales, one per channel of a weight."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from _alternate import Runs, timed
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

INT8_FORMATS = {
    "QDQ, u8 x s8": (quantization.QuantFormat.QDQ, quantization.QuantType.QUInt8),
    "QDQ, s8 x s8": (quantization.QuantFormat.QDQ, quantization.QuantType.QInt8),
    "QOperator, u8 x s8": (quantization.QuantFormat.QOperator, quantization.QuantType.QUInt8),
}
"""Format of the file and type of the activations; which is fastest depends on the CPU.

QOperator with s8 is left out: onnxruntime warns of it on x64, and it is six times slower there.
"""


def export(model: nn.Module, x: torch.Tensor, file: Path) -> Path:
    """Write ``model`` for inputs of exactly this shape; nothing is done if the file is there."""
    if not file.exists():
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model.eval(), (x,), file, dynamo=True, external_data=False, verbose=False
            )
    return file


def quantise(file: Path, name: str, pictures: npt.NDArray[np.float32]) -> Path:
    """The int8 form of an exported network, calibrated (min and max) on ``pictures``, one by one.

    Convolutions and batch norms are folded first, as onnxruntime's guide recommends.
    """
    folded = file.with_suffix(".folded.onnx")
    done = file.with_suffix(f".{'-'.join(name.replace(',', '').split())}.onnx")
    if not folded.exists():
        quant_pre_process(file, folded)
    if not done.exists():
        form, activations = INT8_FORMATS[name]
        quantization.quantize_static(
            folded,
            done,
            _Pictures(folded, pictures),
            quant_format=form,
            per_channel=True,
            activation_type=activations,
            weight_type=quantization.QuantType.QInt8,
            extra_options={
                "ActivationSymmetric": activations == quantization.QuantType.QInt8,
                "WeightSymmetric": True,
            },
        )
    return done


class _Pictures(quantization.CalibrationDataReader):
    def __init__(self, file: Path, pictures: npt.NDArray[np.float32]) -> None:
        name = open_session(file, 1).get_inputs()[0].name
        self._rest: Iterator[npt.NDArray[np.float32]] = iter(pictures)
        self._name = name

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        picture = next(self._rest, None)
        return None if picture is None else {self._name: picture[None]}


def open_session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    """A session of so many threads, none of which stays awake between runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def runs(file: Path, x: npt.NDArray[np.float32], threads: int) -> Runs:
    """A peer for :func:`_alternate.alternate`."""
    session = open_session(file, threads)
    feed = {session.get_inputs()[0].name: x}
    return timed(lambda: session.run(None, feed))


def output(file: Path, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What the network says, to check it."""
    session = open_session(file, 1)
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])
