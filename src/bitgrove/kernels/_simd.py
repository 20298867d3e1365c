"""Which instruction set the kernels use: the fastest the CPU has, unless told otherwise."""

import os
import platform
from pathlib import Path

from .. import _core


def simd_levels() -> list[str]:
    """The levels that this CPU can run, slowest first.

    >>> simd_levels()[0]
    'scalar'
    """
    return _core.simd_levels()


def simd_level() -> str:
    """The level in use: the fastest, or the one named by the variable ``BITGROVE_SIMD``.

    Raises:
        ValueError: ``BITGROVE_SIMD`` names a level that this CPU cannot run.

    >>> simd_level() in simd_levels()
    True
    """
    return _core.simd_level()


def set_simd_level(name: str) -> None:
    """Use another level from now on, in every thread of this process.

    Raises:
        ValueError: this CPU cannot run the level; the message lists those it can.

    >>> before = simd_level()
    >>> set_simd_level("scalar"); simd_level()
    'scalar'
    >>> set_simd_level(before)
    """
    _core.set_simd_level(name)


def usable_cpus() -> int:
    """CPUs that this process may use: how many threads pay.

    >>> usable_cpus() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):  # absent on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name() -> str:
    """The processor's name, as the system tells it; for reports.

    >>> bool(cpu_name())
    True
    """
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
