"""What the README shows must run, and what the documents name must exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


def test_the_examples_of_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks(ROOT / "README.md", "python"))
    assert "epochs=20" in code
    names: dict[str, object] = {}
    exec(compile(code.replace("epochs=20", "epochs=1"), "README.md", "exec"), names)
    assert (tmp_path / "runs" / "mine" / "model.grove").exists()
    assert names["ids"].shape == (3, 5)


def test_the_commands_of_the_readme_exist():
    shown = set(re.findall(r"^bitgrove (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert shown >= {"fit", "predict", "teach", "inspect", "doctor"}
    for command in shown:
        subprocess.run(
            [sys.executable, "-m", "bitgrove.cli", command, "--help"],
            check=True,
            capture_output=True,
        )


def test_the_table_of_results_is_that_of_the_measured_files():
    subprocess.run([sys.executable, ROOT / "benchmarks" / "table.py", "--check"], check=True)


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_layers_of_the_architecture_are_the_packages():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    table = text.split("| layer |")[1].split("\n\n")[0]
    named = set(
        re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))
    )
    present = {
        path.stem
        for path in (ROOT / "src" / "bitgrove").iterdir()
        if (path / "__init__.py").exists() or path.name == "interfaces.py"
    }
    assert named == present
