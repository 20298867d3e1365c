"""The wheel in an empty environment: only the core install, no torch."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from ..programs import ROOT, call
from ..runtime.conftest import make_artifact, pictures


@pytest.fixture(scope="module")
def wheel(built_once):
    """Built as ``make wheel`` builds it, of the objects that ``make install`` has compiled."""
    (path,) = built_once("wheel", build_wheel).glob("bitgrove-*.whl")
    return path


def build_wheel(folder):
    call(
        *(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"),
        *("-w", folder, ROOT),
    )


@pytest.fixture(scope="module")
def core(built_once, wheel):
    """A function that runs a program of an environment with the core install alone."""

    def install(folder):
        call(sys.executable, "-m", "venv", folder)
        constraints = ROOT / "constraints.txt"
        call(folder / "bin" / "python", "-m", "pip", "install", "-q", "-c", constraints, wheel)

    folder = built_once("core", install)
    bin_folder = folder / "bin"

    def run(program, *arguments, check=True):
        return subprocess.run(
            [bin_folder / program, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=check,
            cwd=folder,
        )

    return run


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.grove"
    make_artifact().save(path)
    for i, pixels in enumerate(pictures(3)):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    return path


def test_the_core_install_brings_no_training_packages(core):
    code = (
        "import importlib.util as u;"
        "print([m for m in ('torch', 'sklearn', 'lightning', 'scipy') if u.find_spec(m)])"
    )
    assert core("python", "-c", code).stdout.strip() == "[]"


def test_predict_teach_and_inspect_work_without_torch(core, model):
    pictures = [model.parent / f"{i}.png" for i in range(3)]
    rows = core("bitgrove", "predict", model, *pictures, "--json").stdout.splitlines()
    assert [Path(json.loads(row)["path"]).name for row in rows] == ["0.png", "1.png", "2.png"]
    taught = core("bitgrove", "teach", model, "new", *pictures).stdout
    assert "knows 'new' from 3 examples" in taught
    assert "new" in core("bitgrove", "inspect", model).stdout
    answer = json.loads(core("bitgrove", "predict", model, pictures[0], "--json").stdout)
    assert answer["neighbours"][0]["distance"] == 0


def test_doctor_names_what_is_missing(core):
    out = core("bitgrove", "doctor").stdout
    assert "missing" in out
    assert "pip install 'bitgrove[train]'" in out


@pytest.mark.parametrize("command", [["fit", "digits", "--out", "run"], ["reproduce", "digits"]])
def test_training_says_in_one_line_what_to_install(core, command):
    ran = core("bitgrove", *command, check=False)
    assert ran.returncode == 1
    assert ran.stderr.strip().count("\n") == 0
    assert "pip install 'bitgrove[train]'" in ran.stderr


def test_the_wheel_holds_what_the_package_needs_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0].split("-")[0] for name in names}
    assert tops == {"bitgrove"}
    assert any(name.startswith("bitgrove/_core.") and name.endswith(".so") for name in names)
    for needed in ("bitgrove/_core.pyi", "bitgrove/py.typed"):
        assert needed in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith(".j2") for name in names)


def test_every_simd_level_of_the_wheel_runs_when_forced(core):
    ask = "from bitgrove import kernels as k; print(*k.simd_levels())"
    for level in core("python", "-c", ask).stdout.split():
        code = (
            f"import os; os.environ['BITGROVE_SIMD'] = '{level}';"
            "from bitgrove import kernels as k; print(k.simd_level())"
        )
        assert core("python", "-c", code).stdout.strip() == level
