"""Mutated models through both readers: neither may crash, and both must agree.

    python -m tests.c_api.fuzz PROGRAM --count 10000 --seed 0

PROGRAM is ``csrc/c_api/load_cases.c``, linked to libbitgrove; `make fuzz` builds both under the
address and undefined-behaviour sanitizers. Its verdict on each file is compared with that of
``bitgrove.runtime.load``, and so are the logits of what both accept.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bitgrove import files, runtime

from ..runtime.conftest import make_artifact
from ..runtime.trees import random_trees
from .forging import ODD, Blob, Parts, mutate

STRICTER = (
    "two members of the name",
    "no value",  # NaN and Infinity
    "past the range of double",
    "nested too deeply",
    "must be text",
    "must be a list",
    "must be an object",
    "must not hold NUL",
    "twice",
    "past 64 bits",
)
"""Why the C reader refuses some files that Python takes: unusual JSON, which no writer makes."""


def make_models() -> list[bytes]:
    """Small files that hold all that the format has, but for examples."""
    artifact = make_artifact(dim=8, examples=6)
    artifact.examples = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.grove"
        found = []
        for model in (artifact, artifact.with_real_dtype("float16"), every_operator()):
            model.save(path)
            found.append(path.read_bytes())
    return found


def every_operator() -> runtime.Artifact:
    """A chain of operators that a real network seldom has together, some tensors shared."""
    rng = np.random.default_rng(3)

    def real(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    window = {"stride": [1, 1], "padding": [1, 1]}
    conv = {**window, "dilation": [1, 1], "groups": 1, "pad_value": 1}
    pool = {"kernel": [2, 2], "stride": [2, 1], "padding": [1, 0], "ceil": True}
    weight, slope = real(4, 3, 3, 4), real(4)
    packed = rng.integers(0, 16, (4, 3, 3, 1), dtype=np.uint8) << 4
    in_bytes = {**window, "dilation": [1, 1], "groups": 1, "step": 0.01, "zero": 128}
    octets = rng.integers(-127, 128, (12, 3, 3, 12), dtype=np.int8)
    asked = rng.integers(0, 72, (2, 5, 3), dtype=np.int32)
    ferns = {
        "place": rng.integers(0, 24, 6).astype(np.int32) + np.int32([0, 0, 0, 24, 24, 24]),
        "threshold": real(6),
        "flip": np.uint8([0x58]),
        "outside": np.uint8([0x30]),
        "table": rng.integers(-127, 128, (2, 1, 8, 4), dtype=np.int8),
        "scale": real(8).astype(np.float32),
    }
    more_ferns = {
        "place": rng.integers(0, 8, 4).astype(np.int32),
        "threshold": real(4).astype(np.float32),
        "table": rng.integers(-127, 128, (1, 1, 16, 12), dtype=np.int8),
        "bias": real(12),
    }
    nodes = [
        ("conv2d", (0,), conv, {"weight": real(4, 3, 3, 2), "bias": slope}),
        ("prelu", (1,), {}, {"slope": slope, "after": real(4)}),
        ("conv2d", (2,), conv, {"weight": weight}),
        ("conv2d", (3,), conv, {"weight": weight.copy()}),
        ("binary_weight_conv2d", (4,), conv, {"weight": packed, "scale": real(4)}),
        ("scale_map", (5,), {}, {"map": real(1, 5, 4)}),
        ("input_scale", (6,), {**window, "kernel": [3, 3], "dilation": [1, 1], "groups": 2}, {}),
        ("multiply", (6, 7), {}, {}),
        ("affine", (8,), {}, {"scale": real(4), "bias": real(4)}),
        ("binarise", (9,), {}, {"flip": np.uint8([0x50])}),
        ("max_pool2d", (9,), pool, {}),
        ("avg_pool2d", (10,), {**pool, "count_padding": False}, {}),
        ("concat", (11, 12, 11), {}, {}),
        ("clip", (13,), {"low": -1, "high": 0.5, "slope": 0.1}, {}),
        ("upsample", (14,), {"size": [7, 3], "step": [0.5, 1.5], "mode": "linear"}, {}),
        ("pad", (15,), {"before": [1, 0], "after": [0, 2], "value": 0.25}, {}),
        ("byte_conv2d", (16,), in_bytes, {"weight": octets, "scale": real(12)}),
        ("fern_conv2d", (17,), {**window, "kernel": [2, 2], "dilation": [1, 2]}, ferns),
        ("fern_conv2d", (18,), {**window, "kernel": [1, 1], "dilation": [1, 1]}, more_ferns),
        ("adaptive_avg_pool", (19,), {"size": [2, 3]}, {}),
        ("flatten", (20,), {}, {}),
        ("sigmoid", (21,), {}, {}),
        (
            "ferns",
            (22,),
            {},
            {"feature": asked[0], "threshold": real(5, 3), "leaf": real(40, 6), "bias": real(6)},
        ),
        (
            "ferns",
            (23,),
            {},
            {
                "feature": asked[1] % 6,
                "other": asked[0] % 6,
                "codes": octets.reshape(-1)[:160].reshape(40, 4),
                "scale": np.float32([0.25]),
            },
        ),
        ("forest", (22,), {}, random_trees(rng, 72, 3)),
    ]
    graph = runtime.Graph(
        (2, 4, 5),
        tuple(
            runtime.Node(op, f"n{i}", inputs, attributes, tensors)
            for i, (op, inputs, attributes, tensors) in enumerate(nodes)
        ),
        len(nodes),
        len(nodes) - 1,
    )
    return runtime.Artifact(graph)


def mutations(count: int, seed: int) -> Iterator[bytes]:
    """Damaged and forged files; every kind of damage in turn."""
    models = make_models()
    rng = np.random.default_rng(seed)
    kinds = [flip, cut, scribble, remove, lengthen, reword]
    kinds += [forge_network, forge_network, forge_network, forge_text, forge_tensor, forge_header]
    for i in range(count):
        yield kinds[i % len(kinds)](models[int(rng.integers(len(models)))], rng)


def flip(raw: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(raw)
    for at in rng.integers(0, len(raw), int(rng.integers(1, 4))):
        damaged[at] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def cut(raw: bytes, rng: np.random.Generator) -> bytes:
    return raw[: int(rng.integers(len(raw)))]


def scribble(raw: bytes, rng: np.random.Generator) -> bytes:
    at, length = int(rng.integers(len(raw))), int(rng.integers(1, 64))
    return raw[:at] + rng.bytes(length) + raw[at + length :]


def remove(raw: bytes, rng: np.random.Generator) -> bytes:
    at, length = int(rng.integers(len(raw))), int(rng.integers(1, 64))
    return raw[:at] + raw[at + length :]


def lengthen(raw: bytes, rng: np.random.Generator) -> bytes:
    """Another length of the header, or more bytes at the end."""
    if rng.integers(4) == 0:
        return raw + rng.bytes(int(rng.integers(1, 20)))
    length = struct.unpack("<Q", raw[:8])[0]
    near = length + int(rng.integers(-9, 10))
    odd = [near, near, 0, 7, len(raw) - 8, len(raw), 64 << 20, (64 << 20) + 1, 2**63, 2**64 - 8]
    return struct.pack("<Q", odd[int(rng.integers(len(odd)))]) + raw[8:]


TOKENS = [
    *('"', "{", "}", "[", "]", ",", ":", "\\", "\\u", "\\ud800", "\\ud83d\\ude00", "\\u0000", "\0"),
    *("NaN", "-Infinity", "1e999", "1e-999", "-", "-0", "01", "1.", ".5", "2E+5", "9" * 5000),
    *("true", "null", "[" * 100, "[" * 5000, '{"a":1,"a":2}', "/**/", "\ufeff", "é", "\x7f", " "),
]


def splice(text: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(len(text)))
    skipped = int(rng.integers(0, 3))
    return text[:at] + TOKENS[int(rng.integers(len(TOKENS)))] + text[at + skipped :]


def reword(raw: bytes, rng: np.random.Generator) -> bytes:
    """A token in the header, whose length is corrected and whose checksum is not."""
    length = struct.unpack("<Q", raw[:8])[0]
    text = splice(raw[8 : 8 + length].decode(), rng).encode()
    return struct.pack("<Q", len(text)) + text + raw[8 + length :]


def forge_network(raw: bytes, rng: np.random.Generator) -> bytes:
    parts = Parts.of(raw)
    metadata = json.loads(parts.metadata)
    mutate(metadata["network"] if rng.integers(4) else metadata, rng)
    parts.metadata = json.dumps(metadata)
    return parts.assemble()


def forge_text(raw: bytes, rng: np.random.Generator) -> bytes:
    parts = Parts.of(raw)
    parts.metadata = splice(parts.metadata, rng)
    return parts.assemble()


def forge_tensor(raw: bytes, rng: np.random.Generator) -> bytes:
    """Another content, dtype, shape or name of a tensor; sizes agree more often than not."""
    parts = Parts.of(raw)
    i = int(rng.integers(len(parts.blobs)))
    name, dtype, shape, data = parts.blobs[i]
    kind = int(rng.integers(6))
    if kind == 0 and data:
        data = flip(data, rng)
    elif kind == 1:
        data = np.full(len(data), int(rng.choice([0x7F, 0x80, 0xFF])), np.uint8).tobytes()
    elif kind == 2:
        dtype, shape = str(rng.choice(["U8", "I8", "BOOL"])), [len(data)]
    elif kind == 3:
        axis = int(rng.integers(len(shape)))
        size = max(len(data) // max(shape[axis], 1), 1)
        shape = [*shape[:axis], int(rng.integers(0, 9)), *shape[axis + 1 :]]
        data = (data * 9)[: size * shape[axis]]
    elif kind == 4:
        shape = [*([1] * int(rng.integers(0, 40))), *shape]
    else:
        parts.blobs.append(Blob("extra", dtype, shape, data))
        name += str(rng.choice(["", "s", ".weight", "é"]))
    parts.blobs[i] = Blob(name, dtype, shape, data)
    return parts.assemble()


def forge_header(raw: bytes, rng: np.random.Generator) -> bytes:
    """Entries of the header that disagree with the tensors, under a right checksum."""
    parts = Parts.of(raw)
    name, _, _, data = parts.blobs[int(rng.integers(len(parts.blobs)))]
    odd = ODD[int(rng.integers(len(ODD)))]
    kind = int(rng.integers(6))
    if kind == 0:
        parts.version = int(rng.choice([-1, 0, 1, 2, 3, 4, 5, 2**31]))
        return parts.assemble()
    if kind == 1:
        return parts.assemble(tail=rng.bytes(int(rng.integers(1, 9))))
    if kind == 2:
        return parts.assemble([(f"{name}/data_offsets", [odd, len(data)])])
    if kind == 3:
        return parts.assemble([(f"{name}/shape", [odd, odd])])
    if kind == 4:
        return parts.assemble(
            [(f"{name}/dtype", str(rng.choice(["F64", "BF16", "F8_E4M3", "f32"])))]
        )
    return parts.assemble([(f"{name}/{rng.choice(['dtype', 'shape', 'data_offsets'])}", odd)])


class Program:
    """load_cases, which is given files and answers with a line for each."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.answers = open(self.process.stdout.fileno(), closefd=False)  # noqa: SIM115

    def load(self, raw: bytes) -> tuple[str, str]:
        """Verdict and the rest of the line; ``RuntimeError`` if the program died."""
        with contextlib.suppress(BrokenPipeError):  # the answer says it
            self.process.stdin.write(struct.pack("<Q", len(raw)) + raw)
        verdict, _, rest = self.answers.readline().rstrip("\n").partition(" ")
        if not verdict:
            raise RuntimeError(f"the C reader died with code {self.process.wait()}")
        return verdict, rest

    def close(self) -> None:
        """End it; ``RuntimeError`` if it found fault with itself at the end, such as a leak."""
        self.process.stdin.close()
        self.answers.close()
        self.process.stdout.close()
        if self.process.wait():
            raise RuntimeError(f"the C reader ended with code {self.process.returncode}")


