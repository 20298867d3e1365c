"""Files are as small as the theory promises: one bit a binary weight, and nothing stored twice."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import bitgrove as bg
from bitgrove import export, files, runtime
from bitgrove.nn import BinaryConv2d, RPReLU

from .conftest import images, randomise

MB = 1_000_000


def packed(name, shape, **options):
    """A network at full size with numbers as after training, no gamma next to 0."""
    torch.manual_seed(0)
    model = randomise(bg.models.create(name), 0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d) and module.affine:
                module.weight.abs_().add_(0.1)
    return export.pack(model, torch.zeros(1, *shape), **options)


def saved(artifact, path):
    artifact.save(path)
    return path.stat().st_size


def content(path):
    """Bytes of tensors by name."""
    return {
        name: array.nbytes for name, array in files.read(path, kind="grove", version=3)[0].items()
    }


BINARYNET = {
    # 128C3 of 3 real channels, a byte for each pixel of the window; the others 8 weights a byte
    "weights": 128 * 9 + (128 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512) * 9 // 8
    + (512 * 9 * 1024 + 1024 * 1024 + 1024 * 10) // 8,
    # six norms are thresholds, the sixth one for each number that is flattened
    "thresholds": 4 * (128 + 128 + 256 + 256 + 512 + 512 * 9 + 1024 + 1024),
    # the norm of the embedding, and that of the logits
    "reals": 4 * (1024 + 1024 + 10 + 10),
}  # fmt: skip


def test_binarynet_of_bop_takes_no_more_than_1400_kb(tmp_path):
    path = tmp_path / "m.grove"
    size = saved(packed("binarynet", (3, 32, 32)), path)
    assert size <= 1.4 * MB
    stored = content(path)
    assert sum(stored.values()) - sum(BINARYNET.values()) <= 8 * 128  # at most the bits that flip
    assert size - sum(stored.values()) < 10_000  # the header


def test_bireal_18_takes_no_more_than_4250_kb_and_2900_kb_in_float16(tmp_path):
    path = tmp_path / "m.grove"
    artifact = packed("birealnet18", (3, 224, 224))
    assert saved(artifact, path) <= 4.25 * MB
    # By hand: the stem, 16 binary layers with scale and bias, three shortcuts, the classifier.
    widths = [64] * 4 + [128] * 4 + [256] * 4 + [512] * 4
    before = [64, *widths[:-1]]
    bits = sum(a * b * 9 for a, b in zip(before, widths, strict=True))
    filters = 64 * 3 * 49 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 1000
    others = 64 + 2 * sum(widths) + 128 + 256 + 512 + 1000
    assert sum(content(path).values()) == bits // 8 + 4 * (filters + others)
    assert saved(artifact.with_real_dtype("float16"), path) <= 2.9 * MB
    near_zero = 2 * 1000  # one of the classifier's biases, so all of them stay
    assert sum(content(path).values()) == bits // 8 + 2 * (filters + others) + near_zero
    assert path.stat().st_size - sum(content(path).values()) < 25_000


def test_pack_takes_the_dtype_and_it_survives_the_file(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), BinaryConv2d(8, 4, 3, scale="channel"), nn.Flatten())
    x = torch.zeros(1, 3, 8, 8)
    for dtype in ("float32", "float16"):
        export.pack(model, x, real_dtype=dtype).save(tmp_path / "m.grove")
        first = runtime.load(tmp_path / "m.grove").artifact.graph.nodes[0]
        assert first.tensors["weight"].dtype == dtype
    with pytest.raises(ValueError, match="real_dtype must be 'float32' or 'float16', got 'int8'"):
        export.pack(model, x, real_dtype="int8")


def test_what_changes_nothing_is_not_stored():
    shifted = RPReLU(4)
    with torch.no_grad():
        shifted.shift_out.fill_(0.25)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),  # the bias will be 0
        nn.BatchNorm2d(4, eps=0, affine=False),  # scale 1, bias 0
        BinaryConv2d(4, 4, 3),
        nn.BatchNorm2d(4, eps=0),
        shifted,
        nn.AvgPool2d(2),
        nn.BatchNorm2d(4, eps=0),  # read by a sign alone: threshold 0
        BinaryConv2d(4, 4, 1),
        nn.Flatten(),
    ).eval()
    with torch.no_grad():
        model[0].bias.zero_()
        model[3].bias.fill_(-0.0)
    x = images(4, 3, 8, 8)
    artifact = export.pack(model, torch.from_numpy(x))
    assert [(node.op, set(node.tensors)) for node in artifact.graph.nodes] == [
        ("conv2d", {"weight"}),
        ("sign", set()),
        ("binary_conv2d", {"weight"}),
        ("prelu", {"slope", "after"}),
        ("avg_pool2d", set()),
        ("sign", set()),
        ("binary_conv2d", {"weight"}),
        ("flatten", set()),
    ]
    assert export.verify(model, artifact, x).equal()


def test_what_must_be_there_stays_even_if_it_changes_nothing():
    model = nn.Sequential(nn.MaxPool2d(2), nn.BatchNorm2d(3, eps=0)).eval()
    (_, node) = export.pack(model, torch.zeros(1, 3, 8, 8)).graph.nodes
    assert (node.op, set(node.tensors)) == ("affine", {"scale", "bias"})


def test_one_number_beside_the_neutral_one_is_stored():
    model = nn.Sequential(BinaryConv2d(4, 4, 3), nn.BatchNorm2d(4, eps=0)).eval()
    with torch.no_grad():
        model[1].weight[2] = 1.0001
        model[1].bias[3] = 1e-30
    *_, node = export.pack(model, torch.zeros(1, 4, 8, 8)).graph.nodes
    assert set(node.tensors) == {"weight", "scale", "bias"}


def test_a_module_that_is_called_twice_is_stored_once(tmp_path):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = BinaryConv2d(64, 64, 3, padding=1)
            self.one, self.two = nn.BatchNorm2d(64), nn.BatchNorm2d(64)

        def forward(self, x):
            return self.two(self.conv(self.one(self.conv(x))))

    torch.manual_seed(0)
    model, path = randomise(Twice(), 0), tmp_path / "m.grove"
    x = images(2, 64, 6, 6)
    export.pack(model, torch.from_numpy(x)).save(path)
    assert sum(name.endswith(".weight") for name in content(path)) == 1
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(runtime.load(path).run(x), expected, rtol=1e-5, atol=1e-5)


def test_a_copy_of_a_layer_is_stored_once_and_verified(tmp_path):
    one = BinaryConv2d(8, 8, 3, padding=1)
    model, path = nn.Sequential(one, copy.deepcopy(one)), tmp_path / "m.grove"
    x = images(2, 8, 6, 6)
    export.pack(model, torch.from_numpy(x)).save(path)
    assert len(content(path)) == 1
    assert export.verify(model, runtime.load(path).artifact, x).equal()
