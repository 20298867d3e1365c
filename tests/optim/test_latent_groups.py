import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bitgrove import nn as bnn
from bitgrove.optim import latent_groups


def by_name(model, groups):
    names = {id(p): name for name, p in model.named_parameters()}
    return {group["name"]: [names[id(p)] for p in group["params"]] for group in groups}


class Shift(nn.Module):
    """A learned shift of four axes, which selection by the number of axes would let decay."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 4, 1, 1))


def mixed():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        Shift(),
        nn.PReLU(4),
        bnn.RSign(4),
        bnn.BinaryConv2d(4, 4, 3, scale="learned", input_estimator="identity"),
        bnn.RPReLU(4),
        bnn.BinaryConv2d(4, 4, 3, weight_estimator=None),
        nn.GroupNorm(2, 4),
        nn.Flatten(),
        bnn.BinaryLinear(16, 8, input_estimator=None),
        nn.LayerNorm(8),
        nn.ConvTranspose1d(8, 8, 1),
        nn.Embedding(3, 8),
        nn.Linear(8, 3),
    )


def test_only_real_weights_of_products_decay():
    model = mixed()
    groups = latent_groups(model, 0.1, weight_decay=0.5)
    found = by_name(model, groups)
    assert found["latent"] == ["5.weight", "10.weight"]
    assert found["weights"] == ["0.weight", "7.weight", "12.weight", "14.weight"]
    assert {group["name"]: group["weight_decay"] for group in groups} == {
        "latent": 0.0,
        "weights": 0.5,
        "others": 0.0,
    }
    listed = [p for group in groups for p in group["params"]]
    assert len(listed) == len({id(p) for p in listed}) == len(list(model.parameters()))


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_optimisers_of_torch_take_the_groups_and_decay_what_they_should(kind):
    model = mixed()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = kind(latent_groups(model, 0.1, glorot=True, weight_decay=0.5))
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"0.weight", "7.weight", "12.weight", "14.weight"}


def glorot_by_definition(fan_in, fan_out):
    return 1 / math.sqrt(1.5 / (fan_in + fan_out))


@pytest.mark.parametrize(
    ("layer", "factor"),
    [
        (bnn.BinaryConv2d(128, 128, 3), glorot_by_definition(9 * 128, 9 * 128)),  # 39.19
        (bnn.BinaryConv2d(3, 8, (1, 5)), glorot_by_definition(5 * 3, 5 * 8)),
        (bnn.BinaryConv2d(6, 12, 3, groups=3), glorot_by_definition(9 * 2, 9 * 4)),
        (bnn.BinaryLinear(7, 5), glorot_by_definition(7, 5)),
    ],
)
def test_glorot_rates_have_the_factor_of_the_definition(layer, factor):
    (group,) = latent_groups(layer, 0.01, glorot=True)
    assert group["lr_scale"] == pytest.approx(factor, rel=1e-12)
    assert group["lr"] == pytest.approx(0.01 * factor, rel=1e-12)


def test_weights_of_one_factor_share_a_group_and_others_keep_the_rate():
    model = nn.Sequential(
        bnn.BinaryLinear(4, 4), bnn.BinaryLinear(4, 4), bnn.BinaryLinear(4, 2), nn.BatchNorm1d(2)
    )
    groups = latent_groups(model, 0.01, glorot=True)
    assert by_name(model, groups) == {
        "latent x 2.3094": ["0.weight", "1.weight"],
        "latent x 2": ["2.weight"],
        "others": ["3.weight", "3.bias"],
    }
    assert groups[-1]["lr"] == 0.01


def test_three_steps_are_those_of_binaryconnect_written_out():
    torch.manual_seed(0)
    conv = bnn.BinaryConv2d(2, 3, 3, input_estimator=None, weight_estimator="identity")
    model = nn.Sequential(conv, nn.BatchNorm2d(3))
    lr, factor = 0.2, math.sqrt(9 * (2 + 3) / 1.5)
    optimizer = torch.optim.SGD(latent_groups(model, lr, glorot=True, weight_decay=0.1))
    w, gamma, beta = conv.weight.detach().clone(), torch.ones(3), torch.zeros(3)
    clipped = flipped = 0
    for _ in range(3):
        x, target = torch.randn(16, 2, 5, 5), torch.randn(16, 3, 3, 3)
        optimizer.zero_grad()
        loss = ((model(x) - target) ** 2).sum() / 16
        loss.backward()
        optimizer.step()
        bnn.clip_latents_(model)

        binary = torch.where(w >= 0, 1.0, -1.0).requires_grad_()
        gamma, beta = gamma.detach().requires_grad_(), beta.detach().requires_grad_()
        y = F.batch_norm(F.conv2d(x, binary), None, None, gamma, beta, training=True)
        loss_by_hand = ((y - target) ** 2).sum() / 16
        g_binary, g_gamma, g_beta = torch.autograd.grad(loss_by_hand, (binary, gamma, beta))
        unclipped = w - lr * factor * g_binary  # the gradient at the binary weight, as it is
        clipped += int((unclipped.abs() > 1).sum())
        flipped += int(((unclipped >= 0) != (w >= 0)).sum())
        w, gamma, beta = unclipped.clip(-1, 1), gamma - lr * g_gamma, beta - lr * g_beta
    assert clipped > 5
    assert flipped > 5
    torch.testing.assert_close(conv.weight.detach(), w, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model[1].weight.detach(), gamma.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model[1].bias.detach(), beta.detach(), rtol=1e-4, atol=1e-5)


def test_a_weight_that_is_also_used_as_something_else_does_not_decay():
    table, head = nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)
    head.weight = table.weight
    (group,) = latent_groups(nn.ModuleList([table, head]), 0.1, weight_decay=0.1)
    assert (group["name"], group["weight_decay"]) == ("others", 0.0)


class Flat(nn.Module):
    binary_parameter_names = ("bits",)

    def __init__(self):
        super().__init__()
        self.bits = nn.Parameter(torch.ones(3))


def test_a_weight_without_fans_is_refused_only_for_glorot_rates():
    model = nn.Sequential(Flat())
    assert latent_groups(model, 0.1)[0]["name"] == "latent"
    with pytest.raises(ValueError, match=r"glorot needs weights of shape .*, and 0.bits has"):
        latent_groups(model, 0.1, glorot=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, "lr must be at least 0 and finite, got -1.0"),
        ({"lr": math.nan}, "lr must be at least 0"),
        ({"lr": 0.1, "weight_decay": -0.1}, "weight_decay must be at least 0 and finite, got -0.1"),
    ],
)
def test_numbers_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        latent_groups(nn.Linear(1, 1), **options)
