"""``bitgrove hash fit``, ``encode`` and ``evaluate``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import App, Parameter
from cyclopts.validators import Number

from ..files import check_writable, replacing
from ._arguments import Count, Threads
from ._hash_encoders import encode_rows, make, read_encoder
from ._hash_rows import Kind, of_source, task_of, training_rows, whole
from ._hash_table import lines_of, measured
from ._pictures import shown

Seed = Annotated[int, Parameter(validator=Number(gte=0, lt=1 << 32))]
Settings = Annotated[list[str], Parameter(name="--set", negative="")]


hash_ = App(name="hash", help="Learn codes of features, write them, and measure their rankings.")


@hash_.command
def fit(
    features: str,
    /,
    *,
    out: Path,
    method: str = "itq",
    bits: Count = 32,
    settings: Settings | None = None,
    protocol: str | None = None,
    kind: Kind = "pixels",
    key: str | None = None,
    labels: Path | None = None,
    seed: Seed = 0,
) -> None:
    """Learn an encoder from features and save it: a file of numbers, no pickle.

    Parameters
    ----------
    features:
        A file .npy, .npz, .fvecs, .bvecs or .parquet of rows, a built-in data set, or a folder of
        pictures with one sub-folder for each class. The test part of pictures is left out.
    out:
        The file to write; an existing one is replaced at the end.
    method:
        How to learn: itq, pcah, lsh, spectral, uh-bdnn, deep-hashing; with labels cca-itq, sdh,
        sh-bdnn, supervised-deep-hashing, class-codes, dsh, triplet, subic, greedy-hash, csq,
        ortho-hash; bi-half needs none.
    bits:
        Length of a code, any number.
    settings:
        A parameter of the method, as NAME=VALUE, such as iterations=100. May be given several
        times.
    protocol:
        Learn from the rows that this protocol sets apart for it, with the same seed as evaluate.
    kind:
        What pictures become: their pixels, or gist, 320 numbers.
    key:
        The array or column of the rows, in a file that holds several.
    labels:
        A file .npy or .npz of labels, instead of those of the source.
    seed:
        Of the method and of the protocol's split.
    """
    check_writable(out)
    encoder = make(method, bits, settings or [], seed)
    rows = of_source(features, kind, key, labels)
    learnt = training_rows(rows, protocol, seed)
    started = time.perf_counter()
    encoder.fit(learnt.rows, learnt.labels)
    took = time.perf_counter() - started
    encoder.save(out)
    print(
        f"{shown(str(out))}: {type(encoder).__name__}, {bits} bits of "
        f"{learnt.rows.shape[1]:,} features, learnt from {len(learnt):,} rows in {took:.1f} s, "
        f"{out.stat().st_size:,} bytes"
    )


@hash_.command
def encode(
    encoder: Path,
    features: str,
    /,
    *,
    out: Path,
    part: Literal["all", "train", "test"] = "all",
    kind: Kind = "pixels",
    key: str | None = None,
) -> None:
    """Write the codes of features: uint8 rows in np.packbits order, padding bits zero.

    Parameters
    ----------
    encoder:
        A file that 'hash fit' wrote.
    features:
        As for 'hash fit'.
    out:
        The .npy file to write; an existing one is replaced at the end.
    part:
        Of pictures: those to learn from, the test part, or all, in this order.
    kind:
        As for 'hash fit'.
    key:
        As for 'hash fit'.
    """
    check_writable(out)
    if out.suffix != ".npy":
        raise ValueError(f"--out must end with .npy, got {out}")
    learnt = read_encoder(encoder)
    rows = of_source(features, kind, key, None)
    if part != "all" and rows.test is None:
        raise ValueError(f"{features} is not divided: leave out --part {part}")
    parts = {"train": [rows.train], "test": [rows.test], "all": [rows.train, rows.test]}[part]
    codes = np.concatenate(
        [encode_rows(learnt, each.rows, features) for each in parts if each is not None]
    )
    with replacing(out) as file:
        np.save(file, codes)
    print(f"{shown(str(out))}: {len(codes):,} codes of {learnt.bits} bits, {codes.nbytes:,} bytes")


@hash_.command
def evaluate(
    encoder: Path,
    database: str,
    /,
    *,
    queries: str | None = None,
    protocol: str | None = None,
    neighbours: Count | None = None,
    labels: Path | None = None,
    query_labels: Path | None = None,
    kind: Kind = "pixels",
    key: str | None = None,
    seed: Seed = 0,
    threads: Threads | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Rank a database for every query, and print how right that is.

    By Hamming distance; codes of subic by look-ups, for queries that keep their real numbers. Ties
    are counted right: the mean over every order of rows that are equally near (over some random
    ones where the score is 21-point interpolated), and the bounds that no order crosses.

    Parameters
    ----------
    encoder:
        A file that 'hash fit' wrote.
    database:
        The rows to rank, as for 'hash fit'. Of pictures the test part asks, and the others are
        ranked, unless the protocol says otherwise.
    queries:
        The rows that ask, in a file of their own.
    protocol:
        Split, truth and score of a published table, such as uh-bdnn, sh-bdnn, cifar10-1, dsh or
        subic, which takes codes of subic alone. Figures of different protocols must not be
        compared.
    neighbours:
        Without a protocol: right are so many nearest rows by Euclidean distance. By default right
        is who has the same label.
    labels:
        A file .npy or .npz of the database's labels.
    query_labels:
        Likewise of the queries.
    kind:
        As for 'hash fit'.
    key:
        As for 'hash fit'.
    seed:
        Of the protocol's split: that of 'hash fit'.
    threads:
        Threads that share the work; by default one for each CPU.
    json_:
        Print one JSON object instead of the table.
    """
    learnt = read_encoder(encoder)
    rows = of_source(database, kind, key, labels)
    asked = None if queries is None else whole(of_source(queries, kind, key, query_labels))
    if query_labels is not None and queries is None:
        raise ValueError("--query-labels are those of --queries, which are not given")
    if protocol is not None and neighbours is not None:
        raise ValueError("--protocol says what is right: leave out --neighbours")
    task = task_of(rows, asked, protocol, neighbours, seed, threads)
    found = measured(learnt, task, database, threads)
    if json_:
        json.dump(found, sys.stdout, indent=2)
        print()
    else:
        print("\n".join(lines_of(found)))
