"""The benchmarks' arithmetic: what a ratio is a median of, and what counts as reached."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def runs(log, name, seconds):
    """A peer whose turns take these seconds, one after the other; it writes down each call."""

    def run(count):
        log.append((name, count))
        return [seconds] * count

    return run


def test_every_round_gives_every_peer_one_turn_and_moves_the_order_on(module):
    log = []
    alternation = module("_alternate")
    peers = {name: runs(log, name, 0.01) for name in "abc"}
    times = alternation.alternate(peers, 4, turn=0.05)
    assert times == {name: [0.01] * 4 for name in "abc"}
    turns = log[6:]  # a first run and a trial of each before
    assert [name for name, _ in turns[::2]] == list("abcbcacababc")
    assert [count for _, count in turns] == [1, 5] * 12  # a run that warms up, then those counted


def test_a_turn_has_three_runs_at_least_and_its_median_stands_for_it(module):
    seconds = {1: [9.0], 2: [1.0, 1.0], 3: [1.0, 5.0, 2.0]}
    times = module("_alternate").alternate({"slow": lambda n: seconds[n]}, 1, turn=0.001)
    assert times == {"slow": [2.0]}


def test_ratios_are_medians_of_pairs_and_not_ratios_of_medians(module):
    times = {"ours": [1.0, 2.0, 8.0], "theirs": [4.0, 4.0, 40.0]}
    (first, middle, third) = module("_alternate").ratios(times, "ours")["theirs"]
    assert (first, middle, third) == (2.0, 4.0, 5.0)  # of 4, 2 and 5


def test_figures_that_are_missing_have_no_row_and_the_others_their_verdict(module):
    targets = module("_runtime_targets")
    record = {
        "memory": {"above_interpreter_mb": 41.0},
        "threads": {"speedup": {"2": [1.0, 1.69, 2.0]}},
        "files": {"binarynet": {"float32": 1_340_000}},
    }
    found = {row[0]: row[1:] for row in targets.rows(record)}
    assert found == {
        "peak memory above the interpreter, Bi-Real-18": ("41 MB", "60 MB", "30 MB", "must"),
        "two threads against one, Bi-Real-18": ("1.69×", "1.7×", "1.9×", "missed"),
        "file, BinaryNet": ("1.34 MB", "1.4 MB", "1.4 MB", "aim"),
    }


def network(ours, theirs, ratio):
    return {
        "milliseconds": {"bitgrove float32": [0, ours, 0], "onnxruntime float32": [0, theirs, 0]},
        "ratio": {"bitgrove float32": {"onnxruntime float32": [0, ratio, 0]}},
    }


def test_the_table_shows_times_and_ratios_of_each_number_of_threads(module):
    kernels = {"torch float32": 18.25, "torch bfloat16": 3.0}
    record = {
        "birealnet18": {"1": network(3.0, 22.5, 7.54), "2": network(1.75, 12.0, 6.9)},
        "binarynet": {
            count: {"1": network(0.25, 5.0, 20.0), "64": network(10, 200, 20.04)} for count in "12"
        },
        "kernels": {count: {"geometric_means": {"ratio": kernels}} for count in "12"},
        "rounds": 31,
        "environment": {"cpu": "CPU", "simd": "avx2", "onnxruntime": "1.0", "torch": "2.0"},
    }
    rows = [line.split(" | ") for line in module("_runtime_table").runtime(record).splitlines()]
    assert rows[2][1:] == ["3 ms", "1.75 ms |"]
    assert rows[3][1:] == ["22.5 ms, 7.5×", "12 ms, 6.9× |"]
    assert rows[8][1:] == ["18.2×, 3.0× faster", "18.2×, 3.0× faster |"]
    assert "31 rounds" in rows[-1][0]


def test_the_table_of_trees_names_the_fastest_peer(module):
    batch = {
        "rows_per_second": {"bitgrove": [1, 1500, 2]},
        "microseconds_per_row": {"bitgrove": [1, 3.25, 4]},
        "ratio": {
            "bitgrove": {"bitgrove bytes": [0.5] * 3, "slow": [1, 9, 10], "fast": [5, 6, 20]},
            "bitgrove bytes": {"bitgrove": [1] * 3, "slow": [1, 11, 1], "fast": [5, 12, 20]},
        },
    }
    forest = {
        "batches": {"1": batch, "10000": batch},
        "accuracy": {"bitgrove": 0.9, "bitgrove bytes": 0.8},
    }
    peers = ("torch float32", "torch float32, channels last", "packed float32")
    times = {peer: [1, ratio, 9] for peer, ratio in zip(peers, (2.5, 1.5, 1.25), strict=True)}
    row = {"milliseconds": {"ferns": [0.1, 0.2, 0.3]}, "times_ferns": times}
    record = {
        "forests": {"digits": forest},
        "fern_convolution": {
            "layers": {"3 -> 64": row | {"times_ferns": times | {"binary": [1, 1.75, 2]}}},
            "network": row | {"times_ferns": times | {"xnor": [0.5, 0.875, 2]}},
        },
        "environment": {"cpu": "X"},
    }
    lines = module("_trees_table").trees(record).splitlines()
    assert lines[2] == (
        "| digits | 1,500 | 6.0× fast | 11.0× slow | 3.2 µs, 6.0× fast | 90.00%, 80.00% |"
    )
    assert "| 3 -> 64 | 0.200 | 2.50× | 1.50× | 1.25× | 1.75× |" in lines
    assert "| the network | 0.200 | 2.50× | 1.50× | 1.25× | 0.88× |" in lines
