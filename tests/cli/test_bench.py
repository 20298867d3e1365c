"""``bitgrove bench``: its figures add up, and what it compares is the same network."""

import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest

from bitgrove import export, kernels, runtime
from bitgrove.cli import _bench_measure, _bench_turns, _doctor
from bitgrove.cli._app import run
from bitgrove.cli._bench_measure import Bench, Comparison
from bitgrove.cli._bench_text import lines_of
from bitgrove.cli._bench_turns import Spread, take_turns
from bitgrove.runtime import Profile, StageProfile

from ..runtime.conftest import make_artifact

BINARY_MACS = 16 * 16 * 9 * 8 * 8
REAL_MACS = 16 * 9 * 8 * 8 + 3 * 16
FIGURES = {
    "seconds", "share", "binary_macs", "binary_macs_per_second", "of_popcount_peak", "real_macs",
    "real_macs_per_second", "bytes",
}  # fmt: skip
SPREAD = {"least", "first", "median", "third"}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """The peak needs no precision here."""
    monkeypatch.setattr(_bench_measure, "_PEAK", 0.002)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.grove"
    make_artifact().save(path)
    return path


def benched(model, *arguments):
    out = model.with_name("bench.json")
    assert run(["bench", str(model), "--repeats", "3", "--json", str(out), *arguments]) == 0
    return json.loads(out.read_text())


def test_the_json_holds_every_figure(model):
    found = benched(model)
    assert list(found) == [
        "path", "bitgrove", "cpu", "usable_cpus", "simd", "threads", "input", "repeats", "batch",
        "popcount_peak", "stages", "total", "stages_unreliable", "run", "onnxruntime",
    ]  # fmt: skip
    assert found["path"] == str(model)
    assert (found["input"], found["repeats"]) == ([1, 8, 8], 3)
    assert (found["threads"], found["batch"]) == (1, 1)
    assert found["total"].keys() == FIGURES
    assert all(stage.keys() == {"name", "operators"} | FIGURES for stage in found["stages"])
    assert found["run"].keys() == {"seconds", "images_per_second"}
    compared = {"version", "seconds", "images_per_second", "ratio", "difference"}
    assert found["onnxruntime"].keys() == compared
    spreads = (found["run"]["seconds"], found["onnxruntime"]["seconds"])
    for spread in (*spreads, found["onnxruntime"]["ratio"]):
        assert spread.keys() == SPREAD
        assert 0 < spread["least"] <= spread["first"] <= spread["median"] <= spread["third"]


def test_the_stages_add_up_to_the_total_and_to_what_is_counted_by_hand(model):
    found = benched(model, "--no-peer")
    stages, total = found["stages"], found["total"]
    names = "+".join(stage["name"] for stage in stages).split("+")
    assert sorted(names) == ["head", "layer", "layer.sign", "pool", "stem", "sum"]
    for key in ("seconds", "binary_macs", "real_macs", "bytes", "share"):
        assert sum(stage[key] for stage in stages) == pytest.approx(total[key])
    assert (total["binary_macs"], total["real_macs"]) == (BINARY_MACS, REAL_MACS)
    assert total["share"] == pytest.approx(1)
    for row in (*stages, total):
        assert row["binary_macs_per_second"] * row["seconds"] == pytest.approx(row["binary_macs"])
        assert row["real_macs_per_second"] * row["seconds"] == pytest.approx(row["real_macs"])
        of_peak = row["binary_macs_per_second"] / found["popcount_peak"]
        assert row["of_popcount_peak"] == pytest.approx(of_peak)
        assert row["share"] == pytest.approx(row["seconds"] / total["seconds"])
    assert total["of_popcount_peak"] > 0


def test_every_level_is_measured_by_its_own_name(model, simd_level):
    assert benched(model, "--no-peer")["simd"] == simd_level


