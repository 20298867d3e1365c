"""The C API runs packed models as Python does, bit for bit."""

import ctypes
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn

import bitgrove as bg
from bitgrove import export, files, runtime
from bitgrove.nn import BinaryConv2d, BinaryLinear

from ..export.networks import SMALL, make
from ..programs import call
from .native import RefusedError

DEAR = [
    "birealnet34",
    "birealnet50",
    "birealnet152",
    "bwn_alexnet",
    "quicknet_large",
    "xnor_alexnet",
]
"""Made of the same operators as others, and slower to pack."""


def both(library, artifact, x, path, threads=1):
    """Session and C model of a file, after a check that they agree on ``x``."""
    artifact.save(path)
    session, model = runtime.load(path), library.open(path)
    assert model.shape == x.shape[1:]
    logits = session.run(x).reshape(len(x), -1)
    assert np.ptp(logits) > 0
    np.testing.assert_array_equal(model.run(x, threads), logits, strict=True)
    np.testing.assert_array_equal(model.embed(x, threads), session.embed(x), strict=True)
    return session, model


@pytest.mark.parametrize("name", sorted(SMALL.keys() - DEAR))
def test_a_network_gives_the_same_bits(library, name, tmp_path):
    network, x = make(name)
    both(library, export.pack(network, x), x[:2].numpy(), tmp_path / "m.grove")


class Rest(nn.Module):
    """Operators that no named network has, on pictures of 6 channels."""

    def __init__(self):
        super().__init__()
        self.grouped = BinaryConv2d(6, 12, 3, padding=1, groups=2, pad_value=0, scale="learned")
        self.weights = BinaryConv2d(12, 10, 3, input_estimator=None, groups=2, scale="channel")
        self.scaled = BinaryConv2d(
            10, 4, 3, padding=1, input_scale=True, scale="spatial", output_size=(7, 5)
        )
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.near = nn.Upsample(size=(9, 4))
        self.pad = nn.ConstantPad2d((1, 0, 2, 1), 0.5)
        self.pool = nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)

    def forward(self, x):
        x = self.scaled(torch.nn.functional.leaky_relu(self.weights(self.grouped(x)), 0.1))
        x = torch.cat([self.near(self.up(x)), self.near(x)], 1)
        x = self.pool(self.pad(x)) * torch.sigmoid(x.mean((2, 3), keepdim=True))
        return torch.nn.functional.hardtanh(x, -0.5, 0.75).flatten(1)


def test_other_operators_give_the_same_bits(library, tmp_path):
    torch.manual_seed(0)
    network = Rest().eval()
    for name, parameter in network.named_parameters():
        if ".scale_" in name:
            nn.init.uniform_(parameter, 0.5, 2)
    x = torch.randn(3, 6, 9, 7)
    artifact = export.pack(network, x)
    ops = {node.op for node in artifact.graph.nodes}
    assert {"binary_weight_conv2d", "input_scale", "scale_map", "upsample", "pad", "concat"} <= ops
    assert {"multiply", "sigmoid", "clip", "avg_pool2d", "flatten"} <= ops
    both(library, artifact, x.numpy(), tmp_path / "m.grove")


OTHER_SIDES = {
    "series": ((3, 11), nn.Conv1d(3, 5, 3, padding=1), nn.MaxPool1d(2), nn.PReLU(5)),
    "volume": ((2, 3, 5, 6), nn.Conv3d(2, 4, (1, 3, 2)), nn.ReLU(), nn.AdaptiveAvgPool3d(2)),
    "linear": (
        (4, 3, 3),
        nn.BatchNorm2d(4),
        BinaryConv2d(4, 70, 3),
        nn.Flatten(),
        BinaryLinear(70, 3),
    ),
}


@pytest.mark.parametrize("name", OTHER_SIDES)
def test_other_sides_give_the_same_bits(library, name, tmp_path):
    torch.manual_seed(1)
    shape, *layers = OTHER_SIDES[name]
    x = torch.randn(3, *shape)
    artifact = export.pack(nn.Sequential(*layers).eval(), x)
    both(library, artifact, x.numpy(), tmp_path / "m.grove")


def test_float16_and_shared_tensors_give_the_same_bits(library, tmp_path):
    torch.manual_seed(2)
    twice = nn.Conv2d(8, 8, 3, padding=1)
    network = nn.Sequential(twice, nn.PReLU(8), BinaryConv2d(8, 8, 3, scale="channel"), twice)
    x = torch.randn(2, 8, 9, 7)
    artifact = export.pack(network.eval(), x).with_real_dtype("float16")
    path = tmp_path / "m.grove"
    both(library, artifact, x.numpy(), path)
    tensors, metadata = files.read(path, kind="grove", version=3)
    assert {"float16"} < {array.dtype.name for array in tensors.values()}
    assert any("shared" in node for node in metadata["network"]["nodes"])


def test_threads_and_batches_do_not_change_a_bit(library, artifact, tmp_path):
    x = np.random.default_rng(0).standard_normal((9, 1, 8, 8)).astype(np.float32)
    _, model = both(library, artifact, x, tmp_path / "m.grove", threads=3)
    single = np.concatenate([model.run(row[None]) for row in x])
    np.testing.assert_array_equal(single, model.run(x))
    assert model.run(x[:0]).shape == (0, 3)


