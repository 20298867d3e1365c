"""kill -9 at any moment loses nothing that was acknowledged."""

import json
import os
import subprocess
import sys
from pathlib import Path

KILLS = int(os.environ.get("BITGROVE_KILLS", "50"))
"""Processes that are killed; hundreds meet moments that fifty miss."""


def test_killed_processes_lose_nothing_that_they_acknowledged(tmp_path):
    program = Path(__file__).with_name("crash.py")
    ran = subprocess.run(
        [sys.executable, program, tmp_path, str(KILLS), "0"],
        capture_output=True,
        text=True,
        timeout=60 + KILLS,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    counts = json.loads(ran.stdout)
    assert counts["kills"] == KILLS
    assert counts["acknowledged"] >= KILLS // 2  # every other child came to save something
    assert counts["unacknowledged"] + counts["left behind"] > 0  # some were killed at it
