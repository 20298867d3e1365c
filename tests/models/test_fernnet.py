"""The fern network, its rivals, what they cost, and how they train."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import bitgrove as bg
from bitgrove import models


def fern(**options):
    torch.manual_seed(0)
    return models.create("fernnet", **options)


def test_parameters_are_those_counted_by_hand():
    ferns = 3 * (12 * 16 * 64 + 12 * 4) + 3 * 2 * 64 + 64 * 2 + 2
    rivals = 75 * 64 + 2 * 576 * 64 + 3 * 2 * 64 + 64 * 2 + 2
    assert (ferns, rivals) == (37_522, 79_042)  # published: about 40,000 and 80,000
    for options, count in (({}, ferns), ({"layers": "xnor"}, rivals), ({"real": True}, rivals)):
        model = fern(**options)
        assert sum(p.numel() for p in model.parameters()) == count
        summary = bg.summary(model, (3, 64, 64))
        assert summary.real_parameters + summary.binary_parameters == count


def test_summary_counts_lookups_and_comparisons():
    summary = bg.summary(fern(), (3, 64, 64))
    positions = 32 * 32 + 16 * 16 + 8 * 8
    assert summary.lookups == positions * 12 * 64
    assert summary.comparisons == positions * 48
    assert (summary.binary_macs, summary.real_macs) == (0, 128)
    assert summary.packed_bytes == 3 * (12 * 16 * 64 + 48 * 8 + 64 * 4) + 3 * 128 * 4 + 130 * 4
    assert summary.grouped(1).lookups == summary.lookups
    assert "1,032,192 look-ups added, 64,512 comparisons in ferns" in str(summary)
    learned = bg.summary(fern(tests="learned"), (3, 64, 64))
    assert learned.real_parameters == summary.real_parameters


def test_energy_of_the_paper_is_near_what_it_prints():
    """Published: ferns 1.01, float 65.5 microjoules, for patches of unknown size."""
    assert models.energy(bg.summary(fern(), (3, 64, 64))) == pytest.approx(
        (1_032_192 * 0.9 + 128 * 4.6) * 1e-6
    )
    floats = bg.summary(fern(real=True), (3, 64, 64))
    assert models.energy(floats) == pytest.approx(floats.real_macs * 4.6e-6)
    assert 1 / 2 < models.energy(floats) / 65.5 < 2
    xnor = bg.summary(fern(layers="xnor"), (3, 64, 64))
    assert models.energy(xnor, models.EnergyModel(binary_mac=0.0)) == pytest.approx(
        xnor.real_macs * 4.6e-6
    )


@pytest.mark.parametrize("options", [{}, {"layers": "xnor"}, {"real": True}], ids=str)
def test_network_is_its_definition(options):
    model = fern(width=8, **options).eval()
    y = x = torch.randn(2, 3, 20, 17)
    for index, layer in enumerate(model.layers):
        if not options:
            y = layer.norm(layer.conv(y))
        elif options == {"real": True} or index == 0:
            y = layer.norm(F.conv2d(y, layer.conv.weight, None, 2, layer.conv.padding))
        else:
            weight = layer.conv.weight
            signs = [torch.where(z >= 0, 1.0, -1.0) for z in (F.pad(y, (1,) * 4), weight)]
            signs[0] = F.pad(torch.where(y >= 0, 1.0, -1.0), (1,) * 4)
            y = F.conv2d(*signs, stride=2) * weight.abs().mean((1, 2, 3))[:, None, None]
            y = layer.norm(y)
        if options == {"real": True} or (options and index == 2):
            y = y.relu()
    expected = model.head(y.mean((2, 3)))
    assert expected.std() > 1e-3
    torch.testing.assert_close(model(x), expected)


def test_ferns_learn_to_tell_strong_noise_from_weak():
    """No single pixel answers, and the mean of all pixels neither."""
    torch.manual_seed(1)
    model = models.create("fernnet", width=16, ferns=6)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)

    def batch():
        strong = torch.rand(32) < 0.5
        noise = torch.randn(32, 3, 16, 16)
        return noise * torch.where(strong, 1.0, 0.4)[:, None, None, None], strong.long()

    for _ in range(60):
        x, y = batch()
        optimizer.zero_grad()
        F.cross_entropy(model.train()(x), y).backward()
        optimizer.step()
    x, y = batch()
    with torch.no_grad():
        assert (model.eval()(x).argmax(1) == y).float().mean() > 0.85


def test_unknown_layers_are_named():
    with pytest.raises(ValueError, match="layers must be 'fern' or 'xnor', got 'float'"):
        fern(layers="float")


def test_rivals_differ_in_their_layers():
    kinds = {
        name: {type(m).__name__ for m in fern(**options).modules() if isinstance(m, nn.Module)}
        for name, options in (("fern", {}), ("xnor", {"layers": "xnor"}), ("float", {"real": True}))
    }
    assert "FernConv2d" in kinds["fern"]
    assert not {"Conv2d", "BinaryConv2d"} & kinds["fern"]
    assert {"Conv2d", "BinaryConv2d"} <= kinds["xnor"]
    assert not {"FernConv2d", "BinaryConv2d"} & kinds["float"]
