"""Fern layers against explicit loops, finite differences and torch's own convolution."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from bitgrove.nn import FernConv2d, FernLinear
from bitgrove.nn._fern_gradients import MODES, pull_back, soft_weights


def looped(layer, x, *, factor=None):
    """The definition: one position, one fern, one comparison after the other, in float64."""
    places = layer.chosen().numpy()
    table = (layer.rounded_table() * layer.table_scale().reshape(layer.groups, 1, 1, -1)).double()
    kernel, taps = layer.kernel_size, layer.kernel_size[0] * layer.kernel_size[1]
    down, across = layer.padding
    padded = nn.functional.pad(x, (across, across, down, down)).numpy()
    height, width = nn.functional.conv2d(
        x[:1, :1],
        torch.zeros(1, 1, *kernel),
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
    ).shape[2:]
    y = torch.zeros(len(x), layer.out_channels, height, width, dtype=torch.float64)
    outs = layer.out_channels // layer.groups
    for n, i, j, g, f in itertools.product(
        range(len(x)), range(height), range(width), range(layer.groups), range(layer.ferns)
    ):
        address, distances = 0, []
        for k in range(layer.depth):
            channel, tap = divmod(int(places[g * layer.ferns + f, k]), taps)
            row = i * layer.stride[0] + tap // kernel[1] * layer.dilation[0]
            column = j * layer.stride[1] + tap % kernel[1] * layer.dilation[1]
            number = padded[n, channel, row, column]
            threshold = layer.thresholds[g * layer.ferns + f, k].item()
            address |= int(number >= threshold) << k
            distances.append(number - threshold)
        weight = 1.0 if factor is None else factor(np.array(distances))
        y[n, g * outs : (g + 1) * outs, i, j] += weight * table[g, f, address]
    return y


GEOMETRIES = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (1, 3), "padding": (2, 0), "dilation": (1, 2)},
    {"groups": 2, "padding": 1, "stride": 2},
    {"groups": 4, "dilation": 2},
]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("tests", ["random", "learned"])
def test_layer_is_the_sum_of_the_rows_that_its_comparisons_address(geometry, tests):
    torch.manual_seed(0)
    layer = FernConv2d(4, 8, (3, 2), ferns=3, depth=3, tests=tests, **geometry)
    x = torch.randn(2, 4, 8, 9)
    layer.initialise(x)
    with torch.no_grad():
        y = layer.eval()(x)
    assert y.shape == nn.Conv2d(4, 8, (3, 2), **geometry)(x).shape
    assert len(y.unique()) > 50
    torch.testing.assert_close(y.double(), looped(layer, x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("gradient", "factor"),
    [
        ("tanh", lambda z: np.abs(np.tanh(z)).mean()),
        ("hinge", lambda z: np.abs(z).min()),
        ("ste", None),
        ("efd", None),
    ],
)
def test_training_multiplies_rows_as_the_gradient_says(gradient, factor):
    torch.manual_seed(1)
    layer = FernConv2d(3, 4, 3, ferns=2, depth=3, padding=1, gradient=gradient)
    x = torch.randn(2, 3, 5, 4)
    layer.initialise(x)
    with torch.no_grad():
        y = layer.train()(x).double()
    torch.testing.assert_close(y, looped(layer, x, factor=factor), rtol=1e-5, atol=1e-6)


def test_soft_training_mixes_all_rows_by_products_of_rising_bits():
    torch.manual_seed(2)
    z = torch.randn(1, 2, 5)
    p = (0.5 + z[0] / 2).clamp(0, 1)
    rows = [(1 - p[0]) * (1 - p[1]), p[0] * (1 - p[1]), (1 - p[0]) * p[1], p[0] * p[1]]
    torch.testing.assert_close(soft_weights(z, 0.0)[0], torch.stack(rows))
    layer = FernConv2d(2, 3, 1, ferns=1, depth=2, gradient="soft", table_dtype="float32")
    x = torch.randn(1, 2, 1, 5)
    layer.initialise(x)
    found = x[0, layer.chosen()[0], 0] - layer.thresholds[0, :, None]
    expected = soft_weights(found[None], 0.0)[0].T @ layer.table[0, 0]
    torch.testing.assert_close(layer.train()(x)[0, :, 0].T, expected)


@pytest.mark.parametrize("gradient", ["hinge", "tanh", "soft"])
@pytest.mark.parametrize("geometry", [{"padding": 1, "stride": 2}, {"groups": 2}], ids=str)
def test_gradients_are_those_of_finite_differences_away_from_ties(gradient, geometry):
    torch.manual_seed(3)
    layer = FernConv2d(
        2, 4, 3, ferns=3, depth=2, gradient=gradient, table_dtype="float32", **geometry
    ).double()
    layer.initialised.fill_(True)
    # No two numbers, and no number and 0, are within 0.02, and thresholds lie between them: the
    # layer is smooth as far as finite differences look.
    x = (torch.randperm(2 * 2 * 5 * 5) - 50.0).double().reshape(2, 2, 5, 5) * 0.04 + 0.02
    count = layer.thresholds.numel()
    offsets = (torch.randperm(count) - count // 2) * 0.08 + 0.0037 * torch.arange(count)
    layer.thresholds.data.copy_(offsets.reshape(layer.thresholds.shape) + 0.0101)
    assert torch.autograd.gradcheck(
        lambda x, t, table: torch.func.functional_call(
            layer, {"thresholds": t, "table": table}, (x,)
        ),
        (
            x.requires_grad_(),
            layer.thresholds.detach().requires_grad_(),
            layer.table.detach().requires_grad_(),
        ),
        eps=1e-6,
    )


def test_straight_through_has_the_gradient_of_the_factor_and_not_the_factor():
    torch.manual_seed(4)
    x = torch.randn(2, 3, 6, 6)
    gradients = {}
    for mode in ("tanh", "ste"):
        torch.manual_seed(5)
        layer = FernConv2d(3, 4, 3, ferns=2, depth=3, gradient=mode)
        layer.initialise(x)
        inputs = x.clone().requires_grad_()
        layer(inputs).sum().backward()
        gradients[mode] = inputs.grad, layer.thresholds.grad, layer.table.grad
    torch.testing.assert_close(gradients["tanh"][0], gradients["ste"][0])
    torch.testing.assert_close(gradients["tanh"][1], gradients["ste"][1])
    assert not torch.allclose(gradients["tanh"][2], gradients["ste"][2])


def test_extended_finite_differences_are_the_written_sum():
    torch.manual_seed(6)
    depth, z, of_rows = 3, torch.randn(2, 3, 4), torch.randn(2, 8, 4)
    expected = torch.zeros_like(z)
    for f, k, n, a in itertools.product(range(2), range(depth), range(4), range(8)):
        here = sum(int(z[f, bit, n] >= 0) << bit for bit in range(depth))
        others = (a ^ here) & ~(1 << k)
        sign = 1 if a >> k & 1 else -1
        weight = 0.5 * 0.75 ** (depth - 1) * (1 / 3) ** others.bit_count()
        expected[f, k, n] += sign * weight * of_rows[f, a, n]
    expected = expected * (1 - z.tanh() ** 2) / 2
    torch.testing.assert_close(pull_back(z, of_rows, "efd", 1.0), expected)


@pytest.mark.parametrize("gradient", MODES)
def test_every_gradient_reaches_input_thresholds_table_and_choice(gradient):
    torch.manual_seed(7)
    layer = FernConv2d(4, 6, 3, groups=2, ferns=3, depth=3, gradient=gradient, tests="learned")
    x = torch.randn(4, 4, 8, 8, requires_grad=True)
    y = layer(x)
    (y * torch.randn_like(y)).sum().backward()
    for tensor in (x, *layer.parameters()):
        assert tensor.grad.abs().sum() > 0
        assert tensor.grad.isfinite().all()


def test_choice_gets_the_gradient_of_a_mixture_of_candidates():
    torch.manual_seed(8)
    layer = FernConv2d(3, 2, 3, ferns=1, depth=1, gradient="tanh", tests="learned", candidates=4)
    x = torch.randn(1, 3, 3, 3)
    layer.initialised.fill_(True)
    layer(x).sum().backward()
    # d y / d z at the chosen candidate, times the softmax's Jacobian on the candidates' numbers.
    z = x.flatten()[layer.chosen()[0, 0]].detach().requires_grad_()
    row = layer.rounded_table()[0, 0, int(z >= 0)] * layer.table_scale()
    (z.tanh().abs() * row.sum()).backward()
    shares = layer.test_logits.detach()[0, 0].softmax(0)
    numbers = x.flatten()[layer.places[0, 0]]
    expected = z.grad * shares * (numbers - (shares * numbers).sum())
    torch.testing.assert_close(layer.test_logits.grad[0, 0], expected)


@pytest.mark.parametrize("tests", ["random", "learned"])
def test_no_fern_can_read_a_number_twice(tests):
    layer = FernConv2d(4, 4, 2, groups=2, ferns=20, depth=8, tests=tests)  # all that there is
    for fern, places in enumerate(layer.places.flatten(1).tolist()):
        assert len(set(places)) == len(places) == 8
        assert {place // 4 // 2 for place in places} == {fern // 20}  # its own group's channels


def test_first_batch_sets_thresholds_to_quantiles_of_what_is_read():
    torch.manual_seed(9)
    layer = FernConv2d(2, 4, 3, ferns=8, depth=2)
    x = torch.randn(16, 2, 10, 10) * 3 + 100
    assert (layer.thresholds == 0).all()
    layer.train()(x)
    assert layer.initialised
    assert (layer.thresholds > 90).all()
    first = layer.thresholds.clone()
    layer(x - 50)
    assert torch.equal(layer.thresholds, first)
    place = int(layer.chosen()[0, 0])
    channel, tap = divmod(place, 9)
    read = x[:, channel, tap // 3 : tap // 3 + 8, tap % 3 : tap % 3 + 8]
    below = (read < layer.thresholds[0, 0]).float().mean()
    assert abs(below - layer.quantiles[0, 0]) < 0.002
    assert 0.2 <= layer.quantiles.min() < layer.quantiles.max() <= 0.8


def test_usage_counts_every_visit_and_names_dead_rows():
    layer = FernConv2d(1, 2, 1, ferns=1, depth=1).train()
    layer.initialised.fill_(True)
    layer(torch.ones(3, 1, 2, 2))
    assert layer.usage_report().dead_rows() == [(0, 0)]
    assert layer.usage.tolist() == [[0, 12]]
    layer.eval()(-torch.ones(3, 1, 2, 2))
    assert layer.usage.tolist() == [[0, 12]]
    layer.reset_usage()
    assert layer.usage_report().dead == 2


@pytest.mark.parametrize("gradient", ["tanh", "hinge", "soft"])
def test_annealed_training_ends_at_what_evaluation_computes(gradient):
    torch.manual_seed(10)
    layer = FernConv2d(3, 4, 3, ferns=4, depth=3, gradient=gradient, anneal=3).train()
    x = torch.randn(2, 3, 6, 6)
    layer.initialise(x)
    differences = []
    with torch.no_grad():
        for _ in range(4):
            y = layer.train()(x)
            differences.append(float((y - layer.eval()(x)).abs().max()))
    assert min(differences[:3]) > 1e-3
    assert differences[3] == 0


def test_tables_are_whole_steps_and_sums_of_them_exact():
    torch.manual_seed(11)
    layer = FernConv2d(3, 5, 3, ferns=6, depth=4).eval()
    with torch.no_grad():
        y = layer(torch.randn(2, 3, 7, 7))
    steps = y / layer.table_scale()[:, None, None]
    assert steps.abs().max() > 20
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-4)
    assert layer.rounded_table().abs().amax((0, 1, 2)).tolist() == [127.0] * 5


@pytest.mark.parametrize("geometry", [{"stride": 1}, {"stride": 2}], ids=str)
def test_what_autograd_keeps_is_no_more_than_twice_that_of_the_float_layer(geometry):
    def kept(layer, x):
        seen = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: seen.setdefault(t.untyped_storage().data_ptr(), t) is None or t, lambda t: t
        ):
            y = layer(x)
        assert y.requires_grad
        return sum(t.untyped_storage().nbytes() for t in seen.values())

    x = torch.randn(4, 64, 24, 24, requires_grad=True)
    conv = kept(nn.Conv2d(64, 64, 3, padding=1, **geometry), x)
    for gradient in MODES:
        fern = FernConv2d(64, 64, 3, padding=1, gradient=gradient, tests="learned", **geometry)
        assert x.numel() * 4 <= kept(fern, x) <= 2 * conv


def test_linear_layer_is_the_convolution_of_one_pixel():
    torch.manual_seed(12)
    layer = FernLinear(20, 3, ferns=5, depth=3)
    conv = FernConv2d(20, 3, 1, ferns=5, depth=3)
    conv.load_state_dict(layer.state_dict())
    x = torch.randn(4, 6, 20)
    layer.initialise(x)
    conv.load_state_dict(layer.state_dict())
    y = layer.eval()(x)
    assert y.shape == (4, 6, 3)
    expected = conv.eval()(x.reshape(24, 20, 1, 1)).reshape(4, 6, 3)
    assert torch.equal(y, expected)


def test_same_seed_same_layer_and_same_training():
    def trained():
        torch.manual_seed(13)
        layer = FernConv2d(3, 4, 3, ferns=4, depth=3, gradient="efd", tests="learned")
        optimizer = torch.optim.Adam(layer.parameters(), 0.01)
        for _ in range(3):
            optimizer.zero_grad()
            layer(torch.randn(4, 3, 8, 8)).square().sum().backward()
            optimizer.step()
        return layer.state_dict()

    first, second = trained(), trained()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_empty_batches_pass_and_keep_the_first_batch_to_come():
    layer = FernConv2d(3, 4, 3, ferns=2, depth=2).train()
    assert layer(torch.zeros(0, 3, 5, 5)).shape == (0, 4, 3, 3)
    assert not layer.initialised
    with pytest.raises(ValueError, match="at least one sample"):
        layer.initialise(torch.zeros(0, 3, 5, 5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ferns": 0}, "ferns must be at least 1, got 0"),
        ({"depth": 0}, "depth must be in 1 to 8, got 0"),
        ({"depth": 9}, "depth must be in 1 to 8, got 9"),
        ({"gradient": "relu"}, "gradient must be one of 'tanh', 'ste', 'hinge', 'efd', 'soft'"),
        ({"tests": "all"}, "tests must be one of 'random', 'learned', got 'all'"),
        ({"table_dtype": "int4"}, "table_dtype must be one of"),
        ({"gradient": "ste", "anneal": 5}, "anneal is of the gradients 'tanh', 'hinge', 'soft'"),
        ({"anneal": 0}, "anneal must be at least 1"),
        ({"groups": 3}, r"in_channels \(=4\) must be a multiple of groups \(=3\)"),
        ({"stride": 0}, "stride must be a whole number of at least 1"),
        ({"padding": (1, 2, 3)}, "padding must be a whole number of at least 0, or two"),
        ({"candidates": 0}, "candidates must be at least 1"),
    ],
)
def test_arguments_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        FernConv2d(4, 8, 3, **options)


def test_depth_beyond_what_can_be_read_is_refused():
    with pytest.raises(ValueError, match=r"depth \(=4\) must not exceed the 3 numbers"):
        FernLinear(3, 2, depth=4)


def test_inputs_of_another_kind_or_shape_are_refused():
    layer = FernConv2d(4, 8, 3, padding=0)
    with pytest.raises(ValueError, match=r"must have shape \(n, 4, h, w\), got \(1, 3, 8, 8\)"):
        layer(torch.zeros(1, 3, 8, 8))
    with pytest.raises(TypeError, match="must be floating-point"):
        layer(torch.zeros(1, 4, 8, 8, dtype=torch.int64))
    with pytest.raises(ValueError, match="reaches over 3 pixels and does not fit into 2"):
        layer(torch.zeros(1, 4, 2, 8))


def test_a_first_batch_of_nan_sets_no_thresholds():
    layer = FernConv2d(2, 3, 3)
    with pytest.raises(ValueError, match="NaN"):
        layer(torch.full((1, 2, 8, 8), float("nan")))
    assert not layer.initialised
    layer(torch.randn(1, 2, 8, 8))
    assert layer.initialised


@pytest.mark.parametrize("name", ["ferns", "depth", "candidates", "anneal"])
def test_counts_are_whole_numbers(name):
    with pytest.raises(TypeError, match=name):
        FernLinear(8, 3, **{name: 2.0})
    with pytest.raises(ValueError, match="kernel_size"):
        FernConv2d(2, 3, 1.5)


def test_the_result_has_the_type_of_the_parameters():
    assert FernLinear(8, 3)(torch.randn(2, 8)).dtype == torch.float32
    assert FernLinear(8, 3).double()(torch.randn(2, 8)).dtype == torch.float64