def test_onnxruntime_runs_the_same_network_on_as_many_images(model, monkeypatch):
    seen = []
    opened = _bench_measure.open_peer

    def noted(artifact, x, threads):
        seen.append((x.shape, threads))
        return opened(artifact, x, threads)

    def opened_with(file, options, **rest):
        seen.append(options.intra_op_num_threads)
        return inference(file, options, **rest)

    inference = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", opened_with)
    monkeypatch.setattr(_bench_measure, "open_peer", noted)
    found = benched(model, "--batch", "5", "--threads", "2")
    assert seen == [((5, 1, 8, 8), 2), 2]
    assert found["onnxruntime"]["difference"] < 1e-5
    assert found["popcount_peak"] > 0
    for row in (found["run"], found["onnxruntime"]):
        assert row["images_per_second"] == pytest.approx(5 / row["seconds"]["median"])


def test_another_network_in_onnxruntime_would_be_noticed(model, monkeypatch):
    other = runtime.Artifact.load(model)
    other.graph.nodes[-1].tensors["weight"] *= -1
    opened = _bench_measure.open_peer
    monkeypatch.setattr(
        _bench_measure, "open_peer", lambda artifact, x, threads: opened(other, x, threads)
    )
    assert benched(model)["onnxruntime"]["difference"] > 0.1


def test_a_ratio_is_taken_within_its_round(model, monkeypatch):
    times = {"bitgrove": [1.0, 2.0, 10.0], "onnxruntime": [4.0, 10.0, 20.0]}
    monkeypatch.setattr(_bench_measure, "take_turns", lambda *a, **k: times)
    found = benched(model)
    assert found["onnxruntime"]["ratio"]["median"] == 4  # of 4, 5 and 2
    assert found["run"]["seconds"]["median"] == 2
    assert found["onnxruntime"]["seconds"]["median"] == 10


def test_who_begins_changes_and_the_first_run_of_a_turn_is_not_counted(monkeypatch):
    clock, calls, done = [0.0], [], []

    def call(name, seconds):
        def timed():
            # The first of a turn is slow: its data left the caches.
            clock[0] += seconds if calls and calls[-1] == name else 100
            calls.append(name)

        return timed

    monkeypatch.setattr(_bench_turns.time, "perf_counter", lambda: clock[0])
    times = take_turns(
        {"a": call("a", 0.25), "b": call("b", 0.5)},
        3,
        rest=False,
        advance=lambda *numbers: done.append(numbers),
    )
    assert "".join(calls) == "aabb" + "aabb" + "bbaa" + "aabb"
    assert times == {"a": [0.25] * 3, "b": [0.5] * 3}
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_short_calls_are_repeated_within_a_turn():
    runs = []
    take_turns({"a": lambda: runs.append(1)}, 2, rest=False, advance=lambda *_: None)
    assert len(runs) == 2 + 2 * (1 + _bench_turns._MOST_RUNS)


@pytest.mark.parametrize(("threads", "expected"), [(1, [1.0, 2.0]), (2, [3.0, 2.0])])
def test_measurements_of_several_threads_are_not_mixed(threads, expected):
    def profile(*seconds):
        stages = [StageProfile(str(i), "", s, 0, 0, 0) for i, s in enumerate(seconds)]
        return Profile("scalar", threads, tuple(stages))

    a, b = profile(1.0, 9.0), profile(3.0, 2.0)
    for merged in (a.merged(b), b.merged(a)):
        assert [stage.seconds for stage in merged.stages] == expected


def test_the_stages_of_several_threads_are_those_of_one_run(model, monkeypatch):
    class Fake:
        level = "scalar"
        calls = iter([[5, 5], [1, 8], [7, 1], [9, 9]])

        def profile(self, x, repeats, threads):
            assert repeats == 1
            return [([i], seconds, 0, 0, 0) for i, seconds in enumerate(next(self.calls))]

    session = runtime.load(model, threads=2)
    monkeypatch.setattr(session, "_network", Fake())
    assert [stage.seconds for stage in session.profile(repeats=4).stages] == [7, 1]


def bench_of(*stages, level="avx512", threads=1, peer=None, left_out=None):
    profile = Profile(level, threads, tuple(StageProfile(*stage) for stage in stages))
    seconds = Spread(0.9e-3, 1e-3, 1.25e-3, 2e-3)
    return Bench(profile, 1e12, (3, 224, 224), 50, 2, seconds, peer, left_out)


