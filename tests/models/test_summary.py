import copy

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

import bitgrove as bg
from bitgrove import nn as bnn


def only(model, shape):
    (row,) = bg.summary(model, shape).layers
    return row


def costs(row):
    return (
        row.binary_parameters,
        row.real_parameters,
        row.binary_macs,
        row.real_macs,
        row.packed_bytes,
    )


# By hand. Input (12, 6, 6); a 3x3 convolution without padding gives 4x4 = 16 pixels. Weights:
# 8·12·9 = 864, or in two groups 8·6·9 = 432. Rows of 12 channels take 2 bytes, of 6 take 1:
# 8·9·2 = 144 bytes, 8·9·1 = 72 bytes. MACs: 16 times the weights.
@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (bnn.BinaryConv2d(12, 8, 3), (864, 0, 13824, 0, 144)),
        (bnn.BinaryConv2d(12, 8, 3, groups=2), (432, 0, 6912, 0, 72)),
        (bnn.BinaryConv2d(12, 8, 3, input_estimator=None), (864, 0, 0, 13824, 144)),
        (bnn.BinaryConv2d(12, 8, 3, weight_estimator=None), (0, 864, 0, 13824, 3456)),
        (bnn.BinaryConv2d(12, 8, 3, scale="channel"), (864, 0, 13824, 0, 144 + 32)),
        (
            bnn.BinaryConv2d(12, 8, 3, weight_estimator="magnitude_aware"),
            (864, 0, 13824, 0, 144 + 32),
        ),
        (bnn.BinaryConv2d(12, 8, 3, scale="learned"), (864, 8, 13824, 0, 144 + 32)),
        (
            bnn.BinaryConv2d(12, 8, 3, scale="learned", weight_estimator="magnitude_aware"),
            (864, 8, 13824, 0, 144 + 32),
        ),
        (
            bnn.BinaryConv2d(12, 8, 3, scale="spatial", output_size=4),
            (864, 8 + 4 + 4, 13824, 0, 144 + 64),
        ),
        (bnn.BinaryConv2d(12, 8, 3, input_scale=True), (864, 0, 13824, 16 * 9, 144)),
        (
            bnn.BinaryConv2d(12, 8, 3, input_scale=True, groups=2),
            (432, 0, 6912, 2 * 16 * 9, 72),
        ),
        (nn.Conv2d(12, 8, 3), (0, 872, 0, 13824, 3488)),
        (nn.BatchNorm2d(12), (0, 24, 0, 0, 96)),
        (nn.BatchNorm2d(12, affine=False), (0, 24, 0, 0, 96)),
        (nn.PReLU(12), (0, 12, 0, 0, 48)),
    ],
    ids=str,
)
def test_one_layer_costs_what_it_costs_by_hand(layer, expected):
    assert costs(only(layer, (12, 6, 6))) == expected


def test_linear_layers_cost_what_they_cost_by_hand():
    assert costs(only(bnn.BinaryLinear(20, 3), (20,))) == (60, 0, 60, 0, 9)
    assert costs(only(nn.Linear(20, 3), (20,))) == (0, 63, 0, 60, 252)
    assert costs(only(bnn.BinaryLinear(20, 3), (5, 20))) == (60, 0, 300, 0, 9)  # five times


