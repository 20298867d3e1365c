"""Sizes and operations that papers and other software print; every count also by hand.

The counting that makes them agree: 1 bit per binary weight, 32 per other number, two numbers per
channel of a batch norm; operations are multiply-accumulates of convolutions and linear layers, of
which 64 of two signs are one. Convolutions have no bias where a batch norm follows.
"""

from functools import cache
from itertools import pairwise

import pytest
import torch

import bitgrove as bg


@cache
def figures(name, side=224, **options):
    """The summary at full size, on torch's ``meta`` device: nothing is computed."""
    with torch.device("meta"):
        return bg.summary(bg.models.create(name, **options), (3, side, side))


def mebibytes(summary):
    return summary.memory_bits / 8 / 2**20


def test_bops_binarynet():
    """Larq's summary: 10.352 M 1-bit and 7,700 real, 1.26 against 39.52 MiB, 514 M MACs, 99.39 %.

    Convolutions run on 30², 30², 15², 15², 7² and 7² pixels. The first one's weights are binary and
    its input is not: its MACs are the 0.61 % that are real.
    """
    got = figures("binarynet", 32)
    channels = [3, 128, 128, 256, 256, 512, 512]
    convolutions = [9 * before * after for before, after in pairwise(channels)]
    linears = [512 * 3 * 3 * 1024, 1024 * 1024, 1024 * 10]
    pixels = [30 * 30, 30 * 30, 15 * 15, 15 * 15, 7 * 7, 7 * 7]
    work = [n * p for n, p in zip(convolutions, pixels, strict=True)]
    assert got.binary_parameters == sum(convolutions + linears) == 10_352_000
    assert got.real_parameters == 2 * (sum(channels[1:]) + 1024 + 1024 + 10) == 7_700
    assert got.real_macs == work[0]
    assert got.binary_macs == sum(work[1:] + linears)
    assert round((got.binary_macs + got.real_macs) / 1e6) == 514
    assert round(100 * got.binary_macs / (got.binary_macs + got.real_macs), 2) == 99.39
    assert round(mebibytes(got), 2) == 1.26
    assert round(got.float32_bytes / 2**20, 2) == 39.52


def test_bnns_binarynet():
    """14.02 M weights: with padding, what is flattened is 512·4·4 and not 512·3·3."""
    got = figures("binarynet", 32, variant="bnn")
    assert got.binary_parameters == 10_352_000 + (16 - 9) * 512 * 1024 == 14_022_016
    assert got.real_parameters == 7_700


def bireal_by_hand(convolutions):
    """Binary and real parameters, binary and real MACs without the classifier."""
    binary = binary_macs = 0
    real, real_macs = 3 * 64 * 49, 3 * 64 * 49 * 112**2
    norms, channels = 64, 64
    for stage, count in enumerate(convolutions):
        width, pixels = 64 << stage, (56 >> stage) ** 2
        for _ in range(count):
            binary += 9 * channels * width
            binary_macs += 9 * channels * width * pixels
            norms += width
            if channels != width:
                real += channels * width
                real_macs += channels * width * pixels
                norms += width
            channels = width
    return binary, real + 512 * 1000 + 1000 + 2 * norms, binary_macs, real_macs


@pytest.mark.parametrize(
    ("name", "convolutions", "mbit", "alone", "whole", "ratio"),
    [
        ("birealnet18", (4, 4, 4, 4), 33.51, 1.635e8, 1.640e8, 11.06),
        ("birealnet34", (6, 8, 12, 6), 43.85, 1.924e8, 1.929e8, 18.99),
    ],
)
def test_bireal_networks(name, convolutions, mbit, alone, whole, ratio):
    """Memory, operations without and with the classifier, and the gain over the real twin."""
    got, twin = figures(name), figures(name, real=True)
    body = got.without("head")
    by_hand = (got.binary_parameters, got.real_parameters, got.binary_macs, body.real_macs)
    assert by_hand == bireal_by_hand(convolutions)
    assert got.real_macs - body.real_macs == 512 * 1000
    assert round(got.memory_bits / 1e6, 2) == mbit
    assert round(body.operations / 1e8, 3) == round(alone / 1e8, 3)
    assert round(got.operations / 1e8, 3) == round(whole / 1e8, 3)
    assert twin.operations == twin.real_macs == got.binary_macs + got.real_macs
    assert round(twin.operations / got.operations, 2) == ratio


