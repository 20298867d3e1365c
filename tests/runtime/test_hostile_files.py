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


def build(node, *, input=(3, 8, 8), before=()):
    """A graph of one node, after some others."""
    nodes = (*before, node)
    return runtime.Graph(input, nodes, len(nodes), len(nodes)).build([len(nodes)])


def upsample(size, step, mode="nearest"):
    return runtime.Node("upsample", "n", (0,), {"size": size, "step": step, "mode": mode})


def pad(before, after, value=0):
    return runtime.Node("pad", "n", (0,), {"before": before, "after": after, "value": value})


def pool(**changes):
    sides = {"kernel": [2, 2], "stride": [2, 2], "padding": [0, 0], "ceil": False}
    return runtime.Node("max_pool2d", "n", (0,), sides | changes)


def clip(low, high, slope):
    return runtime.Node("clip", "n", (0,), {"low": low, "high": high, "slope": slope})


def cells(size):
    return runtime.Node("adaptive_avg_pool", "n", (0,), {"size": size})


def scale_map(*shape):
    return runtime.Node("scale_map", "n", (0,), {}, {"map": np.zeros(shape, np.float32)})


def prelu(**tensors):
    arrays = {role: np.zeros(n, np.float32) for role, n in tensors.items()}
    return runtime.Node("prelu", "n", (0,), {}, arrays)


HALF = pool()
"""Makes value 1 half as large as value 0."""


def ferns(place=(0, 1, 2, 3), rows=4, entry=1, **changes):
    """Two ferns of two tests each on 3 channels, 5 outputs."""
    attributes = {"kernel": [2, 2], "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1]}
    tensors = {
        "place": np.int32(place),
        "threshold": np.zeros(len(place), np.float32),
        "table": np.full((1, 2, rows, 5), entry, np.int8),
    }
    for name, value in changes.items():
        (attributes if name in attributes else tensors)[name] = value
    return runtime.Node("fern_conv2d", "n", (0,), attributes, tensors)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (ferns(place=(0, 1, 2, -1)), "place must not be negative"),
        (ferns(place=(0, 1, 2, 12)), "channels of the test's own group, below 3"),
        (ferns(place=(0, 1, 2)), "place must have one number for each test"),
        (ferns(rows=3), "power of two of rows"),
        (ferns(rows=512), "power of two of rows"),
        (ferns(entry=-128), "-128"),
        (ferns(threshold=np.zeros(3, np.float32)), "threshold must have one number"),
        (ferns(threshold=np.full(4, np.nan, np.float32)), "NaN or infinite"),
        (ferns(flip=np.zeros(2, np.uint8)), "flip must have a bit per test"),
        (ferns(outside=np.zeros(2, np.uint8)), "outside must have a bit per test"),
        (ferns(scale=np.ones(4, np.float32)), "scale must have one number per channel"),
        (ferns(bias=np.ones(6, np.float32)), "bias must have one number per channel"),
        (ferns(table=np.ones((2, 1, 4, 5), np.int8)), "groups must divide the channels"),
        (ferns(table=np.ones((1, 70_000, 2, 1), np.int8)), "place must have one number"),
        (
            ferns(place=np.zeros(70_000), table=np.ones((1, 70_000, 2, 1), np.int8)),
            "1 to 65536 tests",
        ),
        (ferns(kernel=[0, 2]), "kernel must be in 1"),
        (ferns(kernel=[9, 2]), "does not fit"),
        (ferns(dilation=[2**20, 1]), "dilation must be in"),
        (ferns(kernel=[1, 1], padding=[30_000, 30_000], place=(0, 1, 2, 2)), "4294967296 bytes"),
        (ferns(stride=[0, 1]), "stride must be in 1"),
        (runtime.Node("concat", "n", (0,)), "needs 2 to 1024 inputs, has 1"),
        (runtime.Node("concat", "n", ()), "needs 2 to 1024 inputs, has 0"),
        (runtime.Node("concat", "n", (0,) * 1025), "needs 2 to 1024 inputs, has 1025"),
        (runtime.Node("concat", "n", (0, 1)), "earlier values"),
        (runtime.Node("multiply", "n", (0,)), "needs 2 inputs"),
        (runtime.Node("sigmoid", "n", (0, 0)), "needs 1 inputs"),
        (upsample([2**24, 1], [1, 1]), "size must be in 1 to 65536"),
        (upsample([2**25, 1], [1, 1]), "cannot be"),
        (upsample([0, 8], [1, 1]), "size must be"),
        (upsample([65_536, 65_536], [0.5, 0.5]), "more than 4294967296 bytes"),
        (upsample([16, 16], [2**24 + 1, 1]), "'step' cannot be"),
        (upsample([16, 16], [0, 1]), "'step' cannot be"),
        (upsample([16, 16], [float("nan"), 1]), "'step' cannot be"),
        (upsample([16, 16], [-1.0, 1]), "'step' cannot be"),
        (upsample([16, 16], [True, 1]), "'step' cannot be"),
        (upsample([16], [1]), "'size' cannot be"),
        (upsample([16, 16], [1, 1], "cubic"), "'mode' cannot be"),
        (upsample([16, 16], [1, 1], ["nearest"]), "'mode' cannot be"),
        (pad([2**20, 0], [0, 0]), "before must be in 0 to 65536"),
        (pad([65_536, 0], [0, 0]), "past the limits"),
        (pad([30_000] * 2, [30_000] * 2), "more than 4294967296 bytes"),
        (pad([1, 1], [1, 1], float("inf")), "'value' cannot be"),
        (pad([1, 1], [1, 1], 10**400), "'value' cannot be"),
        (pad([1, 1, 1], [1, 1, 1]), "'before' cannot be"),
        (pool(ceil=1), "'ceil' cannot be"),
        (pool(kernel=[2]), "'kernel' cannot be"),
        (pool(kernel=[40, 40]), "does not fit"),
        (pool(kernel=[0, 1]), "kernel must be in 1"),
        (clip(1, -1, 0), "low must be at most high"),
        (clip(-1, 1, float("nan")), "'slope' cannot be"),
        (clip(-1, 1e300, 0), "'high' cannot be"),
        (cells([0, 1]), "size must be"),
        (cells([2**20, 1]), "size must be"),
        (cells([65_536, 65_536]), "more than 4294967296 bytes"),
        (scale_map(8, 8, 2), "sides and channels"),
        (scale_map(4, 8, 3), "sides and channels"),
        (scale_map(8, 3), "with 3 dimensions"),
        (prelu(slope=3, before=2), "one number per channel"),
        (prelu(slope=3, after=4), "one number per channel"),
        (prelu(before=3), "lacks the tensors"),
        (runtime.Node("conv1d", "n", (0,), {}), "unknown operator"),
        (runtime.Node("conv3d", "n", (0,), {}), "unknown operator"),
        (runtime.Node("conv", "n", (0,), {}), "unknown operator"),
    ],
)
def test_a_forged_node_is_refused_before_memory_is_taken(node, message):
    with pytest.raises(ValueError, match=message):
        build(node)


