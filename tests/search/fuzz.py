"""Damages and forges index files at random, and uses what still loads.

Run as a program with a file to damage, a place to write to, the number of files and a seed; prints
counts as JSON. Nothing may happen but a ``ValueError`` that names the file, or an index that can be
used; a crash ends the program with a signal and leaves the file that caused it.
"""

import faulthandler
import hashlib
import io
import json
import random
import resource
import sys
import zlib
from collections import Counter

import numpy as np

from bitgrove import files
from bitgrove.search import load

PREAMBLE, RECORD, PAGE, BLOCK = 64, 64, 4096, 1 << 20
VALUES = [
    -1, 0, 1, 2, 9, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63, 2**64, 10**50, -0.5,
    1.5, 1e300, 1e308, True, False, None, "", "x", "l2", "hamming", "uint8", [], [0], [1, 2],
    {}, {"a": 1},
]  # fmt: skip


def sealed(raw):
    """The bytes with checksums that fit, where there is a header to read them from."""
    try:
        length = int.from_bytes(raw[16:24], "little")
        head = json.loads(raw[PREAMBLE : PREAMBLE + length])
        at = PREAMBLE + length
        for section in head["sections"]:
            size = int(np.prod(section[2])) * np.dtype(section[1]).itemsize
            end = min(len(raw), at + -(-size // PAGE) * PAGE)
            section[3] = [zlib.crc32(raw[i : min(end, i + BLOCK)]) for i in range(at, end, BLOCK)]
            at = end
    except (ValueError, TypeError, KeyError, IndexError):
        return raw
    return with_header(raw, head)


def with_header(raw, head):
    """The bytes with another header under checksums that fit; sections keep their places."""
    length = int.from_bytes(raw[16:24], "little")
    text = json.dumps(head, separators=(",", ":")).encode().ljust(length)[:length]
    raw = bytearray(raw)
    raw[PREAMBLE : PREAMBLE + length] = text
    raw[32:48] = hashlib.blake2b(text, digest_size=16).digest()
    raw[60:64] = zlib.crc32(raw[:60]).to_bytes(4, "little")
    return bytes(relinked(raw))


def relinked(raw):
    """The records of the log with the identity of the sections and checksums that fit."""
    at, previous = int.from_bytes(raw[24:32], "little"), bytes(4)
    while at + RECORD <= len(raw) and raw[at : at + 4] == b"\x93LOG":
        length = int.from_bytes(raw[at + 16 : at + 24], "little")
        end = -(-(at + RECORD + length) // PAGE) * PAGE
        if length:
            raw[at + 4 : at + 8] = zlib.crc32(raw[at + RECORD : end]).to_bytes(4, "little")
        raw[at + 24 : at + 40] = raw[32:48]
        raw[at + 40 : at + 44] = previous
        previous = zlib.crc32(raw[at : at + 60]).to_bytes(4, "little")
        raw[at + 60 : at + 64] = previous
        if not length:
            break
        at = end
    return raw


class Forger:
    """Makes one bad file after another from a good one."""

    def __init__(self, good, rng):
        self.good, self.rng = good, rng
        self.base = int.from_bytes(good[24:32], "little")
        self.length = int.from_bytes(good[16:24], "little")
        self.arrays, self.settings = self.contents()

    def contents(self):
        file = io.BytesIO(self.good)
        header = files.read_header(file, kind="index", version=2)
        return files.read_arrays(file, header), header.metadata

    def flip(self):
        data = bytearray(self.good)
        for _ in range(self.rng.choice([1, 1, 3, 20])):
            data[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
        return bytes(data)

    def cut(self):
        return self.good[: self.rng.randrange(len(self.good))]

    def splice(self):
        data = bytearray(self.good)
        unit = self.rng.choice([1, 64, PAGE])
        at, other = (self.rng.randrange(len(data) // unit) * unit for _ in range(2))
        count = self.rng.randrange(1, 5) * unit
        if self.rng.random() < 0.5:
            data[at:at] = data[other : other + count]
        else:
            del data[at : at + count]
        return bytes(data)

    def forge_section(self):
        """A few values of the arrays, under checksums that fit."""
        data = bytearray(self.good)
        for _ in range(self.rng.choice([1, 1, 2, 10])):
            at = self.rng.randrange(PREAMBLE + self.length, self.base)
            if self.rng.random() < 0.5:
                data[at] ^= 1 << self.rng.randrange(8)
            else:
                at -= at % 4
                value = self.rng.choice([0, 1, 2**31, 2**32 - 1, 2**32 - 2, 0x7F800000])
                data[at : at + 4] = value.to_bytes(4, "little")
        return sealed(bytes(data))

    def forge_header(self):
        """A value anywhere in the header."""
        head = json.loads(self.good[PREAMBLE : PREAMBLE + self.length])
        place = head
        while True:
            key = self.rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if isinstance(place[key], dict | list) and place[key] and self.rng.random() < 0.9:
                place = place[key]
                continue
            change = self.rng.random()
            if change < 0.7:
                place[key] = self.rng.choice(VALUES)
            elif change < 0.85:
                del place[key]
            elif isinstance(place[key], int | float):
                place[key] += self.rng.choice([-1, 1, 7])
            break
        forged = with_header(self.good, head)
        return sealed(forged) if self.rng.random() < 0.5 else forged

    def forge_preamble(self):
        data = bytearray(self.good)
        at = self.rng.choice([8, 12, 16, 16, 24, 24, 24, 48])
        value = self.rng.choice([0, 1, 63, 64, 4095, 4096, 8192, 2**32, 2**40, 2**63, 2**64 - 1])
        data[at : at + 8] = value.to_bytes(8, "little")
        data[60:64] = zlib.crc32(data[:60]).to_bytes(4, "little")
        return bytes(data)

    def forge_arrays(self):
        """Arrays of other shapes and types, and other settings, in a file that is all right."""
        arrays = dict(self.arrays)
        name = self.rng.choice(sorted(arrays))
        array = arrays[name]
        match self.rng.randrange(6):
            case 0:
                arrays[name] = array[: self.rng.randrange(len(array) + 1)]
            case 1:
                arrays[name] = np.concatenate([array, array])
            case 2:
                arrays[name] = array[..., : array.shape[-1] // 2]
            case 3:
                arrays[name] = array.astype(self.rng.choice(["uint8", "int64", "float32"]))
            case 4:
                arrays[name] = array[None]
            case 5:
                del arrays[name]
        file = io.BytesIO()
        with np.errstate(all="ignore"):
            files.write_sections(file, arrays, self.settings, kind="index", version=2)
        return file.getvalue()

    def forge_log(self):
        """Bytes of the log, under checksums that fit."""
        data = bytearray(self.good)
        at = self.base
        for _ in range(self.rng.choice([1, 1, 4])):
            end = min(len(data), at + self.rng.choice([64, 100, 300, 9000]))
            place = self.rng.randrange(at, end)
            if self.rng.random() < 0.3:
                place -= place % 8
                value = self.rng.choice([0, 1, 3, 2**32, 2**63, 2**64 - 1])
                data[place : place + 8] = value.to_bytes(8, "little")
            else:
                data[place] = self.rng.randrange(256)
        return bytes(relinked(data))

    def file(self):
        ways = [self.flip, self.cut, self.splice, self.forge_preamble]
        ways += 3 * [self.forge_section, self.forge_header, self.forge_arrays, self.forge_log]
        way = self.rng.choice(ways)
        return way.__name__, way()


def use(index, rng, folder):
    """Whatever an index is for; content that no checksum can tell from the right one may refuse."""
    try:
        found = index.search(index.vectors[:20], 3, threads=1)
        assert found.ids.shape == (min(20, len(index)), 3)
        index.add(index.vectors[:2].copy(), np.array([10**12, 10**12 + 1]))
        ids = index.ids
        if len(ids) and hasattr(index, "remove"):
            index.remove(ids[rng.randrange(len(ids))][None].copy())
        index.search(index.vectors[:5], 3, threads=1)
        index.save(folder + ".saved", rewrite=True)
    except (ValueError, TypeError) as error:  # TypeError: it now takes rows of another dtype
        if not str(error):
            raise AssertionError("an error without a message") from error


def main(source, target, count, seed):
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    rng = random.Random(seed)
    with open(source, "rb") as file:  # noqa: PTH123
        forger = Forger(file.read(), rng)
    outcomes = Counter()
    for _ in range(count):
        way, raw = forger.file()
        with open(target, "wb") as file:  # noqa: PTH123
            file.write(raw)
        mmap = rng.random() < 0.5
        try:
            index = load(target, mmap, verify=rng.choice([None, True]))
        except ValueError as error:
            if str(target) not in str(error):
                raise AssertionError("an error that does not name the file") from error
            outcomes[way, "refused"] += 1
        else:
            outcomes[way, "loaded"] += 1
            use(index, rng, target)
    print(json.dumps({" ".join(key): number for key, number in sorted(outcomes.items())}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