def test_real_twins_are_the_real_networks():
    """ResNet-18 (374.06 Mbit, 1.814e9) and ResNet-34 (697.5 Mbit, 3.664e9)."""
    for name in ("birealnet18", "bwn_resnet18"):
        got = figures(name, real=True)
        assert got.real_parameters == 11_689_512
        assert round(got.memory_bits / 1e6, 2) == 374.06
        assert round(got.operations / 1e9, 3) == 1.814
    got = figures("birealnet34", real=True)
    assert round(got.memory_bits / 1e6, 1) == 697.5
    assert round(got.operations / 1e9, 3) == 3.664


def test_reactnet_a():
    """0.87e8 operations. The three numbers per channel of an RPReLU count, and RSign's one."""
    got = figures("reactnet_a")
    assert round(got.operations / 1e8, 2) == 0.87
    widths = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    sides = [112, 56, 56, 28, 28, *[14] * 6, 7, 7]
    binary = binary_macs = 0
    real = 27 * 32 + 2 * 32 + 1024 * 1000 + 1000
    for (before, after), side in zip(pairwise(widths), sides, strict=True):
        weights = 9 * before**2 + (after // before) * before**2
        binary += weights
        binary_macs += weights * side**2
        real += 2 * (before + after) + 2 * before + 3 * (before + after)  # norms, signs, PReLUs
    assert (got.binary_parameters, got.binary_macs) == (binary, binary_macs)
    assert got.real_parameters == real
    assert got.real_macs == 27 * 32 * 112**2 + 1024 * 1000


def test_alexnet():
    """By hand; of the XNOR form Larq's documentation says 22.77 MB."""
    got, bwn = figures("xnor_alexnet"), figures("bwn_alexnet")
    convolutions = [25 * 96 * 256, 9 * 256 * 384, 9 * 384**2, 9 * 384 * 256]
    linears = [36 * 256 * 4096, 4096**2]
    assert got.binary_parameters == bwn.binary_parameters == sum(convolutions + linears)
    ends = 121 * 3 * 96 + 4096 * 1000 + 1000
    before = 96 + 96 + 256 + 384 + 384 + 256 + 4096 + 4096  # batch norms: behind the stem,
    after = 96 + 256 + 384 + 384 + 256 + 4096 + 4096  # before each layer or behind it
    assert got.real_parameters == ends + 2 * before
    assert bwn.real_parameters == ends + 2 * after
    work = [n * p for n, p in zip(convolutions, [27**2, 13**2, 13**2, 13**2], strict=True)]
    assert got.binary_macs == sum(work + linears)
    assert got.real_macs == 121 * 3 * 96 * 55**2 + 4096 * 1000
    assert bwn.binary_macs == 0  # real numbers times signs
    assert bwn.real_macs == got.real_macs + got.binary_macs
    assert mebibytes(got) == pytest.approx(22.77, abs=0.01)


def test_alexnet_takes_224_and_227_pixels_with_the_same_weights():
    larger = figures("xnor_alexnet", 227, image_size=227)
    assert larger.binary_parameters == figures("xnor_alexnet").binary_parameters
    assert larger.binary_macs == figures("xnor_alexnet").binary_macs
    assert larger.layers[0].output_shape == (96, 56, 56)
    assert figures("xnor_alexnet").layers[0].output_shape == (96, 55, 55)


def test_network_in_network():
    got = figures("nin", 32)
    by_layer = [192 * 160, 160 * 96, 25 * 96 * 192, 192**2, 192**2, 9 * 192**2, 192**2]
    pixels = [32**2, 32**2, 16**2, 16**2, 16**2, 8**2, 8**2]
    assert got.binary_parameters == sum(by_layer)
    assert got.binary_macs == sum(n * p for n, p in zip(by_layer, pixels, strict=True))
    norms = 192 + 192 + 160 + 96 + 5 * 192  # behind the stem, before each layer and the head
    assert got.real_parameters == 75 * 192 + 192 * 10 + 10 + 2 * norms
    assert got.real_macs == 75 * 192 * 32**2 + 192 * 10


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("quicknet_small", 4.00),
        ("quicknet", 4.17),
        ("quicknet_large", 5.40),
        ("birealnet18", 4.00),
    ],
)
def test_sizes_of_larqs_files(name, published):
    """In MiB; their files hold some more numbers than the two per channel of a batch norm."""
    assert published - 0.025 < mebibytes(figures(name)) <= published


