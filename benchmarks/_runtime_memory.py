"""Peak memory of a process that loads a packed network and runs it, step by step."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

STEPS = {
    "interpreter": "",
    "numpy": "import numpy",
    "bitgrove.runtime": "import bitgrove.runtime",
    "loaded": "import bitgrove.runtime as r; s = r.load(FILE)",
    "run": (
        "import bitgrove.runtime as r, numpy as np; s = r.load(FILE); "
        "s.run(np.zeros((1, *s.artifact.graph.input), np.float32))"
    ),
}
"""What each process does, and no more."""

# Not resource.getrusage, whose maximum a process inherits from the one that started it.
_PEAK = "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')][0])"


def measure(file: Path, runs: int = 5) -> dict[str, object]:
    """Peak MiB of each step, and of the whole above the bare interpreter; medians of processes."""
    peaks = {
        step: statistics.median(_peak(code, file) for _ in range(runs))
        for step, code in STEPS.items()
    }
    return {
        "peak_mib": {step: round(peak, 1) for step, peak in peaks.items()},
        "above_interpreter_mb": round((peaks["run"] - peaks["interpreter"]) * 1.048576, 1),
        "above_numpy_mb": round((peaks["run"] - peaks["numpy"]) * 1.048576, 1),
    }


def _peak(code: str, file: Path) -> float:
    command = [sys.executable, "-c", f"FILE = {os.fspath(file)!r}\n{code}\n{_PEAK}"]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(found.stdout) / 1024
