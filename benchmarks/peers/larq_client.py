"""larq-compute-engine, in a process and an environment of its own, behind a pipe."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

WORKER = Path(__file__).with_name("larq_worker.py")


class LarqWorker:
    """A process that holds Bi-Real-18 and runs it when asked; close it, or use ``with``.

    Args:
        python: interpreter of an environment that has larq, larq-compute-engine and TensorFlow.
        file: the converted network; made if it is not there.
        threads: of its interpreter.
    """

    def __init__(self, python: Path, file: Path, threads: int) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [python, WORKER, file, "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.hello: dict[str, Any] = self._answer()
        """Bytes of the network, versions, which of its kernels proved fastest."""

    def runs(self, count: int) -> list[float]:
        """Seconds of so many runs, timed over there; a peer for ``alternate``."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"run": count}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._log.seek(0)
            raise RuntimeError(f"larq's worker ended with {code}: {self._log.read()[-2000:]}")
        return json.loads(line)
