# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
"""Bi-Real-18 in larq-compute-engine; run by the Python of larq's own environment.

It builds the network in Keras, converts it, and then answers requests on its standard input, a JSON
object to a line: ``{"run": 3}`` gets the seconds of three runs, measured here. It imports nothing
of bitgrove, whose dependencies clash with TensorFlow's.

    PYTHON larq_worker.py FILE.tflite --threads 1
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

OPTIONS = (
    {},
    {"use_indirect_bgemm": True},
    {"use_xnnpack": True},
    {"use_indirect_bgemm": True, "use_xnnpack": True},
)
"""Of its interpreter; the fastest is used."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path, help="the converted network; made if it is not there")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what TensorFlow prints goes to the standard error
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    if not arguments.file.exists():
        arguments.file.write_bytes(convert())
    model = arguments.file.read_bytes()
    x = np.random.default_rng(0).standard_normal((1, 224, 224, 3)).astype(np.float32)
    trials = {json.dumps(o): interpreter(model, arguments.threads, o) for o in OPTIONS}
    tried = {}
    for _ in range(2):  # in turn, for a slow moment strikes all
        for name, runner in trials.items():
            tried[name] = min(tried.get(name, np.inf), *seconds(runner, x, 4))
    best = min(tried, key=lambda name: tried[name])
    runner = trials[best]
    del trials
    hello = {
        "bytes": len(model),
        "options": json.loads(best),
        "tried_ms": {name: round(1000 * t, 2) for name, t in tried.items()},
        "versions": versions(),
    }
    print(json.dumps(hello), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(seconds(runner, x, json.loads(line)["run"])), file=answers, flush=True)


def convert() -> bytes:
    """The network as published: zeros around the pictures, weights scaled by their magnitude.

    Source: Liu et al., Bi-Real Net, ECCV 2018.
    """
    import larq
    import larq_compute_engine as lce
    from tensorflow import keras

    layers = keras.layers
    x = picture = layers.Input((224, 224, 3), batch_size=1)
    x = layers.Conv2D(64, 7, 2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.MaxPool2D(3, 2, padding="same")(x)
    for stage, channels in enumerate((64, 128, 256, 512)):
        for index in range(4):
            shortcut, widens = x, stage > 0 and index == 0
            if widens:
                shortcut = layers.AvgPool2D(2)(shortcut)
                shortcut = layers.Conv2D(channels, 1, use_bias=False)(shortcut)
                shortcut = layers.BatchNormalization()(shortcut)
            x = larq.layers.QuantConv2D(
                channels,
                3,
                2 if widens else 1,
                padding="same",
                input_quantizer="approx_sign",
                kernel_quantizer="magnitude_aware_sign",
                kernel_constraint="weight_clip",
                use_bias=False,
            )(x)
            x = layers.BatchNormalization()(x)
            x = layers.add([x, shortcut])
    x = layers.Dense(1000)(layers.GlobalAvgPool2D()(x))
    return lce.convert_keras_model(keras.Model(picture, x))


def interpreter(model: bytes, threads: int, options: dict[str, bool]):
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    return Interpreter(model, num_threads=threads, **options)


def seconds(runner, x, count: int) -> list[float]:
    found = []
    for _ in range(count):
        started = time.perf_counter()
        runner.predict(x)
        found.append(time.perf_counter() - started)
    return found


def versions() -> dict[str, str]:
    import importlib.metadata

    names = ("larq", "larq-compute-engine", "tensorflow-cpu", "tensorflow")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
