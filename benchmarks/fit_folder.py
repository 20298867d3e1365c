"""How long ``bitgrove fit`` takes on a folder of 60,000 PNG files, and how much memory.

The training images of Fashion-MNIST are written as a person would have them, one PNG file each in
a folder per class; then the command runs as a process of its own. Writes a JSON with the wall time,
the peak memory, the accuracy, and what it was measured on.

    python benchmarks/fit_folder.py --out benchmarks/results/fit-folder.json
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _environment import environment
from PIL import Image

from bitgrove import data


def export_folder(folder: Path) -> int:
    """Write every training image of Fashion-MNIST as ``class/number.png``."""
    splits = data.load_splits("fashion-mnist")
    count = 0
    for part in (splits.train, splits.validation):
        for name in part.classes:
            (folder / name.replace("/", "-")).mkdir(parents=True, exist_ok=True)
        for pixels, label, name in zip(part.images, part.labels, part.names, strict=True):
            target = folder / part.classes[label].replace("/", "-")
            Image.fromarray(pixels[:, :, 0]).save(target / f"{name.replace('/', '-')}.png")
            count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--work", type=Path, help="folder to keep; by default a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        pictures, run = work / "fashion", work / "run"
        count = export_folder(pictures)
        print(f"wrote {count:,} PNG files", flush=True)
        command = [sys.executable, "-m", "bitgrove.cli", "fit", str(pictures)]
        command += ["--out", str(run), "--overwrite"]
        started = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - started
        results = json.loads((run / "results.json").read_text())
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    record = {
        "files": count,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_memory_mib": round(used.ru_maxrss / 1024, 1),
        "counts": results["counts"],
        "accuracy": results["accuracy"],
        "size_bytes": results["size_bytes"],
        "latency_ms": results["latency_ms"],
        "environment": environment(),
    }
    arguments.out.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
