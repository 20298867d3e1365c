"""Real models made binary: what becomes of each layer, and that the result is the intended net."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bitgrove import nn as bnn
from bitgrove.optim import split_parameters


def convolution(c, d, kernel=3, stride=1, groups=1, bias=False):
    return nn.Conv2d(c, d, kernel, stride, kernel // 2, groups=groups, bias=bias)


def vgg():
    return nn.Sequential(
        convolution(3, 8, bias=True), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
        convolution(8, 8, bias=True), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        convolution(8, 16, bias=True), nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 4),
    )  # fmt: skip


class BasicBlock(nn.Module):
    def __init__(self, c, d, stride=1):
        super().__init__()
        self.conv1, self.bn1 = convolution(c, d, stride=stride), nn.BatchNorm2d(d)
        self.conv2, self.bn2 = convolution(d, d), nn.BatchNorm2d(d)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or c != d:
            self.downsample = nn.Sequential(convolution(c, d, 1, stride), nn.BatchNorm2d(d))

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class Bottleneck(nn.Module):
    def __init__(self, c, d):
        super().__init__()
        self.conv1, self.bn1 = convolution(c, d, 1), nn.BatchNorm2d(d)
        self.conv2, self.bn2 = convolution(d, d), nn.BatchNorm2d(d)
        self.conv3, self.bn3 = convolution(d, 4 * d, 1), nn.BatchNorm2d(4 * d)
        self.downsample = nn.Sequential(convolution(c, 4 * d, 1), nn.BatchNorm2d(4 * d))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + self.downsample(x))


def resnet(*blocks, out=8):
    return nn.Sequential(
        convolution(3, 4), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(out, 4),
    )  # fmt: skip


def mobilenet():
    def separable(c, d):
        return [
            convolution(c, c, groups=c), nn.BatchNorm2d(c), nn.ReLU6(),
            convolution(c, d, 1), nn.BatchNorm2d(d), nn.ReLU6(),
        ]  # fmt: skip

    return nn.Sequential(
        convolution(3, 8), nn.BatchNorm2d(8), nn.ReLU6(), *separable(8, 8), *separable(8, 16),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4),
    )  # fmt: skip


def signal():
    return nn.Sequential(
        nn.Conv1d(2, 8, 5, padding="same"), nn.BatchNorm1d(8), nn.ReLU(),
        nn.Conv1d(8, 8, 5, padding="same"), nn.BatchNorm1d(8), nn.ReLU(),
        nn.Conv1d(8, 8, 4, padding="same"), nn.BatchNorm1d(8), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip


def randomised(model):
    """Every parameter and running statistic does something."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                tensor.data.uniform_(0.5, 1.5)
    return model.eval()


def binary(conv, x):
    """Oracle: a 3x3 or 1x1 convolution of signs with a border of -1."""
    p = conv.kernel_size[0] // 2
    x = F.pad(torch.where(x >= 0, 1.0, -1.0), (p, p, p, p), value=-1)
    return F.conv2d(x, torch.where(conv.weight >= 0, 1.0, -1.0), stride=conv.stride)


def report(model):
    return bnn.binarization_report(model)


def test_a_plain_chain_becomes_bi_real():
    model = randomised(vgg())
    got = bnn.binarize_model(model)
    x = torch.randn(2, 3, 8, 8)
    y = model[1](model[0](x))  # no ReLU: its sign is taken
    y = model[4](binary(model[3], y)) + y
    y = F.max_pool2d(y, 2)
    y = binary(model[7], y)
    assert isinstance(got.get_submodule("7_norm"), nn.BatchNorm2d)
    bias = model[7].bias[:, None, None]
    y = F.relu(y / (1 + 1e-5) ** 0.5 + bias)
    expected = model[14](F.relu(model[11](y.mean((2, 3)))))
    torch.testing.assert_close(got(x), expected)
    assert report(got).names("binary") == ("3", "7")
    assert report(got).names("real") == ("0", "11", "14")
    assert report(got).names("activation removed") == ("2", "5")
    assert report(got).names("batch norm added") == ("7_norm",)
    assert report(got).names("shortcut added") == ("3",)


