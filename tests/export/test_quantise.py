"""Real convolutions in 8 bits: the numbers chosen, and what is said of their cost."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import bitgrove as bg
from bitgrove import export, runtime
from bitgrove.export._calibration import ByteRange, byte_weights
from bitgrove.nn import BinaryConv2d

from ..runtime.conftest import make_artifact, pictures
from .conftest import images, randomise


def classifier(seed=0):
    """Two real convolutions and a head around a binary one."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        BinaryConv2d(16, 8, 3, padding=1, scale="channel"),
        nn.ReLU(),
        nn.Conv2d(8, 12, 1, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 5),
    )
    return randomise(model, seed)


def packed(model, **options):
    return export.pack(model, torch.zeros(1, 3, 12, 12), **options)


def nodes(artifact):
    return {node.name: node for node in artifact.graph.nodes}


def rounded(x, byte_range):
    """Oracle: a number through the 256 levels of its range, in float64."""
    levels = (np.arange(256) - byte_range.zero) * byte_range.step
    at = np.abs(x.astype(np.float64)[..., None] - levels).argmin(-1)
    return levels[at]


def test_a_range_holds_its_ends_and_zero_exactly():
    rng = np.random.default_rng(0)
    for low, high in [(-1, 3), (0, 6), (-2, -1), (1, 2), *rng.normal(0, 10, (50, 2)).tolist()]:
        low, high = sorted((low, high))
        found = ByteRange.between(low, high)
        assert 0 <= found.zero <= 255
        assert found.rounded(np.zeros(1, np.float32)) == 0
        x = np.linspace(min(low, 0), max(high, 0), 999, dtype=np.float32)
        got = found.rounded(x)
        # The whole range is moved by up to half a step, for the sake of zero.
        assert np.abs(got - x).max() <= found.step * 1.001
        x = x[np.abs(x / found.step % 1 - 0.5) > 1e-3]  # which level is nearer is not in doubt
        np.testing.assert_allclose(found.rounded(x), rounded(x, found), rtol=1e-6)
        assert np.float32(found.step) == found.step
        assert found.step == pytest.approx((max(high, 0) - min(low, 0)) / 255)


def test_numbers_that_are_all_zero_have_a_range_too():
    assert ByteRange.between(0, 0) == ByteRange(1.0, 0)
    assert ByteRange.between(0, 1e-38) == ByteRange(1.0, 0)


def test_weights_are_the_nearest_of_255_levels_for_each_filter():
    rng = np.random.default_rng(0)
    weight = (
        rng.standard_normal((20, 3, 3, 4)) * 10.0 ** rng.integers(-9, 9, (20, 1, 1, 1))
    ).astype("f4")
    weight[7] = 0
    whole, unit = byte_weights(weight)
    assert whole.dtype == np.int8
    units = unit.reshape(-1, 1, 1, 1)
    assert (np.abs(whole * units - weight) <= units * 0.500001).all()
    largest = np.abs(whole.astype(int)).reshape(20, -1).max(1)
    assert (np.delete(largest, 7) == 127).all()
    assert not whole[7].any()


def test_real_convolutions_are_replaced_and_nothing_else_is():
    artifact, x = packed(classifier()), images(16, 3, 12, 12)
    before = {name: node.op for name, node in nodes(artifact).items()}
    quantised, report = export.quantise(artifact, x, least_agreement=None)
    assert {name: node.op for name, node in nodes(artifact).items()} == before  # left alone
    for name, node in nodes(quantised).items():
        old = nodes(artifact)[name]
        assert node.inputs == old.inputs
        if old.op != "conv2d":
            assert node is old
            continue
        assert node.op == "byte_conv2d"
        whole, unit = byte_weights(old.tensors["weight"])
        np.testing.assert_array_equal(node.tensors["weight"], whole)
        np.testing.assert_allclose(node.tensors["scale"], unit * node.attributes["step"], rtol=1e-6)
        assert node.tensors.get("bias") is old.tensors.get("bias")
    assert [layer.name for layer in report.layers] == ["0", "4", "7"]
    assert report.left == {}


def test_the_result_is_that_of_rounded_inputs_and_weights():
    """Oracle: torch's convolution in float64 of what the bytes stand for."""
    torch.manual_seed(1)
    layer = nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1)
    x = images(12, 3, 12, 12)
    quantised, report = export.quantise(packed(layer), x, least_agreement=None)
    (node,), (found,) = quantised.graph.nodes, report.layers
    seen = torch.from_numpy(rounded(x, ByteRange(found.step, found.zero)))
    whole, unit = byte_weights(layer.weight.detach().numpy())
    weight = torch.from_numpy(whole * unit.reshape(-1, 1, 1, 1))
    expected = F.conv2d(seen, weight, layer.bias.detach().double(), stride=2, padding=1).numpy()
    got = runtime.Session(quantised).run(x)
    assert node.attributes["zero"] == found.zero
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        real = layer(torch.from_numpy(x)).numpy()
    error = np.sqrt(np.square(got - real).mean() / np.square(real).mean())
    assert 1e-4 < error < 0.02  # 8 bits of a normal distribution


