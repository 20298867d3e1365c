"""Networks of codes: trained by the common loop, with any head and backbone, packed."""

import signal

import numpy as np
import pytest
import torch
from torch import nn

import bitgrove as bg
from bitgrove.data import ImageData
from bitgrove.hashing import (
    BiHalfLoss,
    BlockHead,
    CSQLoss,
    DivideAndEncode,
    DSHLoss,
    GreedyHashLoss,
    HashNetwork,
    OrthoHashLoss,
    SuBiCLoss,
    TripletHashLoss,
    block_codes,
    block_entries,
)
from bitgrove.interfaces import PackedCodes
from bitgrove.training import (
    Constant,
    Flips,
    Gradient,
    Linear,
    Method,
    TrainingConfig,
    TrainingError,
    fit,
)


def pictures(n, seed):
    """Noisy pictures with a bright row (class 0), column (1) or neither (2)."""
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 120, (n, 8, 8, 1), np.uint8), np.arange(n) % 3
    for image, label in zip(images, labels, strict=True):
        at = rng.integers(1, 7)
        if label < 2:
            image[(at, slice(None)) if label == 0 else (slice(None), at)] += 110
    return ImageData(
        images, labels, ("row", "column", "none"), tuple(f"{seed}/{i}" for i in range(n))
    )


TRAIN, VALIDATION = pictures(60, 0), pictures(30, 1)


def backbone(real=False):
    return bg.models.create("birealnet_small", num_classes=3, width=8, blocks=(1, 1), real=real)


def heads(d):
    return {
        "dsh": (nn.Linear(d, 12), DSHLoss(12)),
        "ninh": (
            nn.Sequential(nn.Linear(d, 36), nn.ReLU(), DivideAndEncode(36, 12)),
            TripletHashLoss(12),
        ),
        "subic": (BlockHead(d, blocks=3, width=8), SuBiCLoss(3, blocks=3, width=8)),
        "greedyhash": (nn.Linear(d, 5), GreedyHashLoss(5, 3)),
        "csq": (nn.Linear(d, 12), CSQLoss(12, 3)),
        "orthohash": (
            nn.Sequential(nn.Linear(d, 12, bias=False), nn.BatchNorm1d(12, affine=False)),
            OrthoHashLoss(12, 3),
        ),
    }


def network(name, seed=0, real=False):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        base = backbone(real)
        return HashNetwork(base, *heads(base.embedding_dim)[name])


def settings(net, epochs=3, **method):
    rule = Gradient(kind="adam", lr=Linear(0.01))
    method = Method(**{"real": rule, "loss": net.objective} | method)
    return TrainingConfig(epochs=epochs, batch_size=20, method=method, shift=0)


def train(net, out, config=None, **options):
    config = config or settings(net)
    return fit(net, TRAIN, VALIDATION, out, config, accelerator="cpu", progress=False, **options)


@pytest.mark.parametrize("name", heads(600))
def test_every_head_trains_and_its_packed_session_gives_the_same_codes(name, tmp_path):
    net = network(name)
    before = [p.clone() for p in net.loss.parameters()]
    result = train(net, tmp_path)
    assert result.best.train_loss < result.history[0].train_loss or result.best.epoch == 1
    after = list(net.loss.parameters())
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    x = torch.from_numpy(result.preprocessing.normalise(VALIDATION.images))
    outputs = net(x).detach()
    packed = bg.runtime.Session(bg.export.pack(net.encoder(), x[:1])).run(x.numpy())
    np.testing.assert_allclose(packed, outputs.numpy(), rtol=1e-3, atol=1e-4)
    codes = net.encode(x)
    differ = np.unpackbits(net.codes(packed) ^ codes, axis=1, count=net.loss.bits) > 0
    if name != "subic":  # bits may differ where a number all but is 0, and nowhere else
        differ &= outputs.abs().numpy() > 1e-4
    assert not differ.any()
    assert len(np.unique(codes, axis=0)) > 1
    if name == "subic":
        wanted = block_codes(outputs.numpy(), blocks=3, width=8)
    else:
        wanted = PackedCodes.from_signs(outputs.numpy()).data
    np.testing.assert_array_equal(codes, wanted)


def test_training_is_the_loss_on_the_outputs_and_the_hits_choose_the_epoch(tmp_path):
    net = network("csq")
    result = train(net, tmp_path, settings(net, epochs=6))
    assert result.best.validation_accuracy == max(e.validation_accuracy for e in result.history)
    x = torch.from_numpy(result.preprocessing.normalise(VALIDATION.images))
    y = torch.from_numpy(VALIDATION.labels)
    with torch.no_grad():
        outputs = net(x)
        assert result.best.validation_loss == pytest.approx(float(net.loss(outputs, y)), rel=1e-5)
        hits = net.loss.hits(outputs, y).float().mean()
    assert result.best.validation_accuracy == pytest.approx(float(hits))
    assert hits > 0.5


