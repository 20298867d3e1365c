"""The README's table of ``results/search.json``: queries per second of each library at a recall."""

from __future__ import annotations

from typing import Any

OURS = "bitgrove"
TARGETS = ("0.95", "0.99")


def search(record: dict[str, Any]) -> str:
    """Rows for every library, fastest first; then codes, and what it was measured on."""
    parts = [record[name] for name in ("sift", "embeddings") if name in record]
    named = {"sift": "SIFT", "embeddings": "floats"}
    heads = [named[name] for name in ("sift", "embeddings") if name in record]
    columns = [f"{head}, recall {target}" for head in heads for target in TARGETS]
    lines = [
        f"| one thread, queries per second | {' | '.join(columns)} | build | bytes a row |",
        f"| --- |{' --- |' * (len(columns) + 2)}",
    ]
    libraries = {name for part in parts for name in part["libraries"].values()}
    for library in sorted(libraries, key=lambda name: -_speed(parts[0], name)):
        cells = [_cell(part, library, target) for part in parts for target in TARGETS]
        if any(cell != "–" for cell in cells):
            name = f"**{library}**" if library == OURS else library
            lines.append(f"| {name} | {' | '.join([*cells, *_costs(parts[0], library)])} |")
    lines += ["", _note(record)]
    return "\n".join(lines)


def _speed(part: dict[str, Any], library: str) -> float:
    return part["threads"]["1"]["qps_at_recall"]["0.95"].get(library) or 0.0


def _cell(part: dict[str, Any], library: str, target: str) -> str:
    """``5,200 (6.1×)``: queries per second, and how many times faster we are."""
    one = part["threads"]["1"]
    speed = one["qps_at_recall"][target].get(library)
    if not speed:
        return "–"
    ratio = one["times_faster"][target].get(library)
    return f"{speed:,.0f}" + (f" ({ratio[1]:.1f}×)" if ratio else "")


def _costs(part: dict[str, Any], library: str) -> list[str]:
    """Processor seconds to build on two threads, and bytes of the saved index for each row."""
    names = [name for name, own in part["libraries"].items() if own == library]
    builds = [part["builds"].get(name, {}) for name in names]
    times = [build["2"]["cpu_seconds"] for build in builds if "2" in build]
    sizes = [part["memory"][n]["stored_bytes_a_row"] for n in names if n in part["memory"]]
    return [
        f"{min(times):.0f} s" if times else "–",
        f"{min(sizes):.0f}" if sizes else "–",
    ]


def _note(record: dict[str, Any]) -> str:
    rows = next(part["rows"] for name, part in record.items() if name in ("sift", "embeddings"))
    texts = [
        f"{rows:,} SIFT descriptors computed from BSDS500 (held as uint8 where a library can) and "
        f"as many float embeddings of 128 dimensions; recall of the ten nearest; in brackets how "
        "many times faster bitgrove is, the median over rounds in which all take turns. Every "
        "library at its best settings among those tried. Build: processor seconds for SIFT, on two "
        "threads, ours and hnswlib's one after the other, the others' at other hours of a machine "
        "whose speed changes; bytes: of the saved index."
    ]
    if "codes" in record:
        one = record["codes"]["threads"]["1"]
        ours = one["qps_at_recall"]["0.95"].get(OURS)
        ratio = one["times_faster"]["0.95"].get("faiss IndexBinaryHNSW")
        if ours and ratio:
            texts.append(
                f"Codes of 256 bits, Hamming, recall 0.95: {ours:,.0f} queries per second, "
                f"{ratio[1]:.1f}× faiss IndexBinaryHNSW."
            )
    machine = record["environment"]
    texts.append(f"{machine['cpu']}, by `benchmarks/search.py`.")
    return " ".join(texts)
