"""``bitgrove fit`` on a folder of pictures as a person has them."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from bitgrove import data, runtime
from bitgrove.cli._app import run


@pytest.fixture
def folder(tmp_path):
    """Three digits as pictures of many formats, with two damaged files among them."""
    digits = data.load("digits")
    root = tmp_path / "pictures"
    writers = [
        ("png", lambda image, path: image.save(path)),
        ("jpg", lambda image, path: image.convert("RGB").resize((40, 30)).save(path)),
        ("bmp", lambda image, path: image.save(path)),
        ("gif", lambda image, path: image.convert("P").save(path)),
        ("webp", lambda image, path: image.convert("RGBA").save(path, lossless=True)),
        ("tif", lambda image, path: image.resize((20, 16)).save(path)),
    ]
    for digit in (0, 1, 7):
        inside = root / f"digit {digit}"
        inside.mkdir(parents=True)
        for i, row in enumerate(np.flatnonzero(digits.labels == digit)[:40]):
            suffix, write = writers[i % len(writers)]
            image = Image.fromarray(digits.images[row, :, :, 0]).resize((16, 16))
            write(image, inside / f"{i:02}.{suffix}")
    (root / "digit 1" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "digit 7" / "empty.jpg").write_bytes(b"")
    (root / "digit 7" / "notes.txt").write_text("no picture")
    return root


def test_a_folder_becomes_a_model_and_a_report(folder, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["fit", str(folder), "--out", str(out), "--epochs", "12", "--width", "8"]
    assert run([*arguments, "--threads", "1", "--size", "16"]) == 0
    printed, told = capsys.readouterr()
    assert str(out / "model.grove") in printed
    assert "skipped digit 1/broken.png" in told
    assert "skipped digit 7/empty.jpg" in told
    assert "notes.txt" not in told
    results = json.loads((out / "results.json").read_text())
    assert results["counts"] == {"train": 96, "validation": 12, "test": 12}
    assert results["accuracy"][0]["accuracy"] > 0.6
    assert len(results["skipped"]) == 2
    page = (out / "report.html").read_text()
    assert "broken.png" in page

    session = runtime.load(out / "model.grove")
    assert session.artifact.labels == ["digit 0", "digit 1", "digit 7"]
    (answer,) = session.predict([folder / "digit 0" / "00.png"])
    assert answer.neighbours[0].name.startswith("digit ")

    assert run(arguments) == 1
    assert "overwrite" in capsys.readouterr().err


def test_an_interrupted_run_goes_on_where_it_stopped(folder, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "bitgrove.cli", "fit", str(folder), "--out", str(out)]
    command += ["--epochs", "150", "--width", "8", "--threads", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    log = out / "metrics.jsonl"
    until = time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") >= 2):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in told
    assert "Traceback" not in told
    finished = log.read_text().count("\n")
    assert 2 <= finished < 150
    assert not (out / "model.grove").exists()

    ran = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=True)
    assert "report" in ran.stdout
    epochs = [json.loads(line)["epoch"] for line in log.read_text().splitlines()]
    assert epochs == list(range(1, 151))
    assert (out / "model.grove").exists()


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda root: None, "no"),
        (lambda root: (root / "cats").mkdir(), "no"),
        (lambda root: Image.new("L", (8, 8)).save(root / "a.png"), "folder"),
    ],
)
def test_a_folder_that_holds_no_classes_is_refused(tmp_path, capsys, prepare, message):
    root = tmp_path / "root"
    root.mkdir()
    prepare(root)
    assert run(["fit", str(root), "--out", str(tmp_path / "run")]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told
    assert not (tmp_path / "run").exists()


def test_a_class_with_too_few_pictures_is_refused_by_name(folder, tmp_path, capsys):
    (folder / "rare").mkdir()
    Image.new("L", (8, 8)).save(folder / "rare" / "one.png")
    assert run(["fit", str(folder), "--out", str(tmp_path / "run")]) == 1
    told = capsys.readouterr().err
    assert "rare" in told
    assert "1" in told


def test_resume_without_a_run_says_what_to_do(folder, tmp_path, capsys):
    assert run(["fit", str(folder), "--out", str(tmp_path / "run"), "--resume"]) == 1
    assert "resume" in capsys.readouterr().err
