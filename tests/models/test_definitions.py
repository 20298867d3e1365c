"""Networks against their definitions, written out with torch's functions."""

import pytest
import torch
import torch.nn.functional as F

from bitgrove.nn import sign

from .small import make, warmed


def norm(module, x):
    """(x - mean) / sqrt(var + eps) gamma + beta."""
    gamma = 1 if module.weight is None else module.weight
    beta = 0 if module.bias is None else module.bias
    scale = gamma / (module.running_var + module.eps).sqrt()
    shift = beta - module.running_mean * scale
    return x * scale[:, None, None] + shift[:, None, None]


def binary(module, x, stride=1):
    """sign(x) * sign(W) times the mean of |W|, and zeros around."""
    weight = module.weight
    alpha = weight.abs().mean((1, 2, 3))[:, None, None]
    return F.conv2d(sign(x), sign(weight), None, stride, weight.shape[2] // 2) * alpha


def compare(model, x, expected):
    got = model(x)
    assert expected.std() > 1e-3
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)


def streams(stages, middle, trunk, counts):
    """Sec. 1.5 of the two-stream bottleneck, block after block; yields the trunk of each stage."""
    for stage, count in enumerate(counts):
        assert len(stages[stage]) == count
        for index, block in enumerate(stages[stage]):
            widens = index == 0
            stride = 2 if stage and widens else 1
            if stage == 0 and widens:
                clipped = trunk.clamp(-1, 1)
                leaky = clipped + 0.1 * (trunk - clipped)
                y = norm(block.norm1, F.conv2d(leaky, block.conv1.conv.weight))
            else:
                y = norm(block.norm1, binary(block.conv1.conv, trunk))
                y = y + (F.conv2d(middle, block.shortcut1.weight) if widens else middle)
            conv = norm(block.norm2, binary(block.conv2.conv, y, stride))
            middle = conv + (F.avg_pool2d(y, 2) if stride == 2 else y)
            conv = norm(block.norm3, binary(block.conv3.conv, middle))
            if widens:
                trunk = F.avg_pool2d(trunk, 2) if stride == 2 else trunk
                trunk = F.conv2d(trunk, block.shortcut3.conv.weight)
                trunk = norm(block.shortcut3.norm, trunk)
            trunk = conv + trunk
        yield trunk


@pytest.mark.parametrize("key", ["birealnet50", "birealnet152"])
def test_two_streams_of_a_bottleneck_network(key):
    model, x = make(key)
    warmed(model, x)
    y = norm(model.stem.norm, F.conv2d(x, model.stem.conv.weight, padding=1))
    counts = (3, 4, 6, 3) if key == "birealnet50" else (3, 8, 36, 3)
    trunks = list(streams(model.stages, y, y, counts))
    assert [t.shape[1:] for t in trunks] == [(16, 8, 8), (32, 4, 4), (64, 2, 2), (128, 1, 1)]
    torch.testing.assert_close(model.embed(x), trunks[-1].mean((2, 3)), rtol=1e-3, atol=1e-3)


def test_depth_network():
    model, x = make("birealnet50_depth")
    warmed(model, x)
    half = norm(model.stem.norm, F.conv2d(x, model.stem.conv.weight, None, 2, 3))
    quarter = F.max_pool2d(half, 3, 2, 1)
    *skips, y = half, *streams(model.stages, quarter, quarter, (3, 4, 6, 3))
    for rise, skip in zip(model.decoder, reversed(skips), strict=True):
        up = F.interpolate(y, scale_factor=2, mode="nearest")
        body = norm(rise.body.norm, binary(rise.body.conv, up))
        past = norm(rise.shortcut.norm, F.conv2d(up, rise.shortcut.conv.weight))
        y = body + past + skip
    compare(model, x, F.conv2d(y, model.head.weight, model.head.bias, padding=1))


