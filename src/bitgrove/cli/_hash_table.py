"""How right a ranking is, measured and printed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..interfaces import PackedCodes
from ._hash_encoders import encode_rows
from ._hash_rows import Task
from ._pictures import shown

if TYPE_CHECKING:
    from ..hashing import HashEncoder

_RADIUS = 2


def measured(encoder: HashEncoder, task: Task, name: str, threads: int | None) -> dict[str, Any]:
    """Codes, and all scores of their rankings, as JSON values."""
    started = time.perf_counter()
    queries = PackedCodes(encode_rows(encoder, task.queries, "the queries"), encoder.bits)
    database = PackedCodes(encode_rows(encoder, task.database, name), encoder.bits)
    encoded = time.perf_counter()
    scores = _protocol_scores(task, queries, database, threads)
    ranked = time.perf_counter()
    rows = len(queries) + len(database)
    return {
        "encoder": type(encoder).__name__,
        "bits": encoder.bits,
        "data": name,
        "queries": len(queries),
        "database": len(database),
        "truth": task.truth,
        **scores,
        "encoding_ms_per_row": 1e3 * (encoded - started) / rows,
        "ranking_ms_per_query": 1e3 * (ranked - encoded) / len(queries),
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
        ("", ""),
        ("mAP", _share(found["map"]) + "  mean over every order of equal distances"),
        ("at least", _share(found["map_pessimistic"])),
        ("at most", _share(found["map_optimistic"])),
        (f"precision r <= {_RADIUS}", _share(found["precision_within_2"])),
        ("empty balls", _share(found["empty_balls"]) + "  of the queries; they count 0"),
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


def _protocol_scores(
    task: Task, queries: PackedCodes, database: PackedCodes, threads: int | None
) -> dict[str, Any]:
    from ..metrics import distance_histograms

    table = task.protocol
    if table is not None:
        ids = {}
        if task.ids is not None:
            ids = {"query_ids": task.ids[0], "database_ids": task.ids[1]}
        scores = table.evaluate(queries, database, task.relevant, threads=threads, **ids)
        return {
            "protocol": table.name,
            "not_checked": table.not_checked,
            "map": scores.mean_average_precision,
            "map_optimistic": scores.optimistic,
            "map_pessimistic": scores.pessimistic,
            "precision_within_2": scores.precision_within_2,
            "empty_balls": scores.empty_balls,
        }
    found = distance_histograms(queries, database, task.relevant, threads=threads)
    near = found.precision_within_radius(min(_RADIUS, queries.bits))
    return {
        "protocol": None,
        "not_checked": None,
        "map": found.mean_average_precision(),
        "map_optimistic": found.mean_average_precision(ties="optimistic"),
        "map_pessimistic": found.mean_average_precision(ties="pessimistic"),
        "precision_within_2": near.precision,
        "empty_balls": near.empty,
    }


def _published(task: Task, name: str, bits: int) -> list[dict[str, Any]]:
    if task.protocol is None:
        return []
    return [
        {"method": each.method, "value": each.value, "source": each.source}
        for each in task.protocol.published
        if each.dataset == name and each.bits == bits
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