def python_reads(path: Path) -> tuple[runtime.Session | None, str]:
    """The session, or the reason; any error but that of a wrong file is raised."""
    try:
        return runtime.load(path), ""
    except files.FileFormatError as error:
        return None, str(error)


def logits(session: runtime.Session) -> str:
    """The answer to the numbers that load_cases runs, as it prints them."""
    shape = session.artifact.graph.input
    x = (np.arange(np.prod(shape)) % 7 - 3).astype(np.float32).reshape(1, *shape)
    return session.run(x).tobytes().hex()


def compare(raw: bytes, verdict: str, rest: str, path: Path) -> str:
    """What came of a file; ``AssertionError`` if the readers disagree."""
    path.write_bytes(raw)
    session, reason = python_reads(path)
    if verdict == "refused":
        stricter = any(known in rest for known in STRICTER)
        assert session is None or stricter, f"Python takes it; C: {rest}"
        return "refused by C alone" if session else "refused"
    assert session is not None, f"C takes it; Python: {reason}"
    if verdict == "loaded":
        assert rest == logits(session), "the logits differ"
    return verdict


def main(arguments: list[str] | None = None) -> collections.Counter[str]:
    """Compare the readers; the file of the first disagreement is kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    outcomes: collections.Counter[str] = collections.Counter()
    program = Program(options.program)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.grove"
        for number, raw in enumerate(mutations(options.count, options.seed)):
            try:
                outcomes[compare(raw, *program.load(raw), path)] += 1
            except BaseException as error:
                kept = Path(tempfile.gettempdir()) / f"bitgrove-fuzz-{options.seed}-{number}.grove"
                kept.write_bytes(raw)
                error.add_note(f"file {number} of seed {options.seed}: {kept}")
                raise
    program.close()
    return outcomes


if __name__ == "__main__":
    for outcome, times in sorted(main().items()):
        print(f"{times:6} {outcome}")