@pytest.mark.parametrize(("key", "large"), [("birealnet18", False), ("birealnet34", True)])
def test_bireal_network(key, large):
    model, x = make(key)
    warmed(model, x)
    stem = F.conv2d(x, model.stem.conv.weight, None, 2, 3) if large else None
    y = norm(model.stem.norm, F.conv2d(x, model.stem.conv.weight, padding=1) if not large else stem)
    y = F.max_pool2d(y, 3, 2, 1) if large else y
    assert [len(stage) for stage in model.stages] == ([6, 8, 12, 6] if large else [4, 4, 4, 4])
    for stage, blocks in enumerate(model.stages):
        for index, block in enumerate(blocks):
            stride = 2 if stage and not index else 1
            past = y
            if stride == 2:
                past = norm(block.shortcut[2], block.shortcut[1](F.avg_pool2d(y, 2)))
            y = norm(block.bn, binary(block.conv, y, stride)) + past
    compare(model, x, model.head(y.mean((2, 3))))


def test_reactnet():
    model, x = make("reactnet_a")
    warmed(model, x)

    def shifted_sign(module, x):
        return sign(x + module.shift[:, None, None])

    def prelu(module, x):
        y = x + module.shift_in[:, None, None]
        slope, out = module.slope[:, None, None], module.shift_out[:, None, None]
        return torch.where(y > 0, y, slope * y) + out

    y = norm(model.stem.norm, F.conv2d(x, model.stem.conv.weight, padding=1))
    channels = [32, 64, *[128] * 2, *[256] * 2, *[512] * 6, *[1024] * 2]
    assert len(model.blocks) == 13
    for block, before, after in zip(model.blocks, channels, channels[1:], strict=False):
        assert y.shape[1] == before // 8
        stride = 2 if after > before >= 64 else 1
        conv = norm(block.norm1, binary(block.conv1, shifted_sign(block.sign1, y), stride))
        y = prelu(block.prelu1, conv + (F.avg_pool2d(y, 2) if stride == 2 else y))
        signs = shifted_sign(block.sign2, y)
        z = norm(block.norm2, binary(block.conv2, signs)) + y
        if after > before:
            z = torch.cat([z, norm(block.norm3, binary(block.conv3, signs)) + y], 1)
        y = prelu(block.prelu2, z)
    compare(model, x, model.head(y.mean((2, 3))))