# By hand. 1-D: 8·12·3 = 288 weights at 6 - 2 = 4 places, rows of 2 bytes: 8·3·2 = 48. 3-D, kernel
# 1x2x3 in two groups: 8·6·6 = 288 weights at 2·3·4 = 24 places, rows of 1 byte: 8·6 = 48; the box
# filter of 6 cells runs on both groups.
@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (bnn.BinaryConv1d(12, 8, 3), (12, 6), (288, 0, 288 * 4, 0, 48)),
        (bnn.BinaryConv1d(12, 8, 3, scale="learned"), (12, 6), (288, 8, 288 * 4, 0, 48 + 32)),
        (
            bnn.BinaryConv3d(12, 8, (1, 2, 3), groups=2, input_scale=True),
            (12, 2, 4, 6),
            (288, 0, 288 * 24, 2 * 24 * 6, 48),
        ),
        (
            bnn.BinaryConv1d(12, 8, 3, scale="plane", output_size=4),
            (12, 6),
            (288, 8 + 4, 288 * 4, 0, 48 + 48),
        ),
        (
            bnn.BinaryConv1d(12, 8, 3, scale="map", output_size=4),
            (12, 6),
            (288, 8 * 4, 288 * 4, 0, 48 + 128),
        ),
        (nn.Conv1d(12, 8, 3), (12, 6), (0, 296, 0, 288 * 4, 4 * 296)),
        (nn.Conv3d(12, 8, (1, 2, 3)), (12, 2, 4, 6), (0, 584, 0, 576 * 24, 4 * 584)),
        (nn.BatchNorm1d(12), (12, 6), (0, 24, 0, 0, 96)),
        (nn.BatchNorm3d(12), (12, 2, 4, 6), (0, 24, 0, 0, 96)),
        (bnn.RSign(12), (12, 6, 6), (0, 12, 0, 0, 48)),
        (bnn.RPReLU(12), (12, 6, 6), (0, 36, 0, 0, 144)),
    ],
    ids=str,
)
def test_layers_of_other_dimensions_cost_what_they_cost_by_hand(layer, shape, expected):
    assert costs(only(layer, shape)) == expected


def test_small_birealnet_adds_up():
    """Width 8, blocks (1, 1), on 8x8: by hand, layer after layer."""
    model = bg.models.create("birealnet_small", num_classes=3, width=8, blocks=(1, 1))
    got = bg.summary(model, (1, 8, 8))
    stem = 8 * 9
    norms = 2 * (8 + 8 + 16 + 16 + 16)  # stem, block 1, block 2, its shortcut, embedding
    prelus = 8 + 8 + 16
    shortcut, head = 16 * 8, 16 * 3 + 3
    assert got.binary_parameters == 8 * 8 * 9 + 16 * 8 * 9
    assert got.real_parameters == stem + norms + prelus + shortcut + head
    assert got.binary_macs == 64 * 576 + 16 * 1152
    assert got.real_macs == 64 * 72 + 16 * 128 + 48
    assert got.packed_bytes == 8 * 9 + 16 * 9 + 4 * got.real_parameters
    assert got.float32_bytes == 4 * (1728 + got.real_parameters)
    assert [row.name for row in got.layers][:4] == ["stem.0", "stem.1", "stem.2", "stages.0.0.conv"]
    assert next(row for row in got.layers if row.name == "stages.1.0.conv").output_shape == (
        16,
        4,
        4,
    )


def test_figures_of_the_papers_follow_from_the_counts():
    layers = nn.Sequential(bnn.BinaryConv2d(12, 8, 3, scale="channel"), nn.BatchNorm2d(8))
    got = bg.summary(layers, (12, 6, 6))
    assert got.memory_bits == 864 + 32 * 16  # without alpha, and without rounding up to bytes
    assert got.operations == 13824 / 64
    assert bg.summary(nn.Conv2d(12, 8, 3), (12, 6, 6)).operations == 13824


def test_a_part_can_be_left_out():
    got = bg.summary(bg.models.create("birealnet_small", num_classes=3, width=8), (1, 8, 8))
    body = got.without("head")
    assert got.real_macs - body.real_macs == 16 * 3
    assert got.real_parameters - body.real_parameters == 16 * 3 + 3
    assert [row.name for row in got.without("stem", "stages").layers] == ["embedding.2", "head"]
    with pytest.raises(ValueError, match="no layer is called 'hea'"):
        got.without("hea")


def test_groups_keep_the_totals():
    got = bg.summary(bg.models.create("birealnet_small", width=8), (1, 8, 8))
    for depth in (1, 2, 3):
        grouped = got.grouped(depth)
        assert costs(grouped) == costs(got)
        assert len(grouped.layers) < len(got.layers)
    assert got.grouped(5).layers == got.layers
    assert [row.name for row in got.grouped(1).layers] == ["stem", "stages", "embedding.2", "head"]
    assert got.grouped(1).layers[1].output_shape == (16, 4, 4)
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        got.grouped(0)


def test_a_big_network_prints_on_a_page():
    with torch.device("meta"):
        got = bg.summary(bg.models.create("birealnet152"), (3, 224, 224))
    lines = str(got).splitlines()
    assert len(got.layers) > 300
    assert 10 < len(lines) <= 66
    assert all(len(line) <= 110 for line in lines)
    assert f"{got.binary_macs:,}" in lines[-3]
    assert f"{got.binary_macs / 64 + got.real_macs:,.0f} operations" in lines[-1]
    assert lines[-1].endswith("15.6 times fewer than MACs")