def test_an_interrupted_run_goes_on_to_the_same_codes(tmp_path):
    whole = network("greedyhash")
    train(whole, tmp_path / "whole", settings(whole, epochs=4))
    cut = network("greedyhash")
    calls = []

    def interrupt(module, args, outputs):
        calls.append(1)
        if len(calls) == 10:  # 3 batches to train on and 1 to validate, epoch by epoch
            signal.raise_signal(signal.SIGINT)

    handle = cut.head.register_forward_hook(interrupt)
    config = settings(cut, epochs=4)
    first = train(cut, tmp_path / "cut", config)
    handle.remove()
    assert first.interrupted
    assert first.epochs == 2
    again = network("greedyhash", seed=9)
    done = train(again, tmp_path / "cut", settings(again, epochs=4), resume=True)
    assert done.epochs == 4
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_run_is_not_taken_up_with_another_loss(tmp_path):
    net = network("dsh")
    train(net, tmp_path, settings(net, epochs=1))
    other = HashNetwork(net.backbone, net.head, DSHLoss(12, margin=5))
    with pytest.raises(TrainingError, match="margin=5, alpha"):
        train(other, tmp_path, settings(other, epochs=1), resume=True)


def test_binary_backbones_move_by_bop_too(tmp_path):
    net = network("orthohash")
    binary = list(bg.optim.split_parameters(net)[0])
    before = [p.detach().sign().clone() for p in binary]
    rule = Flips(threshold=Constant(1e-5), adaptivity_rate=Constant(0.1))
    result = train(net, tmp_path, settings(net, epochs=2, binary=rule))
    assert result.epochs == 2
    turned = sum(int((p.detach().sign() != b).sum()) for p, b in zip(binary, before, strict=True))
    assert turned > 0


def test_any_backbone_serves_and_modes_are_left_as_they_were():
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.BatchNorm1d(6))
    net = HashNetwork(plain, nn.Linear(6, 12), DSHLoss(12))
    net.train()
    plain.eval()
    x = torch.randn(4, 1, 8, 8)
    codes = net.encode(x)
    assert [m.training for m in (net, plain, net.head)] == [True, False, True]
    assert codes.dtype == np.uint8
    assert codes.shape == (4, 2)
    net.eval()
    np.testing.assert_array_equal(net.codes(net(x)), codes)


def test_divide_and_encode_looks_at_its_slices_alone():
    head = DivideAndEncode(12, 3)
    x = torch.randn(5, 12)
    wanted = [
        [
            sum(head.weight[b, i] * row[4 * b + i] for i in range(4)).item() + head.bias[b].item()
            for b in range(3)
        ]
        for row in x
    ]
    torch.testing.assert_close(head(x), torch.tensor(wanted))
    torch.testing.assert_close(head.linear()(x), head(x))


def test_block_codes_are_the_numbers_of_the_largest_entries():
    rng = np.random.default_rng(0)
    for blocks, width in ((3, 8), (5, 2), (2, 256), (7, 4)):
        values = rng.normal(size=(6, blocks * width))
        each = width.bit_length() - 1
        text = [
            "".join(
                format(int(np.argmax(row[b * width : (b + 1) * width])), f"0{each}b")
                for b in range(blocks)
            )
            for row in values
        ]
        wanted = np.packbits([[int(c) for c in line] for line in text], axis=1)
        np.testing.assert_array_equal(block_codes(values, blocks=blocks, width=width), wanted)
        entries = values.reshape(6, blocks, width).argmax(2)
        found = block_entries(wanted, blocks=blocks, width=width)
        np.testing.assert_array_equal(found, entries)
        assert found.dtype == np.uint8
    np.testing.assert_array_equal(block_codes(np.zeros((1, 8)), blocks=2, width=4), [[0]])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: HashNetwork(1, nn.Linear(1, 1), DSHLoss(1)),
            TypeError,
            "backbone must be a torch",
        ),
        (
            lambda: HashNetwork(nn.Flatten(), nn.Linear(1, 1), nn.MSELoss()),
            TypeError,
            "loss must be one of codes",
        ),
        (
            lambda: HashNetwork(nn.Flatten(), nn.Linear(1, 1), BiHalfLoss(1)),
            TypeError,
            "compares codes with features",
        ),
        (lambda: DivideAndEncode(10, 3), ValueError, "features must be a multiple of bits"),
        (lambda: BlockHead(4, blocks=2, width=3), ValueError, "width must be a power of 2"),
        (lambda: block_codes(np.zeros((2, 7)), blocks=2, width=4), ValueError, r"\(n, 8\)"),
        (lambda: block_codes([[np.nan, 0]], blocks=1, width=2), ValueError, "NaN"),
        (lambda: block_entries(np.zeros((2, 2), int), blocks=2, width=4), TypeError, "uint8"),
        (
            lambda: block_entries(np.zeros((2, 2), np.uint8), blocks=2, width=4),
            ValueError,
            r"\(n, 1\)",
        ),
        (
            lambda: block_entries(np.zeros((2, 2), np.uint8), blocks=1, width=512),
            ValueError,
            "at most 256",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_head_of_another_length_is_named_in_training(tmp_path):
    net = HashNetwork(backbone(), nn.Linear(16, 11), DSHLoss(12))
    with pytest.raises(
        TrainingError, match=r"outputs of shape \(20, 12\), as its loss, got \(20, 11\)"
    ):
        train(net, tmp_path)


def test_a_layer_called_embed_is_not_the_way_to_the_features():
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Conv2d(1, 4, 4, 4)

        def forward(self, x):
            return self.embed(x).flatten(1)

    net = HashNetwork(Patches(), nn.Linear(16, 5), DSHLoss(5)).eval()
    x = torch.randn(3, 1, 8, 8)
    assert net(x).shape == (3, 5)
    torch.testing.assert_close(net.encoder()(x), net(x))