@pytest.mark.parametrize(
    ("key", "blocks", "channels"),
    [
        ("quicknet", [4, 4, 4, 4], [8, 16, 32, 64]),
        ("quicknet_large", [6, 8, 12, 6], [4, 8, 16, 32]),
        ("quicknet_small", [4, 4, 4, 4], [4, 8, 32, 64]),
    ],
)
def test_quicknet(key, blocks, channels):
    model, x = make(key)
    warmed(model, x)
    stem = model.stem
    y = norm(stem.norm1, F.conv2d(x, stem.conv.weight, None, 2, 1)).relu()
    y = F.conv2d(y, stem.depthwise.weight, None, 2, 1, groups=channels[0] // 4)
    y = norm(stem.norm3, F.conv2d(norm(stem.norm2, y), stem.pointwise.weight))
    stages = list(model.stages)
    for stage, count in enumerate(blocks):
        if stage:
            transition = stages.pop(0)
            y = F.max_pool2d(y.relu(), 2, 1)
            pixels = F.pad(y, (1, 1, 1, 1))
            rows = pixels[:, :, :-2:2] + 2 * pixels[:, :, 1:-1:2] + pixels[:, :, 2::2]
            y = (rows[..., :-2:2] + 2 * rows[..., 1:-1:2] + rows[..., 2::2]) / 16
            y = norm(transition.norm, F.conv2d(y, transition.conv.weight))
        layers = stages.pop(0)
        assert len(layers) == count
        assert y.shape[1:] == (channels[stage], 8 >> stage, 8 >> stage)
        for layer in layers:
            weight = sign(layer.body.conv.weight)
            signs = F.pad(sign(y), (1, 1, 1, 1), value=1.0)
            y = norm(layer.body.norm, F.conv2d(signs, weight).relu()) + y
    compare(model, x, model.head(y.relu().mean((2, 3))))


def test_xnor_resnet_with_input_scales():
    model, x = make("xnor_resnet18")
    warmed(model, x)

    def layer(module, y, stride):
        y = norm(module.norm, y)
        magnitude = y.abs().mean(1, keepdim=True)
        k = F.conv2d(magnitude, torch.full((1, 1, 3, 3), 1 / 9), None, stride, 1)
        return binary(module.conv, y, stride) * k

    y = norm(model.stem.norm, F.conv2d(x, model.stem.conv.weight, padding=1)).relu()
    for stage, blocks in enumerate(model.stages):
        for index, block in enumerate(blocks):
            stride = 2 if stage and not index else 1
            past = y
            if stride == 2:
                past = F.conv2d(y, block.shortcut.conv.weight, None, 2)
                past = norm(block.shortcut.norm, past)
            y = layer(block.second, layer(block.first, y, stride), 1) + past
    compare(model, x, model.head(norm(model.embedding[0], y).relu().mean((2, 3))))


def test_binary_weight_resnet():
    model, x = make("bwn_resnet18")
    warmed(model, x)

    def layer(module, y, stride):
        weight = module.conv.weight
        alpha = weight.abs().mean((1, 2, 3), keepdim=True)
        return norm(module.norm, F.conv2d(y, alpha * sign(weight), None, stride, 1))

    y = norm(model.stem.norm, F.conv2d(x, model.stem.conv.weight, padding=1)).relu()
    for stage, blocks in enumerate(model.stages):
        for index, block in enumerate(blocks):
            stride = 2 if stage and not index else 1
            past = y
            if stride == 2:
                past = F.conv2d(y, block.shortcut.conv.weight, None, 2)
                past = norm(block.shortcut.norm, past)
            y = (layer(block.second, layer(block.first, y, stride).relu(), 1) + past).relu()
    compare(model, x, model.head(y.mean((2, 3))))


@pytest.mark.parametrize("key", ["xnor_alexnet", "bwn_alexnet", "nin", "nin, weights only"])
def test_networks_of_xnor_layers_in_a_row(key):
    model, x = make(key)
    warmed(model, x)
    alexnet, weights_only = "alexnet" in key, key in ("bwn_alexnet", "nin, weights only")
    y = F.conv2d(x, model.stem.conv.weight, None, *((4, 2) if alexnet else (1, 2)))
    y = norm(model.stem.norm, y).relu()
    y = F.max_pool2d(y, 3, 2) if alexnet else y
    paddings = [2, 1, 1, 1, 0, 0] if alexnet else [0, 0, 2, 0, 0, 1, 0]
    for index, (layer, padding) in enumerate(zip(model.layers, paddings, strict=True)):
        weight = layer.conv.weight
        alpha = weight.abs().mean((1, 2, 3))[:, None, None]
        values = y if weights_only else sign(norm(layer.norm, y))
        y = F.conv2d(values, sign(weight), padding=padding) * alpha
        if key == "xnor_alexnet" and index in (0, 3):
            y = F.max_pool2d(y, 3, 2)
        if not alexnet and index == 1:
            y = F.max_pool2d(y, 3, 2, 1)
        if not alexnet and index == 4:
            y = F.avg_pool2d(y, 3, 2, 1)
        y = norm(layer.norm, y).relu() if weights_only else y
        if key == "bwn_alexnet":  # the authors pool behind the ReLU here
            assert layer.norm.eps == 1e-3
            y = F.max_pool2d(y, 3, 2) if index in (0, 3) else y
    if not weights_only:
        y = norm(model.embedding[0], y).relu()
    assert y.shape[2:] == ((1, 1) if alexnet else (3, 2))
    compare(model, x, model.head(y.mean((2, 3))))
