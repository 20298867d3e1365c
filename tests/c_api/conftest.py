"""libbitgrove and the programs that link to it, built once for all tests."""

import os
from pathlib import Path

import pytest

from ..programs import ROOT, call, tool
from ..runtime.conftest import artifact as artifact
from ..runtime.conftest import model_path as model_path
from .native import Library


@pytest.fixture(scope="session")
def installed(built_once) -> Path:
    """Where the C API was installed: ``include`` and ``lib``.

    ``BITGROVE_C_API_BUILD`` names a folder that keeps what was compiled from one session to the
    next.
    """
    return built_once("c_api", install) / "prefix"


def install(folder: Path) -> None:
    build = Path(os.environ.get("BITGROVE_C_API_BUILD", folder)) / "build"
    call(
        *(tool("cmake"), "-S", ROOT, "-B", build, "-G", "Ninja"),
        f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}",
        *("-DBITGROVE_C_API=ON", "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1"),
        *(f"-DCMAKE_INSTALL_PREFIX={folder / 'prefix'}", "-DCMAKE_INSTALL_LIBDIR=lib"),
    )
    call(tool("cmake"), "--build", build)
    call(tool("cmake"), "--install", build)


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
