"""Programs that tests run: compilers, pip, and what was built of the project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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
