"""What pack says of arguments that it cannot take, before it traces anything."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from bitgrove import export
from bitgrove.nn import BinaryConv1d, BinaryConv2d, BinaryLinear, RSign

from .test_pack_layers import Traced


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), BinaryConv2d(4, 4, 3), nn.Flatten(), BinaryLinear(64, 4)
    )


IMAGE = torch.zeros(1, 3, 8, 8)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_model_of_another_precision_is_told_to_become_float32(dtype):
    model = network()
    model[1].to(dtype)
    message = rf"1.weight is {str(dtype).removeprefix('torch.')}.*model.float\(\)"
    for example in (IMAGE, IMAGE.to(dtype)):
        with pytest.raises(TypeError, match=message):
            export.pack(model, example)
    export.pack(model.float(), IMAGE)


def test_the_precision_of_buffers_counts_and_integers_do_not():
    norm = nn.BatchNorm2d(3)
    export.pack(norm, IMAGE)  # which counts its batches
    norm.running_var = norm.running_var.double()
    with pytest.raises(TypeError, match="running_var is float64"):
        export.pack(norm, IMAGE)


def test_a_model_on_another_device_is_told_to_come_back():
    with pytest.raises(ValueError, match=r"0.weight is on meta.*model.cpu\(\)"):
        export.pack(network().to("meta"), IMAGE)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (np.zeros((1, 3, 8, 8), np.float32), r"torch tensor, .*torch.from_numpy"),
        ([[0.0]], "torch tensor, got list"),
        ((1, 3, 8, 8), r"torch tensor, got tuple.*torch.zeros\(1, 3, 32, 32\)"),
        (IMAGE.int(), "must be float32, got int32"),
    ],
)
def test_an_example_that_is_no_float32_tensor_is_refused(example, message):
    with pytest.raises(TypeError, match=message):
        export.pack(network(), example)


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (network(), (3, 8, 8), r"one batch .*\(n, c, h, w\), got \(3, 8, 8\).*example_input\[None"),
        (nn.Conv2d(1, 2, 3), (1, 8, 8), r"example_input\[None\]"),
        (BinaryConv1d(3, 2, 3), (3, 8), r"\(n, c, l\), got \(3, 8\).*example_input\[None\]"),
        (nn.Conv3d(3, 2, 3), (3, 8, 8, 8), r"\(n, c, d, h, w\), got .*example_input\[None\]"),
        (network(), (8, 8), r"\(n, c, h, w\), got \(8, 8\)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(8, 3)), (1, 8), r"\(n, c, h, w\) or .*got \(1, 8\)"),
    ],
)
def test_an_example_without_a_batch_is_refused_before_the_model_runs(model, shape, message, capfd):
    with pytest.raises(ValueError, match=message):
        export.pack(model, torch.zeros(shape))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (network(), (1, 5, 8, 8), "on example_input: .*3 channels"),
        (network(), (1, 3, 9, 9), "on example_input: "),
        (Traced(lambda m, x: x.transpose(1, 9)), (1, 3, 8, 8), "on example_input: Dimension out"),
    ],
)
def test_a_model_that_does_not_run_says_so_once(model, shape, message, capfd):
    with pytest.raises(ValueError, match=message) as refused:
        export.pack(model, torch.zeros(shape))
    assert "\n" not in str(refused.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("forward", "kind"),
    [(lambda m, x: m.body[:2](x), "Sequential"), (lambda m, x: nn.ReLU()(m.body(x)), "ReLU")],
)
def test_a_module_made_while_running_is_named_with_the_way_out(forward, kind):
    model = Traced(forward, body=network())
    with pytest.raises(ValueError, match=rf"makes a {kind} while it runs.*in __init__"):
        export.pack(model, IMAGE)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ("abcd", TypeError, "list of names, got the string 'abcd'"),
        ([1, 2, 3, 4], TypeError, "label 0 is int"),
        (["a"], ValueError, "labels has 1 name, the model returns 4 numbers"),
        (["a", "b", "c", "b"], ValueError, "'b' is twice among labels"),
        ([], ValueError, "labels has 0 names"),
    ],
)
def test_labels_that_name_no_logits_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        export.pack(network(), IMAGE, labels=labels)


def test_labels_are_kept_in_order():
    assert export.pack(network(), IMAGE, labels=tuple("dcba")).labels == list("dcba")


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("weight", BinaryConv2d(3, 4, 3)),
        ("weight", BinaryConv2d(3, 4, 3, weight_estimator=None)),
        ("shift", RSign(3)),
        ("weight", nn.Conv2d(3, 4, 3)),
        ("running_var", nn.BatchNorm2d(3)),
    ],
)
def test_nan_in_a_layer_is_refused_with_its_name(name, layer):
    model = nn.Sequential(nn.Sequential(layer), nn.Flatten())
    getattr(layer, name).data.reshape(-1)[1] = math.nan
    with pytest.raises(ValueError, match=rf"layer '0.0' \({type(layer).__name__}\): {name} .* NaN"):
        export.pack(model, IMAGE)
