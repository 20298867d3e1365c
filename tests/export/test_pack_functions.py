"""Functions in place of modules, arithmetic, joined channels, and what folds into signs."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bitgrove import export, runtime
from bitgrove.nn import (
    BinaryConv2d,
    BinaryLayer,
    BinaryLinear,
    Estimator,
    LeakyClip,
    RPReLU,
    RSign,
)

from .conftest import images, randomise
from .test_pack_layers import Traced, outputs

KERNEL = torch.linspace(-1, 1, 54).reshape(6, 1, 3, 3)
SLOPES = torch.linspace(-0.5, 1, 6)

FUNCTIONS = {
    "relu": lambda m, x: F.relu(x),
    "relu-method": lambda m, x: x.relu(),
    "relu-torch": lambda m, x: torch.relu(x),
    "relu6": lambda m, x: F.relu6(3 * x),
    "hardtanh": lambda m, x: F.hardtanh(x, -0.5, 0.7),
    "clamp": lambda m, x: torch.clamp(x, -1, 1),
    "clamp-method": lambda m, x: x.clamp(min=0),
    "leaky": lambda m, x: F.leaky_relu(x, 0.2),
    "prelu": lambda m, x: F.prelu(x, SLOPES),
    "sigmoid": lambda m, x: torch.sigmoid(x),
    "max": lambda m, x: F.max_pool2d(x, 3, stride=2, padding=1, ceil_mode=True),
    "average": lambda m, x: F.avg_pool2d(x, 2),
    "grid": lambda m, x: F.adaptive_avg_pool2d(x, (2, 3)),
    "mean": lambda m, x: x.mean((2, 3)),
    "mean-kept": lambda m, x: x.mean(dim=[-1, -2], keepdim=True),
    "flatten": lambda m, x: torch.flatten(x, 1),
    "view": lambda m, x: x.view(x.size(0), -1),
    "reshape": lambda m, x: x.reshape(x.shape[0], 6 * 9 * 8),
    "dropout": lambda m, x: F.dropout(F.relu(x), 0.5, m.training),
    "pad": lambda m, x: F.pad(x, (0, 1, 2, 0), value=0.5),
    "nearest": lambda m, x: F.interpolate(x, scale_factor=2),
    "bilinear": lambda m, x: F.interpolate(x, (13, 17), mode="bilinear"),
    "sides": lambda m, x: F.interpolate(x, (2 * x.size(2), x.shape[3] + 1), mode="bilinear"),
    "sides-of-another": lambda m, x: F.interpolate(F.avg_pool2d(x, 2), size=x.size()[2:]),
    "conv": lambda m, x: F.conv2d(x, KERNEL, stride=2, padding=1, groups=6),
    "linear": lambda m, x: F.linear(torch.flatten(x, 1), torch.linspace(-1, 1, 864).view(2, 432)),
    "sum": lambda m, x: x + F.relu(x),
    "sum-in-place": lambda m, x: F.relu(x).add_(x),
    "plus-number": lambda m, x: 0.5 + x,
    "minus-number": lambda m, x: x - 0.25,
    "over-number": lambda m, x: x / 4,
    "over-number-torch": lambda m, x: torch.div(F.relu(x), 3),
    "over-channel": lambda m, x: x / (SLOPES[:, None, None] + 2),
    "over-in-place": lambda m, x: F.relu(x).div_(0.1),
    "negative": lambda m, x: -x,
    "negative-torch": lambda m, x: torch.neg(x) + x.neg() + F.relu(x).neg_(),
    "times-number": lambda m, x: 0.1 * x,
    "times-channel": lambda m, x: x * SLOPES[:, None, None],
    "product": lambda m, x: x * F.relu(x),
    "gate": lambda m, x: torch.sigmoid(F.adaptive_avg_pool2d(x, 1)) * x,
    "mask": lambda m, x: x * F.conv2d(x, KERNEL[:1].expand(1, 6, 3, 3), padding=1),
    "concat": lambda m, x: torch.cat([x, F.relu(x), x], 1),
    "concat-named": lambda m, x: torch.concat((F.avg_pool2d(x, 2), F.max_pool2d(x, 2)), dim=-3),
}
EXACT = {"relu", "relu-method", "relu-torch", "hardtanh", "clamp", "max", "flatten", "view", "pad"}
EXACT |= {"nearest", "sum", "plus-number", "minus-number", "times-number", "product", "concat"}
EXACT |= {"over-number", "negative"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_equal_to_rounding(name):
    expected, got = outputs(Traced(FUNCTIONS[name]), images(2, 6, 9, 8))
    assert len(np.unique(expected)) > 3
    if name in EXACT:
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


ACTIVATIONS = {
    "relu6": nn.ReLU6(),
    "hardtanh": nn.Hardtanh(-0.3, 2),
    "leaky": nn.LeakyReLU(0.3),
    "sigmoid": nn.Sigmoid(),
    "leaky-clip": LeakyClip(0.1),
    "clip": LeakyClip(0.0),
    "rprelu": RPReLU(6),
    "rsign": RSign(6),
}


def drawn(model: nn.Module, least: float = -1.0) -> nn.Module:
    """Shifts and slopes of an own for every channel."""
    for module in model.modules():
        if isinstance(module, RSign | RPReLU | nn.PReLU):
            for name, parameter in module.named_parameters():
                low = max(least, 0.0) if name in ("slope", "weight") else -1.0
                nn.init.uniform_(parameter, low, 1)
    return model


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_equal_to_rounding(name):
    torch.manual_seed(0)
    expected, got = outputs(drawn(ACTIVATIONS[name], -1), images(2, 6, 9, 8))
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


def signs(groups=1):
    return BinaryConv2d(6, 4, 3, groups=groups, input_estimator="identity")


CHAINS = {
    "rsign": (RSign(6), signs()),
    "rsign-grouped": (RSign(6), signs(2)),
    "norm-rsign": (nn.BatchNorm2d(6), RSign(6), signs()),
    "norm-clip": (nn.BatchNorm2d(6), nn.Hardtanh(), signs()),
    "norm-relu": (nn.BatchNorm2d(6), nn.ReLU(inplace=True), signs()),
    "prelu-norm": (nn.PReLU(6), nn.BatchNorm2d(6), signs()),
    "rprelu-rsign": (RPReLU(6), RSign(6), signs()),
    "dropout-between": (nn.BatchNorm2d(6), nn.Dropout(), signs()),
    "flattened": (nn.BatchNorm2d(6), RSign(6), nn.Flatten(), BinaryLinear(432, 5)),
    "flattened-between": (
        nn.BatchNorm2d(6),
        nn.Flatten(),
        nn.BatchNorm1d(432),
        BinaryLinear(432, 5),
    ),
    "real-weights": (nn.BatchNorm2d(6), RSign(6), BinaryConv2d(6, 4, 3, weight_estimator=None)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_what_signs_alone_read_is_part_of_their_thresholds(name):
    torch.manual_seed(1)
    model = drawn(randomise(nn.Sequential(*CHAINS[name]), 1), least=0)
    x = images(4, 6, 9, 8)
    expected, got = outputs(model, x)
    ops = [node.op for node in export.pack(model, torch.from_numpy(x)).graph.nodes]
    if name == "real-weights":
        assert ops == ["binarise", "conv2d"]
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    else:  # an embedding, if there is one, follows
        assert [op for op in ops[: ops.index("binary_conv2d")] if op != "flatten"] == ["sign"]
        np.testing.assert_array_equal(got, expected)


def test_a_chain_agrees_at_its_very_thresholds():
    """Inputs on both sides of every threshold, one float apart."""
    torch.manual_seed(2)
    model = drawn(randomise(nn.Sequential(nn.BatchNorm2d(64), RSign(64), signs64()), 2))
    node = export.pack(model, torch.zeros(1, 64, 1, 3)).graph.nodes[0]
    at = node.tensors["threshold"]
    at = np.clip(at, -1e30, 1e30)  # constant channels have theirs at the very end
    up, down = (np.nextafter(at, np.float32(s * np.inf)) for s in (1, -1))
    x = np.stack([down, at, up], axis=1)[None, :, None]
    expected, got = outputs(model, x)
    np.testing.assert_array_equal(got, expected)


def signs64():
    return BinaryConv2d(64, 64, 1, input_estimator="identity")


@pytest.mark.parametrize("activation", [nn.PReLU(6), RPReLU(6), nn.LeakyReLU(-0.5)])
def test_a_slope_that_turns_back_is_not_folded(activation):
    model = nn.Sequential(activation, RSign(6), signs())
    for name, parameter in activation.named_parameters():
        nn.init.constant_(parameter, 0.0 if "shift" in name else -0.5)
    nn.init.constant_(model[1].shift, -0.2)
    x = images(4, 6, 9, 8)
    expected, got = outputs(model, x)
    np.testing.assert_array_equal(got, expected)
    ops = [node.op for node in export.pack(model, torch.from_numpy(x)).graph.nodes]
    assert ops == ["prelu", "sign", "binary_conv2d"]


def test_a_shifted_sign_that_others_read_is_exact():
    model = Traced(
        lambda m, x: m.conv(m.rsign(x)) * m.rsign(x).mean((2, 3), keepdim=True),
        rsign=RSign(6),
        conv=nn.Conv2d(6, 6, 1),
    )
    nn.init.uniform_(model.rsign.shift, -1, 1)
    expected, got = outputs(model, images(2, 6, 9, 8))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_a_shifted_sign_does_not_hide_that_a_norm_before_it_overflowed():
    """The largest float leaves the first norm infinite, and the second, of gamma 0, as NaN."""
    model = nn.Sequential(
        nn.BatchNorm2d(4), nn.BatchNorm2d(4), RSign(4), BinaryConv2d(4, 3, 1)
    ).eval()
    with torch.no_grad():
        model[0].weight.fill_(2)
        model[1].weight.zero_()
        model[1].bias.fill_(1)
    expected, got = outputs(model, images(2, 4, 5, 5))
    np.testing.assert_array_equal(got, expected)


def test_an_embedding_that_only_signs_read_is_computed_all_the_same():
    model = randomise(
        nn.Sequential(
            BinaryConv2d(6, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), BinaryLinear(4 * 42, 3)
        ),
        3,
    )
    x = images(2, 6, 9, 8)
    session = runtime.Session(export.pack(model, torch.from_numpy(x)))
    with torch.no_grad():
        expected = model[:3](torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(session.embed(x), expected, rtol=1e-5, atol=1e-5)


def test_a_random_sign_is_the_plain_one_when_packed():
    model = nn.Sequential(
        BinaryConv2d(6, 8, 3, input_estimator="stochastic"), nn.Flatten(), BinaryLinear(8 * 42, 5)
    )
    expected, got = outputs(model, images(3, 6, 9, 8))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("module", [BinaryConv2d(3, 16, 3, padding=1, input_estimator=None)])
def test_binary_weights_on_pixels_are_exact(simd_level, module):
    """Integers in, integers out: the order of a float sum does not matter below 2**24."""
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 17)).astype(np.float32)
    expected, got = outputs(module, x)
    assert np.abs(expected).max() > 1000
    np.testing.assert_array_equal(got, expected)


def test_an_example_that_the_model_does_not_take_is_refused():
    with pytest.raises(ValueError, match=r"does not run on example_input: .*6 channels"):
        export.pack(nn.Conv2d(6, 3, 3), torch.zeros(1, 5, 9, 8))


class Late(Estimator):
    def slope(self, x):
        return torch.ones_like(x)

    def threshold(self, x, training):
        return 0.5


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Traced(lambda m, x: torch.cat([x, x], 2)), "only channels can be joined"),
        (Traced(lambda m, x: x.mean(1)), "mean over all sides"),
        (Traced(lambda m, x: x.view(-1, 8)), "all but the batch"),
        (Traced(lambda m, x: 1 - x), "number minus a tensor"),
        (Traced(lambda m, x: 1 / x), "number divided by a tensor"),
        (Traced(lambda m, x: x / F.relu(x)), "quotient of two tensors"),
        (Traced(lambda m, x: x / 0), "dividing by 0"),
        (Traced(lambda m, x: torch.div(x, 2, rounding_mode="floor")), r"'div': this operator"),
        (Traced(lambda m, x: x // 2), r"operator '//': "),
        (Traced(lambda m, x: x**2), r"operator '\*\*': "),
        (Traced(lambda m, x: F.softmax(x, 1)), r"operator 'softmax': this"),
        (Traced(lambda m, x: x.softmax(1)), r"operator 'softmax': this"),
        (Traced(lambda m, x: torch.softmax(x, 1)), r"operator 'softmax': this"),
        (Traced(lambda m, x: torch.exp(x)), r"operator 'exp': this .* \+, -, \*, /, cat"),
        (Traced(lambda m, x: x @ torch.ones(8, 8)), r"operator '@': "),
        (Traced(lambda m, x: x - F.relu(x)), "difference of two tensors"),
        (Traced(lambda m, x: x + x.mean((2, 3), keepdim=True)), "of the same shape"),
        (Traced(lambda m, x: x[:, :2]), r"operator '\[\]': .*no packed form"),
        (Traced(lambda m, x: F.dropout(x)), "also runs in eval mode"),
        (Traced(lambda m, x: x * torch.ones(9, 8)), "one for each channel"),
        (Traced(lambda m, x: torch.clamp(x, min=1)), "between two numbers"),
        (Traced(lambda m, x: F.pad(x, (1, 1, 1, 1), mode="reflect")), "constant border"),
        (Traced(lambda m, x: F.conv2d(x, x)), "depends on the input"),
        (nn.Sequential(nn.Upsample(scale_factor=2, mode="bicubic")), "'bicubic' cannot"),
        (
            nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)),
            "align_corners",
        ),
        (nn.Sequential(nn.MaxPool2d(2, dilation=2)), "dilation"),
        (nn.Sequential(nn.ZeroPad2d(-1)), "crops"),
        (nn.Sequential(nn.Conv2d(6, 4, 2, padding="same", dilation=(2, 1))), "ZeroPad2d before"),
        (nn.Sequential(BinaryConv2d(6, 4, 3, input_estimator=Late())), "use RSign"),
    ],
)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_what_cannot_be_packed_is_refused(model, message):
    with pytest.raises(ValueError, match=message) as refused:
        export.pack(model, torch.zeros(1, 6, 9, 8))
    assert str(refused.value).startswith(("layer '0'", "operator '"))


def test_every_binary_layer_has_a_packed_form():
    def leaves(kind):
        ours = [k for k in kind.__subclasses__() if k.__module__.startswith("bitgrove.")]
        return set().union(*map(leaves, ours)) if ours else {kind}

    shapes = {"BinaryConv1d": (4, 9), "BinaryConv2d": (4, 9, 9), "BinaryConv3d": (4, 5, 5, 5)}
    tried = leaves(BinaryLayer)
    for kind in tried:
        if kind is BinaryLinear:
            model, shape = nn.Sequential(nn.Flatten(), kind(36, 3)), (4, 9)
        else:
            model, shape = kind(4, 3, 3), shapes[kind.__name__]
        expected, got = outputs(model, images(2, *shape))
        np.testing.assert_array_equal(got, expected)
    assert len(tried) == 4