def test_the_profile_is_taken_in_parts_of_which_the_best_counts(model, monkeypatch):
    asked = []
    seconds = iter([3.0, 1.0, 2.0] + [2.0] * 100)

    def profile(self, x, *, repeats):
        asked.append(repeats)
        return Profile("scalar", 1, (StageProfile("a", "relu", next(seconds), 0, 0, 0),))

    monkeypatch.setattr(runtime.Session, "profile", profile)
    out = model.with_name("b.json")
    assert run(["bench", str(model), "--repeats", "9", "--no-peer", "--json", str(out)]) == 0
    assert sum(asked) == 9
    assert len(asked) > 1  # so that Ctrl-C need not wait for all
    assert json.loads(out.read_text())["total"]["seconds"] == 1.0


def test_a_stage_too_short_for_the_clock_is_shown():
    lines = lines_of("m.grove", bench_of(("a", "flatten", 0.0, 0, 0, 8), *STAGES), None)
    assert any(line.split() == ["a", "flatten", "0.00", "0.0%", "0.00"] for line in lines)


STAGES = (
    ("input", "input", 100e-6, 0, 0, 1_204_224),
    ("stages.0.0.conv+(add)+stages.0.1.conv.sign", "binary_conv2d+add+sign", 200e-6, 1e8, 0, 1e6),
    ("stages.1.0.shortcut.0+(add_4)", "avg_pool2d+conv2d+add+sign", 1700e-6, 0, 17e6, 1e6),
)
PEER = Comparison("1.2", Spread(8e-3, 9e-3, 10e-3, 12e-3), Spread(7, 8, 9.5, 11), 1e-6)


def test_the_table_says_what_was_measured():
    lines = lines_of("m.grove", bench_of(*STAGES, peer=PEER), None)
    rows = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert rows["input"] == ["input", "100", "5.0%", "1.20"]
    binary, real = STAGES[1][0], STAGES[2][0]
    assert rows[binary] == [STAGES[1][1], "200", "10.0%", "500", "50%", "1.00"]
    assert rows[real] == [STAGES[2][1], "1,700", "85.0%", "10.0", "1.00"]
    assert rows["all"] == ["stages", "2,000", "100.0%", "50.0", "5%", "8.50", "3.20"]
    text = "\n".join(lines)
    assert "model           m.grove, images of 3x224x224" in text
    assert "popcount peak   1,000 binary GMAC/s, measured\n" in text
    assert "run with        avx512, 1 thread\n" in text
    whole = "1.25 ms (1.00 to 2.00, best 0.90) for 2 images: 1,600 images/s"
    assert f"end to end      {whole}" in text
    assert "onnxruntime     10.0 ms (9.00 to 12.0, best 8.00) for 2 images: 200" in text
    assert "9.50 (8.00 to 11.0) times as long" in text
    flat = " ".join(text.split())
    assert "same network in float32, every binary weight and every sign as a float of" in flat
    assert "differ by at most 1e-06" in flat
    assert "Over 100%" not in text
    assert max(map(len, lines[lines.index("", 6) :])) <= 80  # behind the table


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_table_fits_the_terminal_and_keeps_its_columns(width):
    many = [(name.replace("s.", f"s.{i}"), *rest) for i in range(3) for name, *rest in STAGES[1:]]
    lines = lines_of("m.grove", bench_of(*many, peer=PEER), width)
    assert max(map(len, lines)) <= width
    start = next(i for i, line in enumerate(lines) if line.endswith(" real"))
    table = lines[start : start + 3 + len(many) + 2]
    assert len({len(line) for line in table[1:]}) == 1  # numbers end where the heading does
    names = [line.split()[0] for line in table[3:-2]]
    assert (
        names[:2]
        == {
            80: ["stages.00.0.conv", "..01.0.shortcut.0"],
            100: ["stages.00.0.conv", "stages.01.0.shortcut.0"],
            160: [many[0][0], many[1][0]],
        }[width]
    )
    assert len(set(names)) == len(many)


def test_a_very_narrow_terminal_still_gets_every_number():
    lines = lines_of("m.grove", bench_of(*STAGES), 20)
    row = next(line for line in lines if line.startswith("..0.conv"))
    assert row.split()[-5:] == ["200", "10.0%", "500", "50%", "1.00"]


