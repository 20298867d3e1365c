"""Building an index once, in a process of its own, and keeping it with its time beside it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from _search_data import Data
from _search_variants import Variant


def built(cache: Path, data: str, variant: Variant) -> Path | None:
    """Where the build lies, if it is there."""
    folder = cache / data / variant.place
    return folder if folder.is_dir() else None


def build(cache: Path, data: Data, variant: Variant, threads: int, keep: bool = True) -> None:
    """Build here and now; ``FOLDER.json`` gets what it took on so many threads."""
    place = cache / data.name / variant.place
    scratch = place.with_name(f"{place.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    adapter = variant.make()
    if hasattr(adapter, "place"):
        adapter.place(scratch)  # pyright: ignore[reportAttributeAccessIssue]
    load, cpu, started = os.getloadavg()[0], time.process_time(), time.perf_counter()
    adapter.build(data.base, threads)
    took = {
        "seconds": round(time.perf_counter() - started, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "date": time.strftime("%Y-%m-%d %H:%M"),
    }
    adapter.save(scratch)
    if keep:
        shutil.rmtree(place, ignore_errors=True)
        scratch.rename(place)
    else:
        shutil.rmtree(scratch)
    _note(place, threads, took)


def _note(place: Path, threads: int, took: dict[str, Any]) -> None:
    """Of several builds on so many threads, the quickest counts."""
    path = place.with_name(f"{place.name}.json")
    times = json.loads(path.read_text()) if path.exists() else {}
    known = times.get(str(threads))
    if known is None or took["seconds"] < known["seconds"]:
        times[str(threads)] = took
    path.write_text(json.dumps(times, indent=1) + "\n")


def build_apart(arguments: list[str], name: str, data: str, threads: int, keep: bool) -> bool:
    """The same in a child process, whose memory and threads nobody else has touched."""
    command = [sys.executable, str(Path(__file__).with_name("search.py")), *arguments]
    command += ["--build-here", name, "--data", data, "--build-threads", str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if not keep:
        command.append("--discard")
    return subprocess.run(command, env=environment).returncode == 0


def build_times(cache: Path, data: str, variant: Variant) -> dict[str, Any]:
    """By threads, what is known of the builds of a variant."""
    path = cache / data / f"{variant.place}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def stored_bytes(folder: Path) -> int:
    """Bytes of a build as its library writes it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
