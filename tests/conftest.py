"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

from bitgrove import kernels

hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(params=kernels.simd_levels())
def simd_level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test once for each SIMD level that this CPU has."""
    before = kernels.simd_level()
    kernels.set_simd_level(request.param)
    assert kernels.simd_level() == request.param  # the sweep really swept
    yield request.param
    kernels.set_simd_level(before)


@pytest.fixture(scope="session")
def built_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Callable[[Path], object]], Path]:
    """A function that has a folder filled by one of the processes that run tests; the rest wait."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def folder(name: str, build: Callable[[Path], object]) -> Path:
        path, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                path.mkdir(exist_ok=True)
                build(path)
                done.touch()
        return path

    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of bigger real data, or a skip that says how to get it."""
    here = Path(__file__).resolve().parents[1]
    for folder in (os.environ.get("BITGROVE_DATA"), here.parent / "shared" / "data"):
        if folder and Path(folder).is_dir():
            return Path(folder)
    pytest.skip("no bigger data at hand: set BITGROVE_DATA to a folder that holds them")