def test_a_network_without_binary_layers_prints_no_gain():
    assert "operations" not in str(bg.summary(nn.Linear(2, 2), (2,)))


def test_sizes_are_compared_only_where_bits_were_packed():
    assert str(bg.summary(nn.Linear(2, 2), (2,))).splitlines()[-1] == "input 2; packed 24 B"
    # 8 rows of 1 byte against 64 numbers of 4 bytes.
    assert "packed 8 B, in float32 256 B: 32.0 times" in str(
        bg.summary(bnn.BinaryLinear(8, 8), (8,))
    )


@pytest.mark.parametrize("shape", [64, None, "64", (3, 8.0, 8), (True,), {3, 8}], ids=repr)
def test_a_shape_that_is_none_is_refused_with_the_way_out(shape):
    with pytest.raises(TypeError, match=r"such as \(3, 224, 224\) for an image .*, got ") as error:
        bg.summary(nn.Linear(64, 2), shape)
    assert str(error.value).endswith(f"got {shape!r}")


def test_sizes_may_come_as_a_list_or_as_torch_and_numpy_have_them():
    expected = bg.summary(nn.Linear(64, 2), (64,))
    for shape in ([64], torch.Size([64]), tuple(np.array([64]))):
        assert bg.summary(nn.Linear(64, 2), shape) == expected


def test_totals_are_the_sums_of_the_rows():
    got = bg.summary(bg.models.create("birealnet_small"), (1, 28, 28))
    assert costs(got) == tuple(map(sum, zip(*map(costs, got.layers), strict=True)))


def test_shared_parameters_count_once_and_work_counts_each_time():
    layer = bnn.BinaryLinear(8, 8)
    twice = bg.summary(nn.Sequential(layer, layer), (8,))
    assert (twice.binary_parameters, twice.binary_macs, len(twice.layers)) == (64, 128, 1)
    tied = nn.Sequential(layer, bnn.BinaryLinear(8, 8))
    tied[1].weight = layer.weight
    got = bg.summary(tied, (8,))
    assert (got.binary_parameters, got.binary_macs, got.packed_bytes) == (64, 128, 8)


def test_a_layer_that_does_not_run_is_said_so():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(2, 2), nn.Linear(2, 3)

        def forward(self, x):
            return self.used(x)

    got = bg.summary(Idle(), (2,))
    assert (got.real_parameters, got.real_macs) == (6 + 9, 4)
    assert got.layers[1].output_shape is None
    assert "not run" in str(got)


def test_the_model_and_the_random_numbers_stay_as_they_are():
    model = nn.Sequential(bg.models.create("birealnet_small", width=8), nn.Dropout()).train()
    model[0].head.eval()
    before = copy.deepcopy(model.state_dict())
    flags = [module.training for module in model.modules()]
    random = torch.get_rng_state()
    bg.summary(model, (1, 8, 8))
    assert torch.equal(torch.get_rng_state(), random)
    assert [module.training for module in model.modules()] == flags
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert not any(module._forward_hooks for module in model.modules())
    assert all(p.device.type == "cpu" for p in model.parameters())


def test_half_precision_models_are_summarised():
    model = bg.models.create("birealnet_small", width=8)
    expected = bg.summary(model, (1, 8, 8))
    assert bg.summary(model.half(), (1, 8, 8)) == expected


def test_a_shape_that_does_not_fit_is_refused_with_the_reason():
    with pytest.raises(ValueError, match=r"\(1, 3, 8, 8\) \(input_shape is that of one input"):
        bg.summary(bg.models.create("birealnet_small"), (3, 8, 8))


def test_the_table_shows_every_layer_and_the_totals():
    got = bg.summary(bg.models.create("birealnet_small"), (1, 8, 8))
    text = str(got)
    assert repr(got) == text
    for row in got.layers:
        assert f"{row.name} " in text
    assert f"{got.binary_parameters:,}" in text.splitlines()[-3]
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(got)
    rich = console.export_text()
    console.file.close()
    assert f"{got.packed_bytes:,}" in rich
    assert "stages.1.0.conv" in rich