@pytest.mark.parametrize(("level", "why"), [("amx", "AMX multiplies"), ("avx2", "XOR, count")])
def test_more_than_the_peak_is_explained(level, why):
    faster = ("a", "binary_conv2d", 10e-6, 1.2e7, 0, 8)
    text = "\n".join(lines_of("m.grove", bench_of(*STAGES, faster, level=level), None))
    assert "120%" in text
    assert "Over 100% of the peak" in text
    assert why in text


def test_several_threads_are_named_with_what_it_means(monkeypatch):
    monkeypatch.setattr(kernels, "usable_cpus", lambda: 2)
    text = "\n".join(lines_of("m.grove", bench_of(*STAGES, threads=3, peer=PEER), None))
    assert "avx512, 3 threads" in text
    assert "measured: one thread's, times 2\n" in text  # there are no more
    assert "those of the shortest of 50 runs" in " ".join(text.split())
    assert "while it was kept from its CPU seems short" in " ".join(text.split())
    assert "with 3 threads too" in " ".join(text.split())


@pytest.mark.parametrize(
    ("threads", "batch", "least", "warned"),
    [(2, 1, 1.3e-3, True), (2, 1, 1.4e-3, False), (1, 1, 1e-3, False), (2, 2, 1e-3, False)],
)
def test_stages_that_take_longer_than_the_whole_are_not_to_be_believed(
    threads, batch, least, warned
):
    """The stages take 2 ms."""
    faster = ("a", "binary_conv2d", 1e-9, 1.2e7, 0, 8)
    found = bench_of(*STAGES, faster, threads=threads, level="amx")
    found = replace(found, batch=batch, seconds=Spread(least, 2e-3, 2e-3, 2e-3))
    text = "\n".join(lines_of("m.grove", found, None))
    assert ("MEAN LITTLE" in text) == found.to_dict()["stages_unreliable"] == warned
    assert ("AMX multiplies" in text) != warned


def test_the_peak_counts_the_threads_that_have_a_cpu(model, monkeypatch):
    monkeypatch.setattr(kernels, "usable_cpus", lambda: 2)
    monkeypatch.setattr(_bench_measure._core, "popcount_peak", lambda seconds: 5e9)
    peaks = [benched(model, "--no-peer", "--threads", n)["popcount_peak"] for n in "123"]
    assert peaks == [5e9, 10e9, 10e9]


def test_the_command_prints_its_steps_apart_from_its_table(model, capsys):
    benched(model)
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert err.splitlines()[-1] == "timing bitgrove and onnxruntime ..."
    assert out.startswith(f"model           {model}, images of 1x8x8\n")
    assert "times as long" in out