def layer_error(layer, x, byte_range):
    """Oracle: the layer's own error with a range, in float64."""
    whole, unit = byte_weights(layer.weight.detach().numpy())
    weight = torch.from_numpy(whole * unit.reshape(-1, 1, 1, 1))
    got = F.conv2d(torch.from_numpy(rounded(x, byte_range)), weight)
    expected = F.conv2d(torch.from_numpy(x).double(), layer.weight.detach().double())
    return float(((got - expected).square().sum() / expected.square().sum()).sqrt())


def test_the_range_is_that_of_the_least_error():
    torch.manual_seed(2)
    layer = nn.Conv2d(3, 8, 1, bias=False)
    even = np.random.default_rng(0).uniform(-1, 1, (9, 3, 12, 12)).astype(np.float32)
    tailed = even.copy()
    tailed[3, 0, 5, 5] = 30  # one number in 3,888: worth its own error, if all others gain
    chosen = {}
    for name, x in (("even", even), ("tailed", tailed)):
        _, report = export.quantise(packed(layer), x, held_out=x, least_agreement=None)
        (found,) = report.layers
        chosen[name] = found
        best = layer_error(layer, x, ByteRange(found.step, found.zero))
        assert found.error == pytest.approx(best, rel=1e-3)
        whole_range = ByteRange.between(float(x.min()), float(x.max()))
        assert best <= layer_error(layer, x, whole_range) * 1.0001
    assert chosen["even"].step == pytest.approx(2 / 255, rel=0.02)


def test_a_far_outlier_does_not_take_the_levels_of_all_others():
    torch.manual_seed(3)
    layer = nn.Conv2d(3, 8, 1, bias=False)
    with torch.no_grad():
        layer.weight[:, 0] *= 1e-3  # the outlier hardly counts
    x = np.random.default_rng(0).uniform(-1, 1, (9, 3, 12, 12)).astype(np.float32)
    x[3, 0, 5, 5] = 1000
    _, report = export.quantise(packed(layer), x, held_out=x, least_agreement=None)
    assert report.layers[0].step < 0.1


def test_the_largest_number_of_all_is_seen_in_an_image_of_any_size():
    torch.manual_seed(3)
    layer = nn.Conv2d(3, 8, 1, bias=False)
    x = np.random.default_rng(0).uniform(-1, 1, (9, 3, 128, 128)).astype(np.float32)
    x[3, 0, 5, 5] = 30  # one of 442,368, but its loss would weigh more than all steps
    artifact = export.pack(layer, torch.from_numpy(x[:1]))
    _, report = export.quantise(artifact, x, held_out=x[:1], least_agreement=None)
    assert report.layers[0].step == pytest.approx(31 / 255, rel=1e-3)


def test_agreement_is_measured_on_images_that_calibrated_nothing():
    model = classifier(4)
    x = images(80, 3, 12, 12)
    x[3::4] *= 50  # what is held out is far outside of what was seen
    artifact = packed(model)
    quantised, report = export.quantise(artifact, x, least_agreement=0)
    assert report.images == 20
    a, b = (runtime.Session(m).run(x[3::4]) for m in (artifact, quantised))
    assert report.agreement == (a.argmax(1) == b.argmax(1)).mean()
    error = np.sqrt(np.square(a - b).mean() / np.square(a).mean())
    assert report.relative_error == pytest.approx(error, rel=1e-3)
    assert nodes(quantised)["0"].attributes["step"] < 0.1
    again, same = export.quantise(
        artifact, x[np.arange(80) % 4 != 3], held_out=x[3::4], least_agreement=0
    )
    assert same == report
    np.testing.assert_array_equal(runtime.Session(again).run(x), runtime.Session(quantised).run(x))