def test_a_basic_block_gets_one_shortcut_per_convolution():
    model = randomised(resnet(BasicBlock(4, 4), BasicBlock(4, 8, stride=2)))
    got = bnn.binarize_model(model)
    x = torch.randn(2, 3, 16, 16)
    y = F.max_pool2d(model[1](model[0](x)), 2)
    for block in (model[4], model[5]):
        shortcut = y if block.downsample is None else block.downsample(y)
        y = block.bn1(binary(block.conv1, y)) + shortcut
        y = block.bn2(binary(block.conv2, y)) + y
    expected = model[8](F.relu(y).mean((2, 3)))
    torch.testing.assert_close(got(x), expected)
    table = report(got)
    assert table.names("binary") == ("4.conv1", "4.conv2", "5.conv1", "5.conv2")
    assert table.names("real") == ("0", "5.downsample.0", "8")
    assert table.names("shortcut moved") == ("5.conv1", "4.conv1")
    assert "5.relu" in table.names("activation removed")  # inside the block; its end stays
    assert "5.downsample.0  real" in str(table)


def test_a_bottleneck_keeps_its_shortcut_and_gets_one_where_the_shape_stays():
    model = randomised(resnet(Bottleneck(4, 4), out=16))
    got = bnn.binarize_model(model)
    x = torch.randn(2, 3, 8, 8)
    trunk, block = F.max_pool2d(model[1](model[0](x)), 2), model[4]
    y = block.bn1(binary(block.conv1, trunk)) + trunk
    y = block.bn2(binary(block.conv2, y)) + y
    y = block.bn3(binary(block.conv3, y)) + block.downsample(trunk)
    torch.testing.assert_close(got(x), model[7](F.relu(y).mean((2, 3))))
    assert report(got).names("real") == ("0", "4.downsample.0", "7")


def test_depthwise_convolutions_stay_real_and_keep_the_activation_before_them():
    got = bnn.binarize_model(mobilenet())
    assert report(got).names("binary") == ("6", "12")
    assert report(got).names("activation removed") == ("5", "11")
    assert {c.detail for c in report(got).changes if c.name in ("3", "9")} == {
        "depthwise; depthwise=True makes it binary"
    }
    assert isinstance(got.get_submodule("8"), nn.ReLU6)
    both = bnn.binarize_model(mobilenet(), depthwise=True)
    assert report(both).names("binary") == ("3", "6", "9", "12")
    assert both.get_submodule("3").groups == 8
    assert both(torch.randn(2, 3, 8, 8)).shape == (2, 4)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_signals_get_1d_layers_and_an_uneven_border_stays_real():
    got = bnn.binarize_model(signal())
    layer = got.get_submodule("3")
    assert isinstance(layer, bnn.BinaryConv1d)
    assert layer.padding == (2,)
    assert report(got).names("binary") == ("3",)
    assert "6       real                its padding has no binary form" in str(report(got))
    assert got(torch.randn(2, 2, 9)).shape == (2, 4)


def test_volumes_get_3d_layers():
    model = nn.Sequential(nn.Conv3d(1, 4, 3), nn.ReLU(), nn.Conv3d(4, 4, 3, padding=1))
    got = bnn.binarize_model(model, keep_ends=False)
    assert isinstance(got.get_submodule("2"), bnn.BinaryConv3d)
    assert isinstance(got.get_submodule("2_norm"), nn.BatchNorm3d)
    assert report(got).names("binary") == ("0", "2")
    assert got(torch.randn(2, 1, 5, 5, 5)).shape == (2, 4, 3, 3, 3)


def test_linear_layers_are_binary_when_asked_for():
    got = bnn.binarize_model(vgg(), linear=True)
    assert isinstance(got.get_submodule("11"), bnn.BinaryLinear)
    assert isinstance(got.get_submodule("11_norm"), nn.BatchNorm1d)
    # The ReLU before it is seen through pooling and flattening.
    assert report(got).names("activation removed") == ("2", "5", "8")
    assert got(torch.randn(2, 3, 8, 8)).shape == (2, 4)


