"""What ``bitgrove bench`` measures, and the JSON of it."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from .. import __version__, _core, kernels
from ..runtime import Profile, Session, StageProfile
from ._bench_peer import Array, LeftOutError, Peer, open_peer
from ._bench_turns import Advance, Call, Spread, Steps, spread, take_turns

_PEAK = 0.1
"""Seconds of counting bits, before the rest and after it."""
_CHUNK = 0.2
"""Seconds of one call of the profiler, which Ctrl-C does not interrupt."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole against another runtime."""

    version: str
    seconds: Spread
    """Of a run of its own."""
    ratio: Spread
    """How many times as long as ours it takes, in each round."""
    difference: float
    """Largest difference of an output, over the largest output."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that was measured."""

    profile: Profile
    """Of one image, ``repeats`` times."""
    peak: float
    """Products of two signs in a second: one thread's, times the threads that have a CPU."""
    input: tuple[int, ...]
    """Channels and sides of an image."""
    repeats: int
    batch: int
    seconds: Spread
    """Of ``Session.run`` with ``batch`` images."""
    peer: Comparison | None
    left_out: str | None
    """Why there is no peer; None if nobody asked for one."""

    def share(self, stage: StageProfile) -> float:
        """Of the time of all stages."""
        return stage.seconds / self.profile.seconds

    def of_peak(self, stage: StageProfile) -> float:
        """Products of signs, as a share of the popcount peak."""
        return rate(stage.binary_macs, stage) / self.peak

    @property
    def unreliable(self) -> bool:
        """Whether several threads, kept from their CPUs, took far longer for the stages alone."""
        comparable = self.profile.threads > 1 and self.batch == 1
        return comparable and self.profile.seconds > 1.5 * self.seconds.least

    @property
    def total(self) -> StageProfile:
        """All stages as if they were one."""
        stages = self.profile.stages
        return StageProfile(
            "all stages",
            "",
            self.profile.seconds,
            sum(stage.binary_macs for stage in stages),
            sum(stage.real_macs for stage in stages),
            sum(stage.bytes for stage in stages),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; seconds, and operations a second."""
        return {
            "bitgrove": __version__,
            "cpu": kernels.cpu_name(),
            "usable_cpus": kernels.usable_cpus(),
            "simd": self.profile.level,
            "threads": self.profile.threads,
            "input": list(self.input),
            "repeats": self.repeats,
            "batch": self.batch,
            "popcount_peak": self.peak,
            "stages": [
                {"name": stage.name, "operators": stage.ops} | self._figures(stage)
                for stage in self.profile.stages
            ],
            "total": self._figures(self.total),
            "stages_unreliable": self.unreliable,
            "run": _run(self.seconds, self.batch),
            "onnxruntime": self._compared(),
        }

    def _figures(self, stage: StageProfile) -> dict[str, float]:
        return {
            "seconds": stage.seconds,
            "share": self.share(stage),
            "binary_macs": stage.binary_macs,
            "binary_macs_per_second": rate(stage.binary_macs, stage),
            "of_popcount_peak": self.of_peak(stage),
            "real_macs": stage.real_macs,
            "real_macs_per_second": rate(stage.real_macs, stage),
            "bytes": stage.bytes,
        }

    def _compared(self) -> dict[str, Any] | None:
        if self.peer is None:
            return None if self.left_out is None else {"left_out": self.left_out}
        return {
            "version": self.peer.version,
            **_run(self.peer.seconds, self.batch),
            "ratio": self.peer.ratio._asdict(),
            "difference": self.peer.difference,
        }


def rate(count: float, stage: StageProfile) -> float:
    """How many a second; of nothing 0, in however short a time."""
    return count / stage.seconds if count else 0.0


def _run(seconds: Spread, batch: int) -> dict[str, Any]:
    return {"seconds": seconds._asdict(), "images_per_second": batch / seconds.median}


def measure(session: Session, *, repeats: int, batch: int, peer: bool, steps: Steps) -> Bench:
    """Measure the popcount peak, every stage on one image, and the whole in turns with its peer."""
    shape, threads = session.artifact.graph.input, session.threads
    x = np.random.default_rng(0).standard_normal((batch, *shape), np.float32)
    other, left_out = None, None
    if peer:
        try:
            other = open_peer(session.artifact, x, threads)
        except LeftOutError as error:
            left_out = " ".join(str(error).split())
    with steps.step("measuring how fast this CPU counts bits"):
        peak = _core.popcount_peak(_PEAK)
    with steps.step("timing every stage") as advance:
        profile = _profile(session, x[:1], repeats, advance)
    calls: dict[str, Call] = {"bitgrove": lambda: session.run(x)}
    if other is not None:
        calls["onnxruntime"] = other.run
    with steps.step(f"timing {' and '.join(calls)}") as advance:
        times = take_turns(calls, repeats, rest=threads > 1, advance=advance)
    peak = max(peak, _core.popcount_peak(_PEAK))
    return Bench(
        profile=profile,
        peak=peak * min(threads, kernels.usable_cpus()),
        input=shape,
        repeats=repeats,
        batch=batch,
        seconds=spread(times["bitgrove"]),
        peer=_comparison(other, times, session.run(x)) if other else None,
        left_out=left_out,
    )


def _profile(session: Session, x: Array, repeats: int, advance: Advance) -> Profile:
    """Few repetitions at a time, so that Ctrl-C need not wait for all of them."""
    best, done, chunk = None, 0, 1
    while done < repeats:
        chunk = min(chunk, repeats - done)
        started = perf_counter()
        found = session.profile(x, repeats=chunk)
        took = perf_counter() - started
        best = found if best is None else best.merged(found)
        done += chunk
        chunk = max(1, int(chunk * _CHUNK / took))
        advance(done, repeats)
    assert best is not None  # repeats is at least 1
    return best


def _comparison(peer: Peer, times: dict[str, list[float]], ours: Array) -> Comparison:
    pairs = zip(times["onnxruntime"], times["bitgrove"], strict=True)
    largest = float(np.abs(ours).max()) or 1.0
    return Comparison(
        version=peer.version,
        seconds=spread(times["onnxruntime"]),
        ratio=spread([other / own for other, own in pairs]),
        difference=float(np.abs(ours.ravel() - peer.run().ravel()).max()) / largest,
    )
