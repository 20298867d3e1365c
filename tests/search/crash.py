"""Kills processes that change and save an index, and looks at what they leave.

Run as a program with a folder, the number of kills and a seed; prints counts as JSON.
"""

import json
import os
import random
import select
import signal
import sys
import time
from pathlib import Path

import numpy as np

from bitgrove.search import Fanng

DIM = 6


def row_of(id_):
    """The row that an id stands for, so that what is found can be checked."""
    return np.random.default_rng(id_).standard_normal(DIM).astype(np.float32)


def rows_of(ids):
    return np.stack([row_of(int(id_)) for id_ in ids])


def change_and_save(path, seed, pipe):
    """Load, then add and save for ever; tell every id range before and after it is saved."""
    rng = random.Random(seed)
    index = Fanng.load(path, mmap=rng.random() < 0.5)
    following = int(index.ids.max()) + 1
    while True:
        count = rng.choice([1, 2, 5, 40])
        ids = np.arange(following, following + count)
        index.add(rows_of(ids), ids)
        following += count
        index.save(path, rewrite=rng.random() < 0.2)
        os.write(pipe, f"{following}\n".encode())


def last_acknowledged(pipe):
    """The end of the ids that were acknowledged, if any was."""
    with os.fdopen(pipe, "rb") as lines:
        told = lines.read()
    whole = told[: told.rfind(b"\n") + 1].split()
    return int(whole[-1]) if whole else None


def check(path, acknowledged, mmap):
    """All that was acknowledged is there and is right, and at most one save more."""
    index = Fanng.load(path, mmap=mmap)
    ids = np.sort(index.ids)
    assert (ids == np.arange(len(ids))).all()
    assert acknowledged <= len(ids) <= acknowledged + 40, (acknowledged, len(ids))
    np.testing.assert_array_equal(index.vectors, rows_of(index.ids))
    found = index.search(index.vectors, 1, threads=1)
    assert (found.ids[:, 0] == index.ids).mean() > 0.99
    return len(ids)


def first_index(path):
    index = Fanng(DIM)
    index.add(rows_of(range(100)))
    index.build(threads=1)
    index.save(path)
    return 100


def main(folder, kills, seed):
    path = Path(folder) / "index"
    rng = random.Random(seed)
    counts = {"kills": 0, "acknowledged": 0, "unacknowledged": 0, "left behind": 0}
    acknowledged = first_index(path)
    for kill in range(kills):
        if acknowledged > 600:
            acknowledged = first_index(path)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.close(reading)
                change_and_save(path, kill, writing)
            finally:
                os._exit(1)
        os.close(writing)
        if kill % 2:  # wait until it works, however busy the machine is
            assert select.select([reading], [], [], 30)[0]
        time.sleep(rng.uniform(0.0, 0.05))
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        told = last_acknowledged(reading) or acknowledged
        held = check(path, told, mmap=kill % 2 == 0)
        counts["kills"] += 1
        counts["acknowledged"] += told - acknowledged
        counts["unacknowledged"] += held > told
        acknowledged = held
        for other in path.parent.glob(".index.*.tmp"):  # of a save that was killed
            counts["left behind"] += 1
            other.unlink()
    print(json.dumps(counts))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