def test_a_model_that_answers_otherwise_is_refused_by_the_name_of_its_worst_layer():
    model = classifier(5)
    with torch.no_grad():
        model[4].weight[:, 0] = 1e5  # one weight takes all levels of its filter,
        model[7].weight *= 100  # so that answers differ from image to image
        model[7].bias.zero_()
    spoilt = nn.Sequential(*model[:4], ZeroFirst(), *model[4:])  # and its channel says nothing
    artifact, x = packed(spoilt.eval()), images(80, 3, 12, 12)
    with pytest.raises(ValueError, match=r"20 images held out.*=0.98; layer '5' costs most"):
        export.quantise(artifact, x)
    _, report = export.quantise(artifact, x, layers=["0", "8"], least_agreement=0.8)
    assert [layer.name for layer in report.layers] == ["0", "8"]


def test_the_cost_of_a_layer_is_that_of_the_model_with_that_layer_alone():
    artifact, x = packed(classifier(6)), images(40, 3, 12, 12)
    _, whole = export.quantise(artifact, x, least_agreement=None)
    for layer in whole.layers:
        _, alone = export.quantise(artifact, x, layers=[layer.name], least_agreement=None)
        assert alone.layers == (layer,)
        assert (alone.agreement, alone.relative_error) == (layer.agreement, layer.logits_error)
    assert len({layer.logits_error for layer in whole.layers}) == 3


class ZeroFirst(nn.Module):
    def forward(self, x):
        return x * self.factor

    def __init__(self):
        super().__init__()
        self.register_buffer("factor", torch.ones(1, 8, 1, 1))
        self.factor[0, 0] = 0


def test_a_model_with_examples_is_compared_by_their_vote():
    artifact = make_artifact()
    x = runtime.Session(artifact).preprocessing(pictures(60, seed=3))
    quantised, report = export.quantise(artifact, x, least_agreement=None)
    labels = [
        [p.label for p in runtime.Session(m).classify(x[3::4])] for m in (artifact, quantised)
    ]
    assert report.agreement == np.mean([a == b for a, b in zip(*labels, strict=True)])
    head = artifact.graph.nodes[-1].tensors
    head["weight"][..., 0] = 1e4  # leaves no level to the other weights, nor to the answers
    head["bias"][:] = 0
    answers = runtime.Session(artifact).run(x).argmax(1)
    head["bias"][(answers[0] + 1) % 3] = 1e-3  # but for this one; examples never look at it
    assert export.quantise(artifact, x, layers=["head"]).report.agreement == 1
    artifact.examples = None
    _, spoilt = export.quantise(artifact, x, layers=["head"], least_agreement=0)
    assert spoilt.agreement < 0.9
    assert len(quantised.examples) == 60
    assert quantised.examples is not artifact.examples
    assert quantised.labels == artifact.labels
    assert quantised.preprocessing == artifact.preprocessing


def test_a_float16_model_stays_one():
    artifact = packed(classifier(), real_dtype="float16")
    quantised, _ = export.quantise(artifact, images(16, 3, 12, 12), least_agreement=None)
    head = nodes(quantised)["7"].tensors
    assert {role: a.dtype.name for role, a in head.items()} == {
        "weight": "int8",
        "scale": "float32",
        "bias": "float16",
    }


def test_layers_in_8_bits_take_a_quarter_of_the_room(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(432, 100))
    artifact = packed(model)
    artifact.save(tmp_path / "a.grove")
    export.quantise(artifact, images(8, 3, 12, 12), least_agreement=None).artifact.save(
        tmp_path / "b.grove"
    )
    sizes = [(tmp_path / name).stat().st_size for name in ("a.grove", "b.grove")]
    assert sizes[0] - sizes[1] == pytest.approx(3 * 432 * 100 - 400, abs=200)


@pytest.mark.parametrize("shape", [(1, 3, 30), (1, 3, 6, 6, 6)])
def test_series_and_volumes_can_be_in_8_bits(shape):
    torch.manual_seed(0)
    kind = {3: nn.Conv1d, 5: nn.Conv3d}[len(shape)]
    model = nn.Sequential(kind(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten())
    x = images(16, *shape[1:])
    quantised, report = export.quantise(export.pack(model, torch.from_numpy(x[:1])), x)
    assert report.relative_error < 0.02
    assert quantised.graph.nodes[0].op == f"byte_conv{len(shape) - 2}d"


def test_a_map_of_classes_agrees_by_pixels_and_a_map_of_numbers_cannot():
    torch.manual_seed(0)
    x = images(8, 3, 12, 12)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 1))
    artifact = packed(model)
    quantised, report = export.quantise(artifact, x, least_agreement=0.5)
    a, b = (runtime.Session(m).run(x[3::4]).argmax(1) for m in (artifact, quantised))
    assert report.agreement == (a == b).mean()
    depth = packed(nn.Sequential(nn.Conv2d(3, 1, 3)))
    with pytest.raises(ValueError, match=r"one number instead.*least_agreement=None"):
        export.quantise(depth, x)
    assert export.quantise(depth, x, least_agreement=None).report.agreement is None


