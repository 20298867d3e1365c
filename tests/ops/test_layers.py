"""Packed layers against the layers that they were made from, in evaluation."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import bitgrove as bg
from bitgrove import nn as bnn
from bitgrove import ops

KINDS = {1: ops.PackedConv1d, 2: ops.PackedConv2d, 3: ops.PackedConv3d}
LAYERS = {1: bnn.BinaryConv1d, 2: bnn.BinaryConv2d, 3: bnn.BinaryConv3d}
SIZES = {1: (7,), 2: (6, 5), 3: (3, 4, 5)}

EXACT = [
    (1, {}),
    (1, {"padding": 2, "stride": 2, "pad_value": 1, "groups": 2}),
    (2, {"padding": 1}),
    (2, {"padding": (1, 2), "pad_value": 0, "dilation": 2, "groups": 2}),
    (2, {"scale": "channel", "padding": 1}),
    (2, {"scale": "learned", "groups": 4, "padding": 1, "weight_estimator": "magnitude_aware"}),
    (2, {"input_scale": True, "padding": 1}),
    (2, {"input_scale": True, "groups": 2, "scale": "channel"}),
    (2, {"input_estimator": "stochastic", "weight_estimator": "stochastic"}),
    (3, {"padding": (0, 1, 2), "input_estimator": "approx"}),
]
ROUNDED = [
    (1, {"scale": "spatial"}),
    (2, {"scale": "map"}),
    (2, {"scale": "plane", "input_scale": True, "weight_estimator": "magnitude_aware"}),
    (2, {"scale": "spatial", "weight_estimator": "magnitude_aware"}),
    (3, {"scale": "spatial", "pad_value": 0}),
    (2, {"input_estimator": None}),
    (2, {"input_estimator": None, "scale": "channel", "pad_value": 1, "groups": 2}),
]


def made(axes, options):
    options = {"padding": 1, **options}
    if options.get("scale") in ("map", "plane", "spatial"):
        options["output_size"] = SIZES[axes]
    layer = LAYERS[axes](8, 12, 3, **options).eval()
    for name, parameter in layer.named_parameters():
        if name != "weight":
            nn.init.uniform_(parameter, 0.5, 1.5)
    x = torch.randn(2, 8, *SIZES[axes])
    x.flatten()[:2] = torch.tensor([0.0, -0.0])
    return layer, x


@pytest.mark.parametrize(("axes", "options"), EXACT, ids=str)
@torch.no_grad()
def test_a_packed_convolution_is_the_layer_bit_for_bit(axes, options):
    layer, x = made(axes, options)
    packed = KINDS[axes].from_binary(layer)
    assert type(packed) is KINDS[axes]
    y = layer(x)
    assert len(y.unique()) > 4
    assert torch.equal(packed(x), y)


@pytest.mark.parametrize(("axes", "options"), ROUNDED, ids=str)
@torch.no_grad()
def test_spatial_scales_and_real_inputs_are_the_layers_to_rounding(axes, options):
    layer, x = made(axes, options)
    packed = KINDS[axes].from_binary(layer)
    assert packed.signs == (layer.input_estimator is not None)
    torch.testing.assert_close(packed(x), layer(x), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"scale": "learned"}, {"scale": "channel"}], ids=str)
@torch.no_grad()
def test_a_packed_linear_layer_is_the_layer_bit_for_bit(options):
    layer = bnn.BinaryLinear(70, 9, **options).eval()
    x = torch.randn(3, 2, 70)
    packed = ops.PackedLinear.from_binary(layer)
    assert torch.equal(packed(x), layer(x))
    real = bnn.BinaryLinear(70, 9, input_estimator=None, **options).eval()
    packed = ops.PackedLinear.from_binary(real)
    torch.testing.assert_close(packed(x), real(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("axes", "options"), [EXACT[4], EXACT[7], EXACT[9]], ids=str)
@torch.no_grad()
def test_half_precision_in_gives_the_layers_half_precision_out(axes, options, dtype):
    layer, x = made(axes, options)
    layer, x = layer.to(dtype), x.to(dtype)
    y = layer(x)
    assert y.dtype == dtype
    assert torch.equal(KINDS[axes].from_binary(layer)(x), y)
    before = KINDS[axes].from_binary(made(axes, options)[0])
    assert before.to(dtype).weight.dtype == torch.uint8
    assert before(x).dtype == dtype


@torch.no_grad()
def test_sums_past_256_are_rounded_once_to_bfloat16():
    layer = bnn.BinaryConv2d(256, 4, 3).eval().bfloat16()
    nn.init.uniform_(layer.weight, -0.2, 1)  # far from 0, so that rounding is seen
    x = (torch.rand(2, 256, 5, 5) - 0.2).bfloat16()
    packed = ops.PackedConv2d.from_binary(layer)
    assert torch.equal(packed(x), layer(x))
    assert not torch.equal(packed(x).float(), packed(x.float()))


def network():
    shared = bnn.BinaryConv2d(8, 8, 3, padding=1)
    block = bnn.BiRealBlock(8, 16, stride=2)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), shared, nn.BatchNorm2d(8), shared, block, nn.Flatten()
    )
    model.append(bnn.BinaryLinear(16 * 9, 5))
    return model.eval(), torch.randn(2, 3, 8, 8)


@torch.no_grad()
def test_a_model_is_packed_as_a_copy_and_shared_layers_stay_shared():
    model, x = network()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    packed = ops.pack_layers(model)
    torch.testing.assert_close(packed(x), model(x), rtol=1e-5, atol=1e-5)
    assert not any(isinstance(module, bnn.BinaryLayer) for module in packed.modules())
    assert packed[1] is packed[3]
    assert packed[0].weight.data_ptr() != model[0].weight.data_ptr()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert not packed.training
    assert all(module.training for module in ops.pack_layers(model.train()).modules())


def test_a_layer_by_itself_is_a_model():
    assert type(ops.pack_layers(bnn.BinaryConv3d(2, 2, 1))) is ops.PackedConv3d


@pytest.mark.parametrize("name", ["birealnet_small", "reactnet_a", "xnornet_cifar10"])
@torch.no_grad()
def test_published_networks_pack(name):
    options, shape = {
        "birealnet_small": ({"width": 8}, (1, 8, 8)),
        "reactnet_a": ({"width": 4}, (3, 32, 32)),
        "xnornet_cifar10": ({"width": 8, "image_size": 16}, (3, 16, 16)),
    }[name]
    model = bg.models.create(name, num_classes=5, **options).eval()
    packed = ops.pack_layers(model)
    x = torch.randn(2, *shape)
    assert sum(p.numel() for p in packed.parameters()) < sum(p.numel() for p in model.parameters())
    torch.testing.assert_close(packed(x), model(x), rtol=1e-4, atol=1e-4)


def saved(model):
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    return file.getvalue()


@torch.no_grad()
def test_a_state_dict_is_small_and_loads_into_a_packed_model_of_the_shape():
    model = bnn.BinaryConv2d(64, 64, 3, scale="channel").eval()
    packed = ops.pack_layers(model)
    state = packed.state_dict()
    assert {name: (t.dtype, tuple(t.shape)) for name, t in state.items()} == {
        "weight": (torch.uint8, (64, 3, 3, 8)),
        "scale": (torch.float32, (64,)),
    }
    assert len(saved(packed)) < 10_000 < 140_000 < len(saved(model))
    other = ops.pack_layers(bnn.BinaryConv2d(64, 64, 3, scale="channel"))
    x = torch.randn(1, 64, 5, 5)
    assert not torch.equal(other(x), packed(x))
    other.load_state_dict(torch.load(io.BytesIO(saved(packed))))
    assert torch.equal(other(x), packed(x))


@torch.no_grad()
def test_copies_and_pickles_compute_the_same():
    model, x = network()
    packed = ops.pack_layers(model)
    expected = packed(x)
    assert torch.equal(copy.deepcopy(packed)(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(packed))(x), expected)
    assert torch.equal(packed.to(memory_format=torch.channels_last)(x), expected)


def test_the_text_of_a_layer_tells_what_differs_from_the_default():
    layer = bnn.BinaryConv2d(4, 6, 3, stride=2, padding=1, groups=2, input_scale=True)
    assert repr(ops.pack_layers(layer)) == (
        "PackedConv2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), groups=2, "
        "input_scale=True)"
    )
    linear = bnn.BinaryLinear(4, 6, input_estimator=None)
    assert repr(ops.pack_layers(linear)) == "PackedLinear(4, 6, signs=False)"


class Shifted(bnn.Clipped):
    def threshold(self, x, training):
        return 0.5


class Doubled(bnn.Clipped):
    def __call__(self, x, *, training=True):
        return 2 * super().__call__(x, training=training)


class Own(bnn.BinaryLinear):
    def forward(self, x):
        return super().forward(x) + 1


def hooked():
    layer = bnn.BinaryLinear(4, 4)
    layer.register_forward_hook(lambda module, inputs, output: output + 1)
    return layer


@pytest.mark.parametrize(
    ("layer", "error", "match"),
    [
        (nn.Linear(4, 4), ValueError, "the Linear has no binary layer"),
        (bnn.BinaryLinear(4, 4, weight_estimator=None), ValueError, "weight_estimator is None"),
        (bnn.BinaryLinear(4, 4).double(), ValueError, "in float64.*use layer.float"),
        (bnn.BinaryLinear(4, 4).to("meta"), ValueError, "the weight is on meta"),
        (bnn.BinaryLinear(4, 4, input_estimator=Shifted()), ValueError, "input_estimator Shifted"),
        (bnn.BinaryLinear(4, 4, input_estimator=Doubled()), ValueError, "is not the sign in eval"),
        (bnn.BinaryLinear(4, 4, weight_estimator=Shifted()), ValueError, "weight_estimator Shif"),
        (Own(4, 4), TypeError, "Own has a forward of its own"),
        (hooked(), ValueError, "forward hooks"),
    ],
)
def test_what_a_packed_layer_would_not_compute_is_refused(layer, error, match):
    with pytest.raises(error, match=match):
        ops.pack_layers(layer)
    if "no binary layer" not in match:
        with pytest.raises(error, match=rf"layer '1': .*{match}"):
            ops.pack_layers(nn.Sequential(nn.ReLU(), layer))


def test_layers_of_another_kind_are_refused():
    with pytest.raises(TypeError, match=r"must be a bitgrove.nn.BinaryConv2d, got BinaryConv1d"):
        ops.PackedConv2d.from_binary(bnn.BinaryConv1d(2, 2, 1))
    with pytest.raises(TypeError, match=r"must be a bitgrove.nn.BinaryLinear, got Linear"):
        ops.PackedLinear.from_binary(nn.Linear(2, 2))


def test_wrong_inputs_are_refused():
    packed = ops.pack_layers(bnn.BinaryConv2d(4, 4, 3))
    with pytest.raises(ValueError, match=r"shape \(n, 4, h, w\), got \(1, 3, 5, 5\)"):
        packed(torch.zeros(1, 3, 5, 5))
    with pytest.raises(TypeError, match=r"got torch.float64; use x.float\(\)"):
        packed(torch.zeros(1, 4, 5, 5).double())
    with pytest.raises(TypeError, match=r"must be float32, float16 or bfloat16, got torch\.int64"):
        packed(torch.zeros(1, 4, 5, 5).long())
    sized = ops.pack_layers(bnn.BinaryConv2d(4, 4, 3, scale="map", output_size=5))
    with pytest.raises(ValueError, match=r"made for output_size=\(5, 5\), .* is \(3, 3\)"):
        sized(torch.zeros(1, 4, 5, 5))
    linear = ops.pack_layers(bnn.BinaryLinear(4, 4))
    with pytest.raises(ValueError, match=r"shape \(..., 4\), got \(2, 3\)"):
        linear(torch.zeros(2, 3))
