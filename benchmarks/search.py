r"""Our graph against other libraries, in one process, on the same queries, in alternation.

Sections: ``sift`` (1M real SIFT descriptors, integers), ``embeddings`` (1M float embeddings of a
network), ``codes`` (1M x 256 bits, graphs) and ``flat`` (exact search among codes of 64, 128 and
256 bits). Recall counts a returned row that is not farther than the k-th true neighbour.

    python benchmarks/make_embeddings.py $BITGROVE_DATA/embeddings --pictures DIR
    python benchmarks/search.py --cache DIR --out benchmarks/results/search.json
    python benchmarks/search.py --cache DIR --quick      50,000 rows, for a first look

The data are ``$BITGROVE_DATA/sift`` and ``$BITGROVE_DATA/embeddings``, folders with ``base.npy``,
``query.npy`` and ``gt_dist.npy``. ``--cache`` keeps what takes long: each library's builds, with
their times beside them, and the tuning of each build: every setting of its grid on 500 queries, of
which the Pareto front is kept. Where a library has several builds, those within 15 % of its best
at recall 0.95 or 0.99 are measured. Then every round gives every setting of every library one
turn on a fifth of the queries; medians over the rounds count.

Peers are built, where the cache lacks them, each in a process of its own; a million rows take some
minutes each. To time two builds against each other in a quiet moment:

    python benchmarks/search.py --cache DIR --only sift --builds-only --build-threads 2 \
        --libraries bitgrove hnswlib --rebuild bitgrove hnswlib_m16_c200

A library that is not installed or fails becomes an entry of ``failed`` and the others go on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from _environment import environment
from _search_build import build, build_apart, build_times, built, stored_bytes
from _search_curves import Point, worth_measuring
from _search_data import Data, described, load, load_codes
from _search_report import ratios, speeds, text
from _search_rounds import Loaded, measure, one_at_a_time, threads_of_all, tune
from _search_rounds import load as load_index
from _search_variants import OURS, Variant, bit_variants, variants

SECTIONS = ("sift", "embeddings", "codes", "flat")
QUICK_ROWS = 50_000
BITS = (64, 128, 256)


def main() -> None:
    arguments = parsed()
    if arguments.build_here:
        data = data_of(arguments.data, arguments)
        variant = {v.name: v for v in all_variants(arguments.data, data)}[arguments.build_here]
        build(arguments.cache, data, variant, arguments.build_threads, not arguments.discard)
        return
    out = arguments.out
    record: dict[str, Any] = json.loads(out.read_text()) if out and out.exists() else {}
    for section in arguments.only:
        started, load_before = time.perf_counter(), os.getloadavg()[0]
        run = measure_flats if section == "flat" else measure_graphs
        try:
            found = run(section, arguments)
            if arguments.builds_only:
                known = record.get(section, {})
                found = known | {"builds": known.get("builds", {}) | found["builds"]}
            record[section] = found
        except Exception:
            traceback.print_exc()
            record[section] = {"failed": traceback.format_exc(limit=3)}
        seconds = round(time.perf_counter() - started)
        if not arguments.builds_only:  # what a build took says itself when it was
            record.setdefault("sections", {})[section] = {
                "seconds": seconds,
                "load_before": load_before,
                "rounds": arguments.rounds,
            }
            record["environment"] = environment()
        write(out, record)
        say(f"{section}: {seconds} s")
    if out:
        draw(record, out)
    print(text(record))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    root = os.environ.get("BITGROVE_DATA")
    parser.add_argument("--data-root", type=Path, default=root, help="default: $BITGROVE_DATA")
    parser.add_argument("--cache", type=Path, required=True, help="folder of builds and tunings")
    parser.add_argument("--out", type=Path, help="JSON file; plots are written beside it")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--libraries", nargs="+", help="only these")
    parser.add_argument("--all", action="store_true", help="also variants left out by default")
    parser.add_argument("--skip", nargs="+", default=[], help="variants to leave out")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=float, default=9.0, help="GiB of indexes held at once")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows, three rounds")
    parser.add_argument("--rows", type=int, help="only so many, with ground truth of their own")
    parser.add_argument("--no-build", action="store_true", help="leave out peers not built yet")
    parser.add_argument("--builds-only", action="store_true", help="build, and measure nothing")
    parser.add_argument("--rebuild", nargs="+", default=[], help="variants to build again")
    parser.add_argument("--retune", nargs="*", help="variants to tune again; alone: all")
    parser.add_argument("--build-threads", type=int, default=2)
    parser.add_argument("--build-here", help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--discard", action="store_true", help="--rebuild: time it, keep the old")
    arguments = parser.parse_args()
    if arguments.data_root is None:
        parser.error("say where the data are: --data-root DIR, or set BITGROVE_DATA")
    if arguments.quick:
        arguments.rounds = min(arguments.rounds, 3)
        arguments.rows = arguments.rows or QUICK_ROWS
    return arguments


def data_of(section: str, arguments: argparse.Namespace) -> Data:
    if section == "codes":
        queries = 500 if arguments.rows else 2000
        return load_codes(arguments.data_root / "embeddings", 256, arguments.rows, queries)
    return load(section, arguments.data_root / section, arguments.rows)


def all_variants(section: str, data: Data) -> list[Variant]:
    return bit_variants() if section == "codes" else variants(data.integers)


def measure_graphs(section: str, arguments: argparse.Namespace) -> dict[str, Any]:
    data = data_of(section, arguments)
    failed: dict[str, str] = {}
    chosen = [
        v
        for v in all_variants(section, data)
        if v.name not in arguments.skip
        and (not v.extra or arguments.all)
        and (not arguments.libraries or v.library in arguments.libraries)
    ]
    for variant in chosen:
        prepare(section, data, variant, arguments, failed)
    if arguments.builds_only:
        return {"builds": {v.name: build_times(arguments.cache, data.name, v) for v in chosen}}
    chosen = [v for v in chosen if v.name not in failed]
    tuned = {v.name: tuning(data, v, arguments, failed) for v in chosen}
    libraries = {v.name: v.library for v in chosen}
    kept: list[str] = []
    for library in dict.fromkeys(libraries.values()):
        own = {name: p for name, p in tuned.items() if libraries[name] == library and p}
        kept += worth_measuring(own) if own else []
    part: dict[str, Any] = {
        "rows": len(data.base),
        "dim": data.base.shape[1],
        "dtype": str(data.base.dtype),
        "queries": len(data.queries),
        "libraries": libraries,
        "tuned": {name: [as_row(p) for p in points] for name, points in tuned.items()},
        "failed": failed,
        "data": described(arguments.data_root / ("sift" if section == "sift" else "embeddings")),
        "builds": {v.name: build_times(arguments.cache, data.name, v) for v in chosen},
        "memory": {},
    }
    chosen = [v for v in chosen if v.name in kept]
    curves: dict[str, Any] = {str(t): {} for t in arguments.threads}
    alone: dict[str, float] = {}
    for group in groups(chosen, data, arguments):
        say(f"{section}: {', '.join(v.name for v in group)}")
        held = hold(group, data, arguments, part, failed)
        if not held:
            continue
        for threads in arguments.threads:
            say(f" {threads} thread(s)")
            turns = [(one, [p.setting for p in tuned[one.variant.name]]) for one in held]
            with threads_of_all(threads):
                found = measure(turns, data, threads, arguments.rounds)
            for name, points in found.items():
                curves[str(threads)].setdefault(name, points)
        with threads_of_all(1):
            near = [(one, nearest(tuned[one.variant.name])) for one in held]
            alone = one_at_a_time(near, arguments.rounds) | alone
    part["threads"] = {
        threads: {
            "curves": own,
            "qps_at_recall": speeds(own, libraries),
            "qps_at_recall_1": speeds(own, libraries, "recall_at_1"),
            "times_faster": ratios(own, libraries),
        }
        for threads, own in curves.items()
    }
    part["one_query_a_call_near_recall_0.95"] = alone
    return part


def prepare(
    section: str,
    data: Data,
    variant: Variant,
    arguments: argparse.Namespace,
    failed: dict[str, str],
) -> None:
    """Build what is missing or asked for again."""
    again = variant.name in arguments.rebuild
    if built(arguments.cache, data.name, variant) and not again:
        return
    if arguments.no_build and not again and variant.name != OURS:
        failed[variant.name] = "not built"
        return
    say(f"{section}: building {variant.name} on {arguments.build_threads} thread(s)")
    passed_on = ["--cache", str(arguments.cache), "--data-root", str(arguments.data_root)]
    passed_on += ["--rows", str(arguments.rows)] if arguments.rows else []
    keep = not (again and arguments.discard)
    if not build_apart(passed_on, variant.name, section, arguments.build_threads, keep):
        failed[variant.name] = "the build failed"


def tuning(
    data: Data, variant: Variant, arguments: argparse.Namespace, failed: dict[str, str]
) -> list[Point]:
    """The settings worth measuring, from the cache or found now."""
    path = arguments.cache / data.name / "tuning.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    again = arguments.retune is not None and (
        not arguments.retune or variant.name in arguments.retune
    )
    if variant.name not in known or again:
        say(f"tuning {variant.name}")
        folder = built(arguments.cache, data.name, variant)
        assert folder is not None
        try:
            with threads_of_all(1):
                points = tune(load_index(variant, folder, data), data)
        except Exception:
            failed[variant.name] = traceback.format_exc(limit=3)
            say(failed[variant.name])
            return []
        known[variant.name] = [as_row(p) for p in points]
        write(path, known)
    return [Point(p["recall"], p["qps"], p["setting"]) for p in known[variant.name]]


def as_row(point: Point) -> dict[str, Any]:
    return {"recall": point.recall, "qps": round(point.qps, 1), "setting": point.setting}


def nearest(points: list[Point]) -> dict[str, Any]:
    """The setting at or above recall 0.95 that is fastest, else the one of the most recall."""
    reach = [p for p in points if p.recall >= 0.95]
    best = max(reach, key=lambda p: p.qps) if reach else max(points, key=lambda p: p.recall)
    return best.setting


def groups(chosen: list[Variant], data: Data, arguments: argparse.Namespace) -> list[list[Variant]]:
    """Parts that fit in memory together; ours is in each, so that every ratio has its rounds."""
    ours = [v for v in chosen if v.name == OURS]
    limit = arguments.memory * 2**30
    found: list[list[Variant]] = []
    held = limit + 1.0
    for variant in (v for v in chosen if v.name != OURS):
        folder = built(arguments.cache, data.name, variant)
        need = 1.3 * stored_bytes(folder) if folder else 0.0
        need += 4.0 * data.base.size if "faiss" in variant.name else 0.0
        if held + need > limit:
            found.append(list(ours))
            held = 1.5 * data.base.nbytes if ours else 0.0
        found[-1].append(variant)
        held += need
    return found or [ours]


def hold(
    group: list[Variant],
    data: Data,
    arguments: argparse.Namespace,
    part: dict[str, Any],
    failed: dict[str, str],
) -> list[Loaded]:
    """Load a group; note what each needs."""
    held = []
    for variant in group:
        folder = built(arguments.cache, data.name, variant)
        assert folder is not None
        try:
            one = load_index(variant, folder, data)
        except Exception:
            failed[variant.name] = traceback.format_exc(limit=3)
            say(failed[variant.name])
            continue
        held.append(one)
        part["memory"].setdefault(
            variant.name,
            {
                "stored_bytes_a_row": round(stored_bytes(folder) / len(data.base), 1),
                "resident_bytes_a_row": round(one.rss_bytes / len(data.base), 1),
            },
        )
    return held


def measure_flats(section: str, arguments: argparse.Namespace) -> dict[str, Any]:
    from _search_flat import measure_flat

    found = {}
    for bits in BITS:
        say(f"flat: {bits} bits")
        data = load_codes(arguments.data_root / "embeddings", bits, arguments.rows, 1000)
        found[str(bits)] = measure_flat(data, 3 * arguments.rounds)
    return found


def draw(record: dict[str, Any], out: Path) -> None:
    try:
        import _search_plots
    except ImportError as error:
        say(f"no plots: {error}")
        return
    titles = {
        "sift": "1M SIFT descriptors, 128 integers",
        "embeddings": "1M float embeddings, 128 dimensions",
        "codes": "1M codes of 256 bits, Hamming distance",
    }
    for section, title in titles.items():
        part = record.get(section, {})
        if part.get("threads"):
            rows = part["rows"]
            title = title.replace("1M", "1M" if rows == 1_000_000 else f"{rows:,}")
            path = out.with_name(f"{out.stem}-{section}.png")
            _search_plots.draw(part, f"{title}; {record['environment']['cpu']}", path)


def write(path: Path | None, content: dict[str, Any]) -> None:
    """Replace a file by a whole new one."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.part")
    scratch.write_text(json.dumps(content, indent=1, default=plain) + "\n")
    scratch.replace(path)


def plain(value: Any) -> Any:
    """Numbers of numpy as those of Python."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot be written as JSON: {type(value).__name__}")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
