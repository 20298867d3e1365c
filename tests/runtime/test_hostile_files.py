"""Damaged and forged models: an error, never a crash, a hang or a huge allocation."""

import subprocess
import sys

import numpy as np
import pytest

from bitgrove import files, runtime

from .conftest import make_artifact

CORRUPTIONS = 400

FUZZ = """
import resource, sys
import numpy as np
from bitgrove import files, runtime
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
path, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
raw = open(path, "rb").read()
x = np.zeros((1, 1, 8, 8), np.float32)
expected = runtime.load(path).run(x)
rng = np.random.default_rng(seed)
refused = 0
for trial in range(count):
    damaged = bytearray(raw)
    kind = trial % 4
    if kind == 0:
        for at in rng.integers(0, len(raw), rng.integers(1, 4)):
            damaged[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del damaged[int(rng.integers(len(raw))):]
    elif kind == 2:
        at, length = int(rng.integers(len(raw))), int(rng.integers(1, 64))
        damaged[at:at + length] = rng.bytes(length)
    else:
        at, length = int(rng.integers(len(raw))), int(rng.integers(1, 64))
        del damaged[at:at + length]
    open(path, "wb").write(damaged)
    try:
        got = runtime.load(path).run(x)
    except files.FileFormatError as error:
        refused += 1
        assert str(path) in str(error)
    else:
        assert (got == expected).all(), trial
print(refused)
"""


def test_random_corruptions_are_refused_or_harmless(model_path):
    ran = subprocess.run(
        [sys.executable, "-c", FUZZ, str(model_path), str(CORRUPTIONS), "0"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert int(ran.stdout) > CORRUPTIONS * 0.9


def forge(path, edit):
    """Rewrite a model with right checksums and wrong content."""
    tensors, metadata = files.read(path, kind="grove", version=2)
    edit(tensors, metadata)
    files.write(path, tensors, metadata, kind="grove", version=2)


def set_at(*keys):
    def edit(tensors, metadata):
        *inner, last, value = keys
        target = metadata
        for key in inner:
            target = target[key]
        target[last] = value

    return edit


def tensor(name, array):
    return lambda tensors, metadata: tensors.update({name: array})


def drop(name):
    return lambda tensors, metadata: tensors.pop(name)


@pytest.mark.parametrize(
    "edit",
    [
        set_at("network", None),
        set_at("network", "nodes", []),
        set_at("network", "nodes", [{"op": "relu"}] * 20_000),
        set_at("network", "nodes", 0, "inputs", [5]),
        set_at("network", "nodes", 0, "inputs", "abc"),
        set_at("network", "nodes", 0, "op", "exec"),
        set_at("network", "nodes", 0, "tensors", ["weight", "bias"]),
        set_at("network", "nodes", 0, "attributes", "padding", [65_536, 65_536]),
        set_at("network", "nodes", 0, "attributes", "dilation", [2**24, 1]),
        set_at("network", "nodes", 0, "attributes", "groups", 2**63),
        set_at("network", "nodes", 0, "attributes", 7),
        set_at("network", "nodes", 1, "name", "stem"),
        set_at("network", "input", [1, 2**31, 2**31]),
        set_at("network", "input", [2**62, 2**62, 2**62]),
        set_at("network", "input", [-1, 8, 8]),
        set_at("network", "input", [True, 8, 8]),
        set_at("network", "logits", 99),
        set_at("network", "embedding", -1),
        set_at("network", "embedding", 1),
        set_at("labels", ["a"]),
        set_at("labels", [1, 2, 3]),
        set_at("labels", "abc"),
        set_at("preprocessing", "height", 10**9),
        set_at("preprocessing", "std", [0]),
        set_at("preprocessing", "mean", ["x"]),
        set_at("preprocessing", 5),
        set_at("examples", "step", 0),
        set_at("examples", "step", "1"),
        set_at("examples", "step", 10**400),
        set_at("examples", "step", 1e200),
        set_at("examples", "bandwidth", 1e-200),
        set_at("examples", "step", True),
        set_at("preprocessing", "mean", [10**400]),
        set_at("preprocessing", "channels", 1.0),
        set_at("examples", "k", 0),
        set_at("examples", "bandwidth", -1),
        set_at("examples", "classes", []),
        set_at("examples", "classes", ["a"]),
        set_at("examples", "index", {}),
        set_at("examples", "index", "dim", 10**12),
        set_at("examples", "index", "max_degree", 2**40),
        tensor("examples.labels", np.full(60, 9, np.int32)),
        tensor("examples.labels", np.zeros(59, np.int32)),
        tensor("examples.labels", np.zeros(60, np.int64)),
        tensor("examples.names", np.zeros(10, np.uint8)),
        tensor("examples.projection", np.zeros((16, 15), np.float32)),
        tensor("examples.projection", np.full((20, 16), np.nan, np.float32)),
        tensor("examples.projection", np.zeros((20, 16), np.float32)),
        tensor("examples.offset", np.full(16, np.nan, np.float32)),
        tensor("examples.index.neighbours", np.full(5, 2**31, np.uint32)),
        tensor("examples.index.degrees", np.full(60, 2**31, np.uint32)),
        tensor("stem.weight", np.zeros((16, 3, 3, 2), np.float32)),
        tensor("stem.weight", np.full((16, 3, 3, 1), np.inf, np.float32)),
        tensor("stem.weight", np.zeros((16, 3, 3, 1), np.float64)),
        tensor("layer.weight", np.zeros((16, 3, 3, 3), np.uint8)),
        tensor("head.weight", np.zeros((0, 1, 1, 16), np.float32)),
        drop("stem.weight"),
        drop("examples.index.vectors"),
    ],
)
def test_a_forgery_with_right_checksums_is_refused(model_path, edit):
    forge(model_path, edit)
    with pytest.raises(files.FileFormatError, match=r"m\.grove"):
        runtime.load(model_path)


def test_names_that_inflate_past_the_limit_are_refused(model_path, monkeypatch):
    monkeypatch.setattr("bitgrove.runtime._examples._NAMES_LIMIT", 100)
    with pytest.raises(files.FileFormatError, match="past the limit"):
        runtime.load(model_path)


def test_a_folder_and_a_missing_file_are_os_errors(tmp_path):
    with pytest.raises(IsADirectoryError):
        runtime.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        runtime.load(tmp_path / "none.grove")


def test_saving_over_a_model_is_atomic(model_path, monkeypatch):
    before = model_path.read_bytes()
    artifact = make_artifact(examples=30)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        artifact.save(model_path)
    assert model_path.read_bytes() == before
    assert list(model_path.parent.iterdir()) == [model_path]


def test_a_window_far_larger_than_its_input_costs_no_more_than_the_input():
    """A file of some hundred bytes must not keep the machine busy for years."""
    window = {"kernel": [40_000, 40_000], "stride": [1, 1], "padding": [20_010, 20_010]}
    node = runtime.Node("input_scale", "k", (0,), {**window, "dilation": [1, 1], "groups": 1})
    graph = runtime.Graph((1, 3, 2), (node,), 1, 1)
    x = np.ones((1, 1, 3, 2), np.float32)
    out = runtime.run_graph(graph.build([1]), graph, [1], x, 1)[1]
    assert out.shape == (1, 1, 24, 23)
    np.testing.assert_allclose(out.max(), 6 / 40_000**2, rtol=1e-5)
