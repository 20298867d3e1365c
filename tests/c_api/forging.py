"""Wrong ``.grove`` files with right checksums, so that what they claim is really looked at."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Blob(NamedTuple):
    """A tensor as the container has it."""

    name: str
    dtype: str
    shape: list[Any]
    data: bytes


@dataclass
class Parts:
    """A file taken apart; the container's checksums are made anew by :meth:`assemble`."""

    kind: str
    version: int
    metadata: str
    blobs: list[Blob]

    @classmethod
    def of(cls, raw: bytes) -> Parts:
        length = struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8 : 8 + length])
        head = json.loads(header.pop("__metadata__")["bitgrove"])
        data = raw[8 + length :]
        blobs = [
            Blob(name, entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
            for name, entry in header.items()
        ]
        return cls(head["kind"], head["version"], head["metadata"], blobs)

    def assemble(self, edits: Sequence[tuple[str, Any]] = (), tail: bytes = b"") -> bytes:
        """The file; ``edits`` overwrite entries of the header, as paths with "/" between keys."""
        header: dict[str, Any] = {}
        at = 0
        for name, dtype, shape, data in self.blobs:
            offsets = [at, at + len(data)]
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
            at += len(data)
        for path, value in edits:
            *inner, last = path.split("/")
            target = header
            for key in inner:
                target = target[key]
            target[last] = value
        entries = sorted((name, [e.get("dtype"), e.get("shape")]) for name, e in header.items())
        described = json.dumps([self.kind, self.version, self.metadata, entries]).encode()
        sums = {blob.name: zlib.crc32(blob.data) for blob in self.blobs if blob.data}
        head = {
            "kind": self.kind,
            "version": self.version,
            "metadata": self.metadata,
            "crc32": zlib.crc32(described),
            "tensors_crc32": sums,
        }
        text = json.dumps({"__metadata__": {"bitgrove": json.dumps(head)}} | header).encode()
        return struct.pack("<Q", len(text)) + text + b"".join(b.data for b in self.blobs) + tail


ODD: list[Any] = [
    *(-1, 0, 1, 2, 3, 7, 8, 9, 16, 255, 256, 4097, 65_535, 65_536, 65_537, 2**24, 2**24 + 1),
    *(2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, 10**400, -(2**63), -(2**70)),
    *(0.5, 1.0, -0.0, 1e-6, 1e-320, 1e30, 1.1e30, 1e300, True, False, None),
    *("", "relu", "conv2d", "sign", "weight", "nearest", "é木\U0001f333", "\0", "x" * 300),
    *([], {}, [1], [1, 1], [0, 0], [[1]], {"groups": 1}, ["weight"], [True, True]),
]


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every (container, key) inside a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        found.append((value, key))
        if isinstance(value[key], dict | list):
            _places(value[key], found)
    return found


def mutate(value: Any, rng: np.random.Generator) -> None:
    """Change one to three things in a JSON value, in place."""
    for _ in range(int(rng.integers(1, 4))):
        places = _places(value, [])
        if not places:
            return
        target, key = places[int(rng.integers(len(places)))]
        other, other_key = places[int(rng.integers(len(places)))]
        kind = int(rng.integers(8))
        if kind < 3:
            target[key] = ODD[int(rng.integers(len(ODD)))]
        elif kind == 3 and type(target[key]) in (int, float):
            target[key] = target[key] + int(rng.integers(-2, 3)) * 2 ** int(rng.integers(4))
        elif kind == 4:
            del target[key]
        elif kind == 5:  # a copy from elsewhere
            target[key] = json.loads(json.dumps(other[other_key]))
        elif kind == 6 and isinstance(target, list):
            target.insert(int(rng.integers(len(target) + 1)), target[key])
        elif isinstance(target, dict):
            target[str(rng.choice(["extra", "groups", "shared", "bias"]))] = ODD[
                int(rng.integers(len(ODD)))
            ]
