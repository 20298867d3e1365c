"""What the operators do not take, and what they say then."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from bitgrove import ops


def convolved(**changes):
    arguments = {
        "x": torch.randn(2, 12, 6, 6),
        "weight": ops.pack_weight(torch.randn(4, 6, 3, 3)),
        "groups": 2,
        **changes,
    }
    return ops.binary_conv(arguments.pop("x"), arguments.pop("weight"), **arguments)


def test_what_is_refused_below_is_taken_else():
    assert convolved().shape == (2, 4, 4, 4)


REFUSED = [
    ({"x": torch.zeros(2, 12, 6, 6).double()}, TypeError, r"x must be float32, got torch.float64$"),
    ({"x": torch.zeros(2, 12, 6, 6).half()}, TypeError, r"got torch.float16; give x.float\(\)"),
    ({"x": torch.zeros(2, 12, 6, 6).int()}, TypeError, "x must be float32, got torch.int32"),
    ({"x": torch.zeros(2, 12, 6)}, ValueError, r"with 2 sides, as weight has, got \(2, 12, 6\)"),
    ({"x": torch.zeros(2, 18, 6, 6)}, ValueError, "18 channels in 2 groups, which is 2 bytes"),
    ({"x": torch.zeros(2, 12, 6, 2)}, ValueError, "reaches over 3 does not fit into side 1"),
    ({"x": torch.zeros(2, 12, 0, 6), "padding": 2}, ValueError, "does not fit into side 0"),
    ({"weight": torch.zeros(4, 3, 3, 1)}, TypeError, "must be uint8, got torch.float32; pack it"),
    ({"weight": torch.zeros(4, 1, dtype=torch.uint8)}, ValueError, "with 1 to 3 sides"),
    ({"weight": torch.zeros(4, 0, 3, 1, dtype=torch.uint8)}, ValueError, "none of them 0"),
    ({"weight": torch.full((4, 3, 3, 1), 255, dtype=torch.uint8)}, ValueError, "padding bits"),
    ({"stride": 0}, ValueError, r"stride must be 2 integers of at least 1.*got \[0, 0\]"),
    ({"stride": (1, 1, 1)}, ValueError, r"stride must be 2 integers .* got \[1, 1, 1\]"),
    ({"padding": -1}, ValueError, "padding must be 2 integers of at least 0"),
    ({"dilation": (1, 0)}, ValueError, "dilation must be 2 integers of at least 1"),
    ({"groups": 0}, ValueError, "groups must be at least 1 and divide the 12 channels"),
    ({"groups": 5}, ValueError, "divide the 12 channels of x and the 4 filters .*, got 5"),
    ({"groups": 3}, ValueError, "and the 4 filters of weight, got 3"),
    ({"pad_value": 2}, ValueError, "pad_value must be -1, 0 or"),
    ({"scale": torch.ones(4).half()}, TypeError, "scale must be torch.float32, got torch.float16"),
    ({"scale": torch.ones(3)}, ValueError, r"scale must have shape \(4,\), got \(3,\)"),
    ({"bias": torch.ones(4, 1)}, ValueError, r"bias must have shape \(4,\), got \(4, 1\)"),
    ({"threshold": torch.ones(6)}, ValueError, r"threshold must have shape \(12,\), got \(6,\)"),
    ({"flip": torch.ones(12)}, TypeError, "flip must be torch.uint8"),
    ({"flip": torch.ones(12, dtype=torch.uint8)}, ValueError, r"flip must have shape \(2,\)"),
    ({"padding": 100_000}, ValueError, "65536"),
]


@pytest.mark.parametrize(("changes", "error", "match"), REFUSED)
def test_the_message_names_the_argument_and_what_came(changes, error, match):
    for _ in range(2):  # a refusal leaves nothing behind
        with pytest.raises(error, match=match):
            convolved(**changes)


@pytest.mark.parametrize(
    ("changes", "error"), [(c, e) for c, e, m in REFUSED if m not in ("padding bits", "65536")]
)
def test_the_same_is_refused_without_memory_while_a_graph_is_made(changes, error):
    changes = {key: _meta(value) for key, value in changes.items()}
    arguments = {
        "x": torch.randn(2, 12, 6, 6, device="meta"),
        "weight": torch.zeros(4, 3, 3, 1, dtype=torch.uint8, device="meta"),
    }
    with pytest.raises(error):
        convolved(**{**arguments, **changes})


def _meta(value):
    return value.to("meta") if isinstance(value, torch.Tensor) else value


def test_linear_operators_refuse_by_name():
    weight = ops.pack_weight(torch.randn(4, 12))
    for operator in (ops.binary_linear, ops.binary_weight_linear):
        with pytest.raises(ValueError, match="x has 20 features, which is 3 bytes"):
            operator(torch.zeros(2, 20), weight)
        with pytest.raises(ValueError, match=r"weight must have shape \(out, ceil\(in / 8\)\)"):
            operator(torch.zeros(2, 12), weight[:, None])
        with pytest.raises(ValueError, match="got a scalar"):
            operator(torch.tensor(1.0), weight)
        with pytest.raises(TypeError, match=r"give x.float\(\)"):
            operator(torch.zeros(2, 12).bfloat16(), weight)


@pytest.mark.parametrize("name", ["x", "weight", "scale"])
def test_other_devices_are_refused(name):
    with FakeTensorMode():  # has tensors of any device
        arguments = {
            "x": torch.empty(2, 12, 6, 6),
            "weight": torch.empty(4, 3, 3, 2, dtype=torch.uint8),
            "scale": torch.empty(4),
        }
        arguments[name] = torch.empty_like(arguments[name], device="cuda")
        with pytest.raises(ValueError, match=f"{name} must be in the memory of a CPU, got cuda"):
            ops.binary_conv(arguments.pop("x"), arguments.pop("weight"), **arguments)


def test_what_cannot_be_packed_is_refused():
    with pytest.raises(TypeError, match=r"weight must be a floating-point tensor, got .*int64"):
        ops.pack_weight(torch.ones(2, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"\(out, in, \*kernel\) or \(out, in\), got \(3,\)"):
        ops.pack_weight(torch.ones(3))
    with pytest.raises(ValueError, match="weight must not hold NaN"):
        ops.pack_weight(torch.full((1, 2), float("nan")))
    with pytest.raises(TypeError, match=r"packed must be a uint8 tensor, got torch\.float32"):
        ops.unpack_weight(torch.ones(2, 2), 9)
    with pytest.raises(ValueError, match="for 9 channels, got"):
        ops.unpack_weight(torch.zeros(2, 1, dtype=torch.uint8), 9)