def test_names_cannot_reach_the_terminal(model, capsys):
    artifact = runtime.Artifact.load(model)
    nodes = (replace(artifact.graph.nodes[0], name="evil\x1b[2J"), *artifact.graph.nodes[1:])
    replace(artifact, graph=replace(artifact.graph, nodes=nodes)).save(model)
    assert run(["bench", str(model), "--repeats", "1"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "evil\\x1b[2J" in out


@pytest.mark.parametrize("module", ["onnxruntime", "onnx"])
def test_without_onnxruntime_the_rest_is_measured_and_the_way_is_told(
    model, capsys, monkeypatch, module
):
    monkeypatch.setitem(sys.modules, module, None)
    found = benched(model)
    assert found["onnxruntime"].keys() == {"left_out"}
    assert found["run"]["images_per_second"] > 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"onnxruntime left out: the comparison with float32 needs '{module}'. Install it" in out
    assert "pip install 'bitgrove[bench]'" in out


def test_a_network_that_onnx_cannot_hold_is_measured_alone(model, capsys, monkeypatch):
    monkeypatch.delitem(export._onnx_graph.CONVERTERS, "add")
    assert "has no ONNX form" in benched(model)["onnxruntime"]["left_out"]
    assert "left out: the network does not run in onnxruntime" in capsys.readouterr().out


def test_nobody_is_compared_with_if_asked(model, capsys, monkeypatch):
    monkeypatch.setattr(_bench_measure, "open_peer", None)
    assert benched(model, "--no-peer")["onnxruntime"] is None
    assert "onnxruntime" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "requires"),
        (["{model}", "--threads", "0"], 2, ">= 1"),
        (["{model}", "--repeats", "0"], 2, ">= 1"),
        (["{model}", "--batch", "0"], 2, ">= 1"),
        (["{model}", "--json"], 2, "--json"),
        (["{model}", "--threads", "5000"], 2, "<= 1024"),
        (["{model}", "--batch", str(10**15)], 1, "allocate"),
        (["{folder}/none.grove"], 1, "none.grove: No such file"),
        (["{folder}"], 1, "Is a directory"),
        (["{folder}/damaged.grove"], 1, "at byte"),
        (["{folder}/index"], 1, "index"),
        (["{model}", "--json", "{folder}"], 1, "is a folder; name a file in it"),
        (["{model}", "--json", "{folder}/no/b.json"], 1, "/no: no such folder to write to"),
        (["{model}", "--json", "/proc/b.json"], 1, "/proc/b.json: "),
        (["{model}", "--json", "/dev/null"], 1, "/dev/null is no ordinary file"),
        (["{model}", "--json", "{model}"], 1, "is the model itself"),
    ],
)
def test_mistakes_get_one_line_before_anything_is_measured(
    model, tmp_path, capsys, monkeypatch, arguments, code, message
):
    def measured(*_):
        raise AssertionError

    (tmp_path / "damaged.grove").write_bytes(model.read_bytes()[:-5])
    index = runtime.Artifact.load(model).examples.index
    index.save(tmp_path / "index")
    monkeypatch.setattr(_bench_measure._core, "popcount_peak", measured)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    filled = [a.format(model=model, folder=tmp_path) for a in arguments]
    assert run(["bench", *filled]) == code
    out, err = capsys.readouterr()
    assert message in err
    assert not out
    assert len([line for line in err.splitlines() if line.startswith("bitgrove:")]) == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_ctrl_c_leaves_at_once_and_an_older_file_as_it_was(model, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    out = model.with_name("bench.json")
    out.write_text("older")
    monkeypatch.setattr(runtime.Session, "run", interrupted)
    assert run(["bench", str(model), "--json", str(out)]) == 130
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == "bitgrove: interrupted"
    assert not captured.out
    assert out.read_text() == "older"
    assert {path.name for path in model.parent.iterdir()} == {"m.grove", "bench.json"}


def test_bench_and_export_need_no_torch(model, tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from bitgrove.cli._app import run\n"
        "model, out = sys.argv[1:]\n"
        "assert run(['bench', model, '--repeats', '1']) == 0\n"
        "assert run(['export', model, '--onnx', out]) == 0\n"
        "from bitgrove import export\n"
        "print(*dir(export))\n"
        "try: export.pack\n"
        "except ImportError as error: print(error)\n"
        "assert not hasattr(export, 'nonsense')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(model), str(tmp_path / "m.onnx")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "times as long" in ran.stdout
    *_, names, message = ran.stdout.splitlines()
    assert {"pack", "quantise", "to_onnx", "verify", "Verification"} <= set(names.split())
    assert message == (
        "bitgrove.export.pack needs 'torch'. Install it with: pip install 'bitgrove[train]'"
    )


def test_what_needs_torch_is_the_same_object_each_time():
    assert export.pack is export.pack
    assert export.verify(*_verified()).__class__ is export.Verification


def _verified():
    import torch

    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.Flatten()).eval()
    x = torch.zeros(1, 1, 4, 4)
    return model, export.pack(model, x), x.numpy()


def test_doctor_lists_the_levels_and_the_extras_as_they_are(capsys):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = {"core": project["dependencies"], **project["optional-dependencies"]}
    del extras["dev"]
    wanted = {
        extra: {requirement.split(">")[0] for requirement in requirements}
        for extra, requirements in extras.items()
    }
    assert {extra: set(names) for extra, names in _doctor._EXTRAS.items()} == wanted
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert f"of {', '.join(kernels.simd_levels())}\n" in out
    assert "onnxruntime" in out