def test_a_convolution_that_halves_the_picture_gets_no_shortcut():
    model = nn.Sequential(convolution(4, 4, stride=2), nn.BatchNorm2d(4))
    assert not report(bnn.binarize_model(model, keep_ends=False)).names("shortcut added")


@pytest.mark.parametrize("stride", [1, 2])
def test_the_real_twin_of_bi_real_becomes_bi_real(stride):
    class Blocks(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = twin(4, 4, 1)
            self.second = twin(4, 8, stride)

        def forward(self, x):
            for net, bn, shortcut in (self.first, self.second):
                x = bn(net(x)) + shortcut(x)
            return x

    def twin(c, d, stride):
        down = nn.Identity()
        if c != d:
            pool = [nn.AvgPool2d(stride)] if stride > 1 else []
            down = nn.Sequential(*pool, convolution(c, d, 1), nn.BatchNorm2d(d))
        return nn.ModuleList([convolution(c, d, 3, stride), nn.BatchNorm2d(d), down])

    model = randomised(Blocks())
    got = bnn.binarize_model(model, keep_ends=False)
    y = x = torch.randn(2, 4, 8, 8)
    for conv, bn, shortcut in (model.first, model.second):
        y = bn(binary(conv, y)) + shortcut(y)
    torch.testing.assert_close(got(x), y)
    assert report(got).names("binary") == ("first.0", "second.0")
    assert "shortcut added" not in str(report(got))


def test_branches_side_by_side_are_both_binary():
    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.a, self.b = (
                convolution(3, 4),
                convolution(4, 8, 1),
                convolution(4, 8, 1),
            )

        def forward(self, x):
            x = self.stem(x)
            return self.a(x) + self.b(x)

    assert report(bnn.binarize_model(Beside(), "stem", keep_ends=False)).names("binary") == (
        "a",
        "b",
    )


def test_a_relu_stays_where_the_sum_behind_it_has_both_signs():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.conv = convolution(3, 4), convolution(4, 4)
            self.relu = nn.ReLU()

        def forward(self, x):
            x = self.stem(x)
            return self.conv(self.relu(x) + x)

    got = bnn.binarize_model(Mixed(), "stem", keep_ends=False)
    assert report(got).names("binary") == ("conv",)
    assert not report(got).names("activation removed")


@pytest.mark.parametrize(
    "between",
    [
        lambda y: torch.add(y, y.abs().relu(), alpha=-1),
        lambda y: F.interpolate(y, scale_factor=2.0, mode="bicubic"),
        nn.Upsample(scale_factor=2, mode="bicubic"),
        lambda y: y - 0.5,
        lambda y: y + (-0.5),
    ],
    ids=["difference", "cubic", "cubic module", "minus a number", "plus a negative number"],
)
def test_a_relu_stays_where_what_follows_may_be_negative(between):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = convolution(3, 8), convolution(8, 8)
            self.between, self.relu = between, nn.ReLU()
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            y = self.second(self.between(self.relu(self.first(x))))
            return self.head(y.mean((2, 3)))

    binary = bnn.binarize_model(Net(), shortcut=False)
    assert "relu" not in bnn.binarization_report(binary).names("activation removed")
    assert any(isinstance(module, nn.ReLU) for module in binary.modules())


@pytest.mark.parametrize(
    "relu", [nn.ReLU(inplace=True), torch.relu_, F.relu, lambda y: y.relu_()],
    ids=["module", "function", "F", "method"],
)  # fmt: skip
def test_a_relu_stays_for_a_real_layer_that_reads_it_too(relu):
    class Fork(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.relu = convolution(3, 8), relu
            self.bits, self.norm, self.kept = (
                convolution(8, 8),
                nn.BatchNorm2d(8),
                convolution(8, 8),
            )
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            y = self.relu(self.first(x))
            kept = self.kept(y)
            return self.head((self.norm(self.bits(y)) + kept).mean((2, 3)))

    binary = bnn.binarize_model(Fork(), skip="kept", shortcut=False).eval()
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    raw = binary.first(x)
    expected = binary.norm(binary.bits(raw)) + binary.kept(raw.relu())
    torch.testing.assert_close(binary(x), binary.head(expected.mean((2, 3))))
    assert "it stays for kept" in str(bnn.binarization_report(binary))


def test_of_what_is_concatenated_every_branch_loses_its_relu():
    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.down = convolution(3, 4), convolution(4, 8, stride=2)
            self.up, self.join, self.head = (
                nn.Upsample(scale_factor=2),
                convolution(12, 4),
                convolution(4, 2, 1),
            )
            self.norms = nn.ModuleList([nn.BatchNorm2d(c) for c in (4, 8, 4)])

        def forward(self, x):
            skip = F.relu(self.norms[0](self.stem(x)))  # read, and removed, by ``down`` already
            mid = F.relu(self.norms[1](self.down(skip)))
            y = torch.cat([self.up(mid), skip], 1)
            return self.head(self.norms[2](self.join(y)))

    model = randomised(UNet())
    got = bnn.binarize_model(model, shortcut=False)
    x = torch.randn(2, 3, 8, 8)
    skip = model.norms[0](model.stem(x))
    mid = model.norms[1](binary(model.down, skip))
    y = model.norms[2](binary(model.join, torch.cat([model.up(mid), skip], 1)))
    torch.testing.assert_close(got(x), model.head(y))
    assert report(got).names("activation removed") == ("relu", "relu_1")


class Between(nn.Module):
    """A real convolution, an activation, what is between, and a convolution to be made binary."""

    def __init__(self, between, channels=8):
        super().__init__()
        self.first, self.relu, self.between = convolution(3, 8), nn.ReLU(), between
        self.second, self.head = convolution(channels, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.second(self.between(self.relu(self.first(x)))).mean((2, 3)))


class Activation(Between):
    """The same with ``between`` as the only activation."""

    def forward(self, x):
        return self.head(self.second(self.between(self.first(x))).mean((2, 3)))


def signs(model):
    """The signs that reach the binary layer, and the model's report."""
    torch.manual_seed(0)
    got = bnn.binarize_model(model, shortcut=False)
    seen = []
    got.second.register_forward_pre_hook(lambda _, args: seen.append(args[0] >= 0))
    got(torch.randn(8, 3, 6, 6))
    return seen[0], report(got)


@pytest.mark.parametrize(
    ("between", "channels"),
    [
        (lambda y: F.pad(y, (1, 1, 1, 1)), 8),
        (lambda y: F.pad(y, (1, 1, 1, 1), mode="circular"), 8),
        (nn.ZeroPad2d(1), 8),
        (nn.ConstantPad2d(1, 0.5), 8),
        (lambda y: y.clamp(max=6), 8),
        (lambda y: y.clamp(-1, 6), 8),
        (lambda y: torch.clamp_max(y, 6), 8),
        (nn.Hardtanh(), 8),
        (nn.Threshold(-1.0, 0.0), 8),
        (lambda y: y.transpose(2, 3), 8),
        (lambda y: torch.permute(y, (0, 1, 3, 2)), 8),
        (lambda y: y.chunk(2, 1)[0], 4),
        (lambda y: torch.split(y, 4, 1)[1], 4),
        (lambda y: y[:, ::2], 4),
        (lambda y: y.unsqueeze(1).squeeze(1), 8),
        (lambda y: 2 * y, 8),
        (lambda y: y.mul(0.5) / 3, 8),
        (lambda y: y.view(y.size(0), 4, 2, 6, 6).flatten(1, 2), 8),
        (lambda y: torch.cat(torch.chunk(y, 2, 1), dim=1), 8),
        (lambda y: torch.concat([y, y * -1.0], 1), 16),
        (lambda y: torch.max(y, y.flip(1)), 8),
        (lambda y: y.mean(1, keepdim=True) + y, 8),
        (lambda y: torch.sigmoid(y), 8),
        (nn.PixelShuffle(2), 2),
    ],
)  # fmt: skip
def test_a_relu_is_seen_through_what_keeps_the_sign(between, channels):
    reached, told = signs(Between(between, channels))
    assert 0.2 < reached.float().mean() < 0.8
    assert "relu" in told.names("activation removed")
    assert not told.names("warning")


@pytest.mark.parametrize(
    "activation",
    [
        nn.Threshold(0.0, 0.0),
        nn.Hardtanh(0.0, 6.0),
        lambda y: F.threshold(y, 0.0, 0.0),
        lambda y: F.hardtanh(y, 0.0, 6.0),
        lambda y: y.clamp(min=0),
        lambda y: y.clamp(0, 6),
        lambda y: y.clip(0),
        lambda y: y.clamp_(min=0.0),
        lambda y: torch.clamp(y, 0, 6),
        lambda y: torch.clamp(y, min=1e-6),
        lambda y: torch.clamp_min(y, 0),
        lambda y: y.clamp_min(0),
        lambda y: torch.clamp(input=y, min=0),
        lambda y: F.relu6(F.relu(y)),
    ],
)  # fmt: skip
def test_a_clamp_or_threshold_is_removed_as_a_relu(activation):
    reached, told = signs(Activation(activation))
    assert 0.2 < reached.float().mean() < 0.8
    assert told.names("activation removed")


@pytest.mark.parametrize(
    ("between", "channels"),
    [
        (lambda y: y.clamp(-1, 1), 8),
        (lambda y: F.hardtanh(y), 8),
        (lambda y: y * -1, 8),
        (lambda y: y.clamp(max=-0.1), 8),
        (lambda y: y * (y - 0.5), 8),
        (lambda y: torch.cat([y, y], 1), 16),
        (lambda y: torch.minimum(y, y.relu()), 8),
        (nn.SiLU(), 8),
    ],
)
def test_nothing_is_removed_or_warned_of_where_both_signs_are_there(between, channels):
    _, told = signs(Activation(between, channels))
    assert not told.names("activation removed")
    assert not told.names("warning")


def squeezing(name, module):
    return name.endswith("squeeze")


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu, self.squeeze = nn.ReLU(), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = self.relu(x)
        return x * self.squeeze(x.mean((2, 3), keepdim=True)).sigmoid()


@pytest.mark.parametrize(
    ("between", "sign"),
    [
        (nn.Softmax(1), 1),
        (lambda y: y.softmax(1), 1),
        (torch.abs, 1),
        (lambda y: abs(y), 1),
        (torch.exp, 1),
        (lambda y: y * y, 1),
        (lambda y: y**2, 1),
        (Gate(), 1),
        (lambda y: y.clamp(min=1e-6).pow(3), 1),
        (lambda y: 1 / (y.relu() + 1), 1),
        (nn.LogSigmoid(), -1),
        (lambda y: F.logsigmoid(y).transpose(2, 3), -1),
    ],
)
def test_what_is_never_negative_for_good_stays_and_is_warned_of(between, sign):
    got = bnn.binarize_model(Activation(between), squeezing, shortcut=False)
    warning = next(c for c in report(got).changes if c.action == "warning")
    assert warning.name == "second"
    assert f"so those signs are all {sign:+}: put a batch norm before it" in warning.detail
    assert not report(got).names("activation removed")
    seen = []
    got.second.register_forward_pre_hook(lambda _, args: seen.append(args[0] >= 0))
    got(torch.randn(4, 3, 6, 6))
    assert (seen[0] == (sign > 0)).all()


@pytest.mark.parametrize(
    "clamp",
    [
        lambda y: y.clamp_(min=0.0, max=0.5),
        lambda y: torch.clamp_(y, 0.0, 0.5),
        lambda y: F.hardtanh(y, 0.0, 0.5, True),
        lambda y: F.hardtanh(y, 0.0, 0.5, inplace=True),
        lambda y: F.hardtanh_(y, 0.0, 0.5),
        nn.Hardtanh(0.0, 0.5, inplace=True),
    ],
)
def test_a_clamp_stays_as_it_is_for_what_stays_real(clamp):
    class Fork(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.clamp = convolution(3, 8), clamp
            self.bits, self.up = convolution(8, 8), nn.ConvTranspose2d(8, 8, 1)
            self.weight = nn.Parameter(torch.randn(8, 8, 1, 1))
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            y = self.clamp(self.first(x))
            kept = self.up(y) + F.conv2d(y, self.weight)
            return self.head((self.bits(y) + kept).mean((2, 3)))

    got = bnn.binarize_model(Fork(), shortcut=False).eval()
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    raw = got.first(x)
    y = raw.clamp(0, 0.5)
    kept = got.up(y) + F.conv2d(y, got.weight)
    expected = got.head((got.bits_norm(got.bits(raw)) + kept).mean((2, 3)))
    torch.testing.assert_close(got(x), expected)
    assert "it stays for up, conv2d" in str(report(got))


def tokens():
    return nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 4), nn.Linear(4, 3))


@pytest.mark.parametrize("length", [4, 7])
def test_a_linear_layer_of_tokens_is_normalised_over_its_features(length):
    torch.manual_seed(0)
    got = bnn.binarize_model(tokens(), linear=True)
    x = torch.randn(3, length, 6)
    first, normed, layer, norm, last = (
        got.get_submodule(name) for name in ("0", "1", "2", "2_norm", "3")
    )
    y = torch.where(normed(first(x)) >= 0, 1.0, -1.0)
    y = y @ torch.where(layer.weight >= 0, 1.0, -1.0).T
    with torch.no_grad():
        norm.bias.copy_(torch.randn(4))
    mean, var = y.mean((0, 1)), y.var((0, 1), correction=0)
    expected = last((y - mean) / (var + 1e-5).sqrt() + norm.bias)
    for twin in (copy.deepcopy(got), pickle.loads(pickle.dumps(got))):
        torch.testing.assert_close(twin(x), expected)
    with pytest.raises(ValueError, match=r"takes \(n, features\) or .* leave it real with skip"):
        got(torch.randn(2, 3, 4, 6))


def test_a_second_pass_leaves_the_shortcuts_real():
    model = resnet(BasicBlock(4, 4), BasicBlock(4, 8, stride=2))
    first = bnn.binarize_model(model, ["4.*"])
    second = bnn.binarize_model(first)
    assert report(second).names("binary") == ("4.conv1", "4.conv2")
    assert "5.downsample.0  real                a shortcut itself" in str(report(second))
    assert isinstance(second.get_submodule("5.downsample.0"), nn.Conv2d)


def test_the_report_lists_what_has_no_binary_form():
    class Mixture(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = convolution(3, 8), convolution(8, 8)
            self.up = nn.ConvTranspose2d(8, 8, 2, 2)
            self.attention = nn.MultiheadAttention(8, 2)
            self.norm = nn.LayerNorm((5, 8))
            self.weight = nn.Parameter(torch.randn(8, 8))
            self.fc, self.head = nn.Linear(8, 8), nn.Linear(8, 2)

        def forward(self, x):
            y = self.up(self.second(self.first(x)))
            y = F.conv2d(y, self.weight[:, :, None, None]).mean(3).transpose(1, 2)
            y = self.attention(y, y, y)[0].mean(1)
            return self.head(F.linear(self.fc(y) @ self.weight, self.weight))

    got = report(bnn.binarize_model(Mixture()))
    assert [(c.name, c.detail) for c in got.changes if c.action == "real"] == [
        ("first", "the first layer"),
        ("up", "ConvTranspose2d has no binary form"),
        ("conv2d", "the function conv2d has no binary form; nn.Conv2d has one"),
        ("attention", "MultiheadAttention has no binary form"),
        ("fc", "linear; linear=True makes it binary"),
        ("matmul", "a product with a parameter has no binary form; nn.Linear has one"),
        ("linear", "the function linear has no binary form; nn.Linear has one"),
        ("head", "the last layer"),
    ]


def test_a_shortcut_is_not_moved_past_a_value_that_others_read():
    class Tapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (convolution(4, 4) for _ in range(3))
            self.bn_a, self.bn_b, self.bn_c = (nn.BatchNorm2d(4) for _ in range(3))

        def forward(self, x):
            y = self.bn_a(self.a(x))
            return self.bn_b(self.b(y)) + x, self.bn_c(self.c(y))

    model = randomised(Tapped())
    got = bnn.binarize_model(model, keep_ends=False)
    x = torch.randn(2, 4, 5, 5)
    y = model.bn_a(binary(model.a, x)) + x
    first = model.bn_b(binary(model.b, y)) + x
    second = model.bn_c(binary(model.c, y)) + y
    torch.testing.assert_close(got(x), (first, second))
    assert not report(got).names("shortcut moved")


def test_a_shortcut_that_ends_behind_a_gate_stays_where_it_is():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = convolution(4, 4), convolution(4, 4)
            self.bn_a, self.bn_b = nn.BatchNorm2d(4), nn.BatchNorm2d(4)

        def forward(self, x):
            return self.bn_b(self.b(self.bn_a(self.a(x)) * 0.5)) + x

    model = randomised(Gated())
    got = bnn.binarize_model(model, keep_ends=False)
    x = torch.randn(2, 4, 5, 5)
    y = (model.bn_a(binary(model.a, x)) + x) * 0.5
    torch.testing.assert_close(got(x), model.bn_b(binary(model.b, y)) + x)


def test_the_report_tells_what_became_of_a_bias():
    notes = {c.name: c.detail for c in report(bnn.binarize_model(vgg())).changes}
    table = str(report(bnn.binarize_model(vgg())))
    assert "3       binary              was Conv2d; its bias is dropped" in table
    assert "7       binary              was Conv2d; its bias went to its batch norm" in table
    assert notes["7_norm"] == "none followed 7"


def test_without_shortcuts_those_there_stay_as_they_are():
    model = randomised(resnet(BasicBlock(4, 4), out=4))
    got = bnn.binarize_model(model, shortcut=False)
    x = torch.randn(2, 3, 8, 8)
    y, block = F.max_pool2d(model[1](model[0](x)), 2), model[4]
    y = block.bn2(binary(block.conv2, block.bn1(binary(block.conv1, y)))) + y
    torch.testing.assert_close(got(x), model[7](F.relu(y).mean((2, 3))))
    assert not report(got).names("shortcut added")


@pytest.mark.parametrize(
    ("skip", "left"),
    [
        ("4", ("5.conv1", "5.conv2")),
        (["4.conv*", "5.conv2"], ("5.conv1",)),
        (
            lambda name, module: getattr(module, "stride", 0) == (2, 2),
            ("4.conv1", "4.conv2", "5.conv2"),
        ),
    ],
    ids=["container", "patterns", "function"],
)
def test_skipped_layers_stay_real(skip, left):
    model = resnet(BasicBlock(4, 4), BasicBlock(4, 8, stride=2))
    got = bnn.binarize_model(model, skip)
    assert report(got).names("binary") == left
    for name, module in got.named_modules():
        assert isinstance(module, bnn.BinaryLayer) == (name in left)
    assert got(torch.randn(2, 3, 16, 16)).shape == (2, 4)


def test_options_reach_the_layers_and_weights_are_copied():
    model = vgg()
    before = copy.deepcopy(model.state_dict())
    got = bnn.binarize_model(
        model,
        input_estimator=bnn.Clipped(clip=1.3),
        weight_estimator="magnitude_aware",
        pad_value=1,
        scale="learned",
    )
    layer = got.get_submodule("3")
    assert isinstance(layer, bnn.BinaryConv2d)
    assert layer.input_estimator == bnn.Clipped(clip=1.3)
    assert layer.weight_estimator == bnn.MagnitudeAware()
    assert (layer.pad_value, layer.scale) == (1, "learned")
    assert torch.equal(layer.weight, model[3].weight)
    layer.weight.data.zero_()
    for name, tensor in model.state_dict().items():  # the original is left alone
        assert torch.equal(tensor, before[name])
    binary_parameters, real = split_parameters(got)
    assert [p.shape for p in binary_parameters] == [(8, 8, 3, 3), (16, 8, 3, 3)]
    assert len(binary_parameters) + len(real) == len(list(got.parameters()))


def test_the_signs_before_binary_layers_have_both_values():
    torch.manual_seed(0)
    for make in (vgg, mobilenet, lambda: resnet(BasicBlock(4, 4), BasicBlock(4, 8, stride=2))):
        got = bnn.binarize_model(make())
        inputs = []
        for module in got.modules():
            if isinstance(module, bnn.BinaryLayer):
                module.register_forward_pre_hook(lambda _, args, seen=inputs: seen.append(args[0]))
        got(torch.randn(8, 3, 16, 16))
        assert inputs
        assert all(0.2 < (x >= 0).float().mean() < 0.95 for x in inputs)


@pytest.mark.parametrize("make", [vgg, lambda: resnet(BasicBlock(4, 8, stride=2)), mobilenet])
def test_a_binarised_model_learns_and_its_state_survives(make):
    torch.manual_seed(0)
    got = bnn.binarize_model(make())
    labels = torch.arange(32) % 4
    x = torch.randn(32, 3, 8, 8) / 2
    x[torch.arange(32), labels % 3] += (labels >= 2).float()[:, None, None] * 2 - 1
    optimizer = torch.optim.Adam(got.parameters(), 0.01)
    latent = [p.detach().clone() for p in split_parameters(got)[0]]
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = F.cross_entropy(got(x), labels)
        loss.backward()
        optimizer.step()
        bnn.clip_latents_(got)
        losses.append(loss.item())
    assert sum(losses[-5:]) / 5 < 0.7 * losses[0]
    moved = zip(latent, split_parameters(got)[0], strict=True)
    assert all(((a >= 0) != (b >= 0)).any() for a, b in moved)
    got.eval()
    expected = got(x)
    fresh = bnn.binarize_model(make()).eval()
    fresh.load_state_dict(got.state_dict())
    twins = [fresh, copy.deepcopy(got), pickle.loads(pickle.dumps(got))]
    for twin in twins:
        assert torch.equal(twin(x), expected)
        assert report(twin) == report(got)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = vgg()

    def forward(self, x):
        return self.net(x) if x.sum() > 0 else x


class FunctionalDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = vgg()

    def forward(self, x):
        return F.dropout(self.net(x), 0.5, self.training)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = convolution(3, 8), convolution(8, 8), convolution(8, 8)

    def forward(self, x):
        x = self.a(x)
        return self.a.weight.sum() + self.c(self.b(self.b(x)))


def test_a_layer_that_is_called_twice_stays_real():
    got = bnn.binarize_model(Twice(), keep_ends=False)
    assert report(got).names("real") == ("b",)
    assert report(got).names("binary") == ("a", "c")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bnn.binarize_model(Branching()), "cannot trace .*TraceError.*one by one"),
        (lambda: bnn.binarize_model(FunctionalDropout()), "use the module nn.Dropout"),
        (lambda: bnn.binarize_model(vgg(), "layer9"), "skip 'layer9' fits no module"),
        (lambda: bnn.binarize_model(vgg(), scale="map"), "scale 'map' needs output sizes"),
        (lambda: bnn.binarize_model(vgg(), ["3", "7"]), "nothing is left to be binary"),
        (lambda: bnn.binarize_model(vgg(), pad_value=2), "pad_value must be -1, 0"),
        (lambda: bnn.binarize_model(vgg(), input_estimator="x"), "input_estimator 'x' is unknown"),
        (lambda: bnn.binarization_report(vgg()), "what binarize_model returned"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()