def test_quicknets_stem_and_transitions_are_cheap():
    got = figures("quicknet")
    stem = 27 * 16 * 112**2 + (9 * 16 + 16 * 64) * 56**2
    blur = 9 * (64 * 28**2 + 128 * 14**2 + 256 * 7**2)
    between = 64 * 128 * 28**2 + 128 * 256 * 14**2 + 256 * 512 * 7**2
    assert got.real_macs == stem + blur + between + 512 * 1000
    assert got.binary_macs == 4 * 9 * 64**2 * 56**2 * 4  # alike in each stage
    fixed = [row for row in got.layers if row.name.endswith("blur")]
    assert [row.real_parameters for row in fixed] == [0, 0, 0]  # a filter, not a parameter,
    assert [row.packed_bytes for row in fixed] == [4 * 9 * c for c in (64, 128, 256)]  # but stored


@pytest.mark.parametrize(
    ("name", "blocks"), [("birealnet50", (3, 4, 6, 3)), ("birealnet152", (3, 8, 36, 3))]
)
def test_bottleneck_networks_by_hand(name, blocks):
    """Nothing was published; block by block."""
    got = figures(name)
    binary, real, norms = 0, 49 * 3 * 64 + 2048 * 1000 + 1000, 64
    trunk = middle = 64
    for stage, count in enumerate(blocks):
        for index in range(count):
            width = 64 << stage
            if stage or index:
                binary += trunk * width
                real += middle * width if middle != width else 0
            else:
                real += trunk * width
            binary += 9 * width**2 + width * 4 * width
            norms += width + width + 4 * width
            if not index:
                real += trunk * 4 * width
                norms += 4 * width
            middle, trunk = width, 4 * width
    assert got.binary_parameters == binary
    assert got.real_parameters == real + 2 * norms


def test_depth_decoder_by_hand():
    """A binary 3x3 and a real 1x1 convolution per step, and one real 3x3 at the end."""
    got, body = figures("birealnet50_depth"), figures("birealnet50").without("head")
    steps = [(2048, 1024), (1024, 512), (512, 256), (256, 64)]
    assert got.binary_parameters - body.binary_parameters == sum(9 * a * b for a, b in steps)
    real = sum(a * b + 2 * 2 * b for a, b in steps) + 9 * 64 + 1
    assert got.real_parameters - body.real_parameters == real
    sides = [14, 28, 56, 112]
    work = [9 * a * b * side**2 for (a, b), side in zip(steps, sides, strict=True)]
    assert got.binary_macs - body.binary_macs == sum(work)
    past = [a * b * (side // 2) ** 2 for (a, b), side in zip(steps, sides, strict=True)]
    assert got.real_macs - body.real_macs == sum(past) + 9 * 64 * 112**2
    assert got.layers[-1].output_shape == (1, 112, 112)