@pytest.mark.parametrize("op", ["concat", "add", "multiply"])
def test_values_of_different_sides_do_not_meet(op):
    with pytest.raises(ValueError, match=r"same sides|same shape|one pixel"):
        build(runtime.Node(op, "both", (0, 1)), before=(HALF,))


def test_joining_cannot_pass_the_limit_of_channels():
    doubling = [runtime.Node("concat", f"c{i}", (i,) * 1024) for i in range(3)]
    with pytest.raises(ValueError, match=r"past the limits"):
        build(doubling[2], input=(1, 1), before=doubling[:2])


@pytest.mark.parametrize("shape", [(3,), (1, 2, 3, 4, 5), (1, 65_536, 65_536, 65_536)])
def test_an_input_of_impossible_sides_is_refused(shape):
    with pytest.raises(ValueError, match=r"1 to 3 sides|bytes"):
        build(runtime.Node("relu", "n", (0,)), input=shape)


@pytest.mark.parametrize("op", ["relu", "sigmoid", "flatten", "binarise", "concat"])
def test_operators_refuse_bits(op):
    sign = runtime.Node("sign", "s", (0,), {"groups": 1})
    with pytest.raises(ValueError, match="must be real"):
        build(runtime.Node(op, "n", (0, 1) if op == "concat" else (1,)), before=(sign,))


def test_a_file_of_the_version_before_the_release_is_refused(model_path):
    tensors, metadata = files.read(model_path, kind="grove", version=2)
    files.write(model_path, tensors, metadata, kind="grove", version=1)
    with pytest.raises(files.FileFormatError, match=r"version 1 of the.*pack the model anew"):
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