def test_several_threads_share_a_model(library, model_path):
    model = library.open(model_path)
    x = np.random.default_rng(1).standard_normal((20, 1, 8, 8)).astype(np.float32)
    expected, found = model.run(x), []
    callers = [threading.Thread(target=lambda: found.append(model.run(x, 2))) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 4
    assert all(np.array_equal(one, expected) for one in found)


def test_pixels_are_standardised_as_in_python(library, artifact, tmp_path):
    rng = np.random.default_rng(0)
    graph = runtime.Graph((3, 4, 5), (runtime.Node("relu", "r", (0,)),), 1, 1)
    prep = runtime.Preprocessing(4, 5, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    runtime.Artifact(graph, None, prep).save(tmp_path / "m.grove")
    model = library.open(tmp_path / "m.grove")
    pixels = rng.integers(0, 256, (40, 4, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(model.preprocess(pixels), prep.normalise(pixels), strict=True)


def test_a_model_tells_about_itself(library, artifact, model_path):
    model = library.open(model_path)
    assert model.shape == (1, 8, 8)
    assert model.labels == artifact.labels == ["class-0", "class-1", "class-2"]
    session = runtime.Session(artifact)
    assert library.run_bytes(model.handle) == session._network.arena_bytes
    assert library.input_size(model.handle, 3) == 0
    assert library.has_preprocessing(model.handle) == 1
    assert library.simd_level().decode() == bg.kernels.simd_levels()[-1]


def test_labels_are_utf_8(library, artifact, tmp_path):
    artifact.labels = ["été", "木", "🌳"]
    artifact.save(tmp_path / "m.grove")
    assert library.open(tmp_path / "m.grove").labels == artifact.labels


def test_a_model_without_labels_and_preprocessing(library, artifact, tmp_path):
    artifact.labels, artifact.preprocessing = None, None
    artifact.save(tmp_path / "m.grove")
    model = library.open(tmp_path / "m.grove")
    assert model.labels == []
    assert library.has_preprocessing(model.handle) == 0
    with pytest.raises(RefusedError, match="packed without preprocessing"):
        model.preprocess(np.zeros((1, 8, 8, 1), np.uint8))


def test_a_wrong_call_is_an_error_and_no_crash(library, model_path):
    model = library.open(model_path)
    x = np.zeros((1, 1, 8, 8), np.float32)
    with pytest.raises(RefusedError, match="threads must be 1 to 1024, got 0"):
        model.run(x, 0)
    with pytest.raises(RefusedError, match="threads must be 1 to 1024, got 1025"):
        model.embed(x, 1025)
    x[0, 0, 7, 7] = np.nan
    with pytest.raises(RefusedError, match="x must not hold NaN"):
        model.run(x)
    error = ctypes.create_string_buffer(100)
    null = (None, 1, None, 1, error, 100)
    for handle, arguments, reason in [
        (None, (x.ctypes.data, 1, x.ctypes.data, 1, error, 100), b"model is NULL"),
        (model.handle, null, b"an array is NULL"),
        (model.handle, (x.ctypes.data, 2**62, x.ctypes.data, 1, error, 100), b"any memory"),
    ]:
        assert library.run(handle, *arguments) != 0
        assert reason in error.value
    for query in (library.input_rank, library.logit_count, library.run_bytes, library.input_count):
        assert query(None) == 0
    assert library.label(None, 0) is None
    library.free(None)


@pytest.mark.parametrize("size", [0, 1, 2, 20])
def test_an_error_is_cut_between_characters(library, size):
    error = ctypes.create_string_buffer(b"\xff" * 40, 40)
    assert library.load("ééé.grove".encode(), error, size) is None
    assert error.raw[size:] == b"\xff" * (40 - size)
    whole = "ééé.grove: No such file or directory".encode()
    kept = whole[: max(size - 1, 0)].decode(errors="ignore").encode()
    assert not size or error.raw[:size].split(b"\0")[0] == kept
    assert library.load(None, None, 0) is None
    assert library.load_memory(None, 0, None, 0) is None


def test_a_level_that_does_not_exist_is_not_said_of_the_file(installed, model_path):
    code = (
        "import ctypes; error = ctypes.create_string_buffer(300);"
        f"c = ctypes.CDLL({str(installed / 'lib' / 'libbitgrove.so')!r});"
        f"c.bitgrove_load({str(model_path)!r}.encode(), error, ctypes.c_size_t(300));"
        "print(error.value.decode())"
    )
    said = call(sys.executable, "-c", code, env={"BITGROVE_SIMD": "avx1024"})
    assert said.startswith("BITGROVE_SIMD level 'avx1024' cannot run on this CPU")


def test_unaligned_bytes_load(library, artifact, tmp_path):
    """A header of any length may stand before the tensors, and a file anywhere in memory."""
    artifact.save(tmp_path / "m.grove")
    raw = (tmp_path / "m.grove").read_bytes()
    x = np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32)
    expected = library.open(raw).run(x)
    for shift in (1, 2, 3):
        memory = ctypes.create_string_buffer(b"\0" * shift + raw, len(raw) + shift)
        error = ctypes.create_string_buffer(100)
        handle = library.load_memory(ctypes.addressof(memory) + shift, len(raw), error, 100)
        assert handle, error.value
        model = type(library.open(raw))(library, handle)
        np.testing.assert_array_equal(model.run(x), expected)
