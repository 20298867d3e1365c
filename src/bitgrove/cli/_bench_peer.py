"""The same network in onnxruntime, in float32."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .. import require
from ..export import to_onnx
from ..runtime import Artifact

Array = npt.NDArray[np.float32]


class Peer(NamedTuple):
    """A session of onnxruntime."""

    version: str
    run: Callable[[], Array]
    """Logits of the images that it was opened for."""


class LeftOutError(Exception):
    """Why there is nothing to compare with, in a sentence."""


def open_peer(artifact: Artifact, x: Array, threads: int) -> Peer:
    """Export the network as plain ONNX, open it for these images, and run it once.

    Raises:
        LeftOutError: onnxruntime or onnx is missing, or one of them refuses the network.
    """
    try:
        for module in ("onnxruntime", "onnx"):
            require(module, extra="bench", needed_for="the comparison with float32")
    except ImportError as error:
        raise LeftOutError(str(error)) from error
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")  # asleep in our turns
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            to_onnx(artifact, file, batch=len(x))
            session = onnxruntime.InferenceSession(
                file, options, providers=["CPUExecutionProvider"]
            )
        peer = Peer(
            onnxruntime.__version__,
            lambda: np.asarray(session.run(["logits"], {"image": x})[0]),
        )
        peer.run()
    except Exception as error:  # those of onnxruntime have no base of their own
        raise LeftOutError(f"the network does not run in onnxruntime: {error}") from error
    return peer
