"""How right a ranking is, measured and printed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..interfaces import PackedCodes
from ._hash_encoders import check_width, encode_rows
from ._hash_rows import Task
from ._pictures import shown

if TYPE_CHECKING:
    from ..hashing import HashEncoder, SuBiC
    from ..metrics import Protocol, RetrievalScores

_RADIUS = 2
_HAMMING = "Hamming distance"
_LOOK_UPS = "real-valued queries against codes, looked up and added"


def measured(encoder: HashEncoder, task: Task, name: str, threads: int | None) -> dict[str, Any]:
    """Codes, and all scores of their rankings, as JSON values.

    Raises:
        ValueError: the protocol ranks by real queries, which only SuBiC's codes are made for.
    """
    from ..hashing import SuBiC

    table = task.protocol
    if table is not None and table.asymmetric and not isinstance(encoder, SuBiC):
        raise ValueError(
            f"{table.name} ranks codes of blocks by real-valued queries, which "
            f"{type(encoder).__name__} does not make: learn with --method subic, or choose another "
            "protocol"
        )
    if isinstance(encoder, SuBiC):
        by, (scores, encoding, ranking) = _LOOK_UPS, _by_look_ups(encoder, task, name, threads)
    else:
        by, (scores, encoding, ranking) = _HAMMING, _by_distance(encoder, task, name, threads)
    asked, held = len(task.queries), len(task.database)
    drawn = scores.sampled
    return {
        "encoder": type(encoder).__name__,
        "bits": encoder.bits,
        "data": name,
        "queries": asked,
        "database": held,
        "truth": task.truth,
        "ranking": by,
        "protocol": None if table is None else table.name,
        "not_checked": None if table is None else table.not_checked,
        "map": scores.mean_average_precision,
        "map_optimistic": scores.optimistic,
        "map_pessimistic": scores.pessimistic,
        "map_sampled": None if drawn is None else drawn._asdict(),
        "precision_within_2": scores.precision_within_2,
        "empty_balls": scores.empty_balls,
        "encoding_ms_per_row": 1e3 * encoding / (asked + held),
        "ranking_ms_per_query": 1e3 * ranking / asked,
        "published": _published(task, name, encoder.bits),
    }


def lines_of(found: Mapping[str, Any]) -> list[str]:
    """The table that a person reads."""
    rows = [
        ("encoder", f"{found['encoder']}, {found['bits']} bits"),
        ("data", shown(found["data"])),
        ("protocol", found["protocol"] or "none: the whole ranking, rectangle"),
        ("queries", f"{found['queries']:,}"),
        ("database", f"{found['database']:,}"),
        ("right is", found["truth"]),
        ("ranked by", found["ranking"]),
        ("", ""),
        ("mAP", _mean(found)),
        ("at least", _share(found["map_pessimistic"])),
        ("at most", _share(found["map_optimistic"])),
        (f"precision r <= {_RADIUS}", _share(found["precision_within_2"])),
        ("empty balls", _share(found["empty_balls"]) + "  of the queries; they count 0"),
    ]
    if found["empty_balls"] is None:  # there is no radius
        rows = rows[:-2]
    rows += [
        ("encoding", f"{found['encoding_ms_per_row']:.4f} ms a row"),
        ("ranking", f"{found['ranking_ms_per_query']:.3f} ms a query, scores included"),
    ]
    lines = [f"{head:<18}{text}".rstrip() for head, text in rows]
    if found["not_checked"]:
        lines += ["", f"not read in a primary source: {found['not_checked']}"]
    if found["published"]:
        lines += ["", "published under this protocol:"]
        lines += [
            f"  {each['method']:<22}{_share(each['value'])}  {each['source']}"
            for each in found["published"]
        ]
    return lines


Scored = tuple["RetrievalScores", float, float]
"""With the seconds that encoding and ranking took."""


def _by_distance(encoder: HashEncoder, task: Task, name: str, threads: int | None) -> Scored:
    started = time.perf_counter()
    queries = PackedCodes(encode_rows(encoder, task.queries, "the queries"), encoder.bits)
    database = PackedCodes(encode_rows(encoder, task.database, name), encoder.bits)
    encoded = time.perf_counter()
    table, ids = _table(task)
    scores = table.evaluate(queries, database, task.relevant, threads=threads, **ids)
    return scores, encoded - started, time.perf_counter() - encoded


def _by_look_ups(encoder: SuBiC, task: Task, name: str, threads: int | None) -> Scored:
    started = time.perf_counter()
    index = encoder.index(encode_rows(encoder, task.database, name))
    check_width(encoder, task.queries, "the queries")
    queries = encoder.decision_function(task.queries).astype(np.float32)
    encoded = time.perf_counter()
    table, ids = _table(task)
    scores = table.evaluate_scores(
        index.scores(queries), task.relevant, higher_is_better=True, threads=threads, **ids
    )
    return scores, encoded - started, time.perf_counter() - encoded


def _table(task: Task) -> tuple[Protocol, dict[str, Any]]:
    """The protocol, or the plain score of the whole ranking, and who is who."""
    from ..metrics import Protocol

    ids = {} if task.ids is None else {"query_ids": task.ids[0], "database_ids": task.ids[1]}
    if task.protocol is not None:
        return task.protocol, ids
    truth = task.relevant
    kind = "labels" if truth.neighbours is None else "neighbours"
    return Protocol("none", "", kind, None, neighbours=truth.neighbours), ids


def _published(task: Task, name: str, bits: int) -> list[dict[str, Any]]:
    if task.protocol is None:
        return []
    return [
        {"method": each.method, "value": each.value, "source": each.source}
        for each in task.protocol.published
        if each.dataset == name and each.bits == bits
    ]


def _mean(found: Mapping[str, Any]) -> str:
    drawn = found["map_sampled"]
    if drawn is None:
        return _share(found["map"]) + "  mean over every order of equally near rows"
    return (
        f"{_share(drawn['mean'])}  mean over {drawn['orders']} random orders of equally near rows, "
        f"standard error {drawn['standard_error']:.5f}"
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
