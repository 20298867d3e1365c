"""What a figure was measured on."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import subprocess

from bitgrove import kernels


def environment(*packages: str) -> dict[str, str | int]:
    """CPU, SIMD level, threads, commit, date and versions, for the JSON of a benchmark."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True
    ).stdout.strip()
    names = ("bitgrove", "numpy", "torch", *packages)
    return {
        "cpu": kernels.cpu_name(),
        "simd": kernels.simd_level(),
        "threads": kernels.usable_cpus(),
        "commit": commit,
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in names},
    }