def test_borders_that_are_not_zero_are_left_and_said():
    model = nn.Sequential(
        BinaryConv2d(3, 4, 3, padding=1, pad_value=-1, weight_estimator=None),
        BinaryConv2d(4, 4, 3, padding=1, pad_value=0, weight_estimator=None),
        BinaryConv2d(4, 4, 3, pad_value=-1, weight_estimator=None),
    )
    artifact, x = packed(model), images(8, 3, 12, 12)
    _, report = export.quantise(artifact, x, least_agreement=None)
    assert [layer.name for layer in report.layers] == ["1", "2"]
    assert report.left == {"0": "its border is -1, not 0"}
    with pytest.raises(ValueError, match="'0' cannot be in 8 bits: its border is -1"):
        export.quantise(artifact, x, layers=["0"])


def test_a_filter_past_the_limit_is_left_and_said():
    model = nn.Sequential(nn.Flatten(), nn.Linear(65_537, 2))
    artifact = export.pack(model, torch.zeros(1, 1, 1, 65_537))
    with pytest.raises(ValueError, match="no real convolution that can be"):
        export.quantise(artifact, images(4, 1, 1, 65_537))


IMAGES = images(8, 3, 12, 12)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"images": IMAGES[:3]}, ValueError, "images must be 4 or more without held_out, got 3"),
        ({"images": IMAGES[:0]}, ValueError, r"images must have shape \(n, 3, 12, 12\)"),
        ({"images": IMAGES[:, :1]}, ValueError, "images must have shape"),
        ({"images": IMAGES * np.nan}, ValueError, "images must be finite"),
        (
            {"images": IMAGES * np.float32(np.inf)},
            ValueError,
            "images must be finite, but hold NaN or infinities",
        ),
        ({"held_out": IMAGES * np.float32(np.inf)}, ValueError, "held_out must be finite"),
        ({"images": IMAGES.astype(np.float64)}, TypeError, "images must be a float32 array"),
        ({"images": torch.from_numpy(IMAGES)}, TypeError, "float32 array, got Tensor"),
        ({"held_out": IMAGES[:0]}, ValueError, "held_out must have shape"),
        ({"held_out": IMAGES[:, :, 1:]}, ValueError, "held_out must have shape"),
        ({"layers": "0"}, TypeError, "layers must be a list of names, got the string '0'"),
        ({"layers": []}, ValueError, "layers names no layer"),
        ({"layers": ["9"]}, ValueError, "'9' is no real convolution of the model; there are: 0, 4"),
        ({"layers": ["2"]}, ValueError, "'2' is no real convolution"),
        ({"least_agreement": 1.5}, ValueError, "least_agreement must be 0 to 1 or None, got 1.5"),
        ({"least_agreement": float("nan")}, ValueError, "least_agreement must be"),
        ({"least_agreement": "x"}, TypeError, "must be a number from 0 to 1 or None, got str"),
        ({"least_agreement": True}, TypeError, "least_agreement must be a number"),
        ({"threads": 0}, ValueError, "threads must be"),
        ({"threads": "2"}, TypeError, "threads must be a whole number, got str"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(changes, error, message):
    arguments = {"images": IMAGES} | changes
    with pytest.raises(error, match=message):
        export.quantise(packed(classifier()), **arguments)


def test_a_quantised_model_is_not_quantised_or_verified_again():
    model = classifier()
    x = images(16, 3, 12, 12)
    quantised, _ = export.quantise(packed(model), x, least_agreement=None)
    with pytest.raises(ValueError, match="no real convolution"):
        export.quantise(quantised, x)
    with pytest.raises(ValueError, match=r"'0' was quantised.*verify the model before"):
        export.verify(model, quantised, x)


def test_quantising_twice_gives_the_same_file(tmp_path):
    artifact, x = packed(classifier()), images(16, 3, 12, 12)
    for name in ("a", "b"):
        export.quantise(artifact, x, least_agreement=None).artifact.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_whole_network_keeps_its_shape_in_8_bits():
    torch.manual_seed(0)
    model = randomise(bg.models.create("birealnet18", width=8, num_classes=5), 0)
    x = images(16, 3, 32, 32)
    artifact = export.pack(model, torch.from_numpy(x[:1]))
    quantised, report = export.quantise(artifact, x, layers=["stem.conv"], least_agreement=None)
    assert report.layers[0].error < 0.02
    a, b = (runtime.Session(m).run(x) for m in (artifact, quantised))
    assert a.shape == b.shape
