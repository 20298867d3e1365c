import copy
import pickle

import pytest
import torch
from torch import nn

from bitgrove import nn as bnn
from bitgrove.optim import split_parameters


def names(model, parameters):
    found = {id(p): name for name, p in model.named_parameters(remove_duplicate=False)}
    return [found[id(p)] for p in parameters]


def tricky():
    """Names and shapes that mislead: a real 4-D ``binary_weight``, real latents, learned scales."""
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        bnn.BinaryConv2d(4, 4, 3, scale="learned"),
        bnn.BinaryConv2d(4, 4, 3, weight_estimator=None),
        nn.Flatten(),
        bnn.BinaryLinear(16, 3, input_estimator=None),
    )
    model.register_parameter("binary_weight", nn.Parameter(torch.zeros(1, 1, 1, 1)))
    return model


BINARY = ["1.weight", "4.weight"]


def test_binary_are_the_weights_that_are_binarised_and_nothing_else():
    model = tricky()
    binary, real = split_parameters(model)
    assert names(model, binary) == BINARY
    assert sorted(names(model, real)) == [
        "0.bias",
        "0.weight",
        "1.scale_channel",
        "2.weight",
        "binary_weight",
    ]


@pytest.mark.parametrize(
    "again",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: model.double(),
        lambda model: (model.load_state_dict(tricky().state_dict(), assign=True), model)[1],
    ],
    ids=["deepcopy", "pickle", "double", "load_state_dict"],
)
def test_the_tag_survives(again):
    model = again(tricky())
    assert names(model, split_parameters(model)[0]) == BINARY


def test_the_tag_survives_a_new_parameter_in_the_old_place():
    layer = bnn.BinaryLinear(2, 2)
    layer.weight = nn.Parameter(torch.ones(2, 2))
    assert split_parameters(layer)[0] == [layer.weight]


def test_shared_weights_are_listed_once():
    a, b = bnn.BinaryLinear(3, 3), bnn.BinaryLinear(3, 3)
    b.weight = a.weight
    model = nn.Sequential(a, b, a)
    binary, real = split_parameters(model)
    assert len(binary) == 1
    assert binary[0] is a.weight
    assert real == []


def test_a_weight_shared_by_a_binary_and_a_real_module_is_refused():
    model = nn.ModuleDict({"bits": bnn.BinaryLinear(3, 3), "floats": nn.Linear(3, 3, bias=False)})
    model["floats"].weight = model["bits"].weight
    with pytest.raises(
        ValueError, match=r"bits.weight \(binary\) and floats.weight \(real\) are one parameter"
    ):
        split_parameters(model)


def test_every_parameter_is_in_exactly_one_list():
    model = tricky()
    binary, real = split_parameters(model)
    assert {id(p) for p in model.parameters()} == {id(p) for p in binary + real}
    assert len(binary) + len(real) == len(list(model.parameters()))
