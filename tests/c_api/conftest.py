"""libbitgrove and the programs that link to it, built once for all tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..runtime.conftest import artifact as artifact
from ..runtime.conftest import model_path as model_path
from .native import Library

ROOT = Path(__file__).resolve().parents[2]


def call(*command: object, **options) -> str:
    """Run a program; its output, or a failure that shows it."""
    ran = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def tool(name: str) -> str:
    """A program beside this Python, or of the system."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=folders)
    if found is None:
        pytest.fail(f"the C API is built with {name}, which is not here: pip install {name}")
    return found


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Path:
    """Where the C API was installed: ``include`` and ``lib``.

    ``BITGROVE_C_API_BUILD`` names a folder that keeps what was compiled from one session to the
    next.
    """
    base = os.environ.get("BITGROVE_C_API_BUILD")
    folder = Path(base) if base else tmp_path_factory.mktemp("c_api")
    prefix = tmp_path_factory.mktemp("prefix")
    call(
        *(tool("cmake"), "-S", ROOT, "-B", folder / "build", "-G", "Ninja"),
        f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}",
        *("-DBITGROVE_C_API=ON", "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1"),
        *(f"-DCMAKE_INSTALL_PREFIX={prefix}", "-DCMAKE_INSTALL_LIBDIR=lib"),
    )
    call(tool("cmake"), "--build", folder / "build")
    call(tool("cmake"), "--install", folder / "build")
    return prefix


@pytest.fixture(scope="session")
def library(installed) -> Library:
    return Library(installed / "lib" / "libbitgrove.so")


@pytest.fixture(scope="session")
def link(installed, tmp_path_factory):
    """A function that makes a program of a C file, as a user would."""

    def make(source: Path) -> Path:
        program = tmp_path_factory.mktemp("program") / source.stem
        lib = installed / "lib"
        call(
            *("cc", "-O1", "-Wall", "-Wextra", "-Werror", source, "-o", program),
            *(f"-I{installed / 'include'}", f"-L{lib}", f"-Wl,-rpath,{lib}", "-lbitgrove", "-lm"),
        )
        return program

    return make
