"""The recipes on CIFAR-10: published settings, stages that fit, and the command."""

import inspect
import itertools
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bitgrove import cli, recipes
from bitgrove.nn import BinaryLayer
from bitgrove.optim import split_parameters
from bitgrove.recipes import (
    binary_methods,
    bireal_net,
    bnn,
    bop,
    bop_second_order,
    distillation,
    fern_histology,
    fern_histology_tumour,
    xnor_net,
)
from bitgrove.training import Distillation, SquaredHinge

MODULES = (binary_methods, bireal_net, bnn, bop, bop_second_order, distillation, xnor_net)
FERNS = (fern_histology, fern_histology_tumour)
PLANS = {module.PLAN.name: module.PLAN for module in MODULES}


def test_every_plan_is_a_recipe_with_its_page():
    assert set(recipes.RECIPES) == {
        "deep-hashing",
        "digits",
        "ndf-cifar10",
        "ndf-keypoints",
        "ndf-mnist",
        "random-ferns",
        "relocalisation",
        "residual-forest-camvid",
        "residual-forest-transfer",
        "sh-bdnn",
        "sift-codes",
        "sketch-retrieval",
        "smart-mining",
        "uh-bdnn",
        *(module.PLAN.name for module in FERNS),
        *PLANS,
    }
    for module in (*MODULES, *FERNS):
        folder = Path(module.__file__).parent
        text = (folder / "README.md").read_text()
        assert f"bitgrove reproduce {module.PLAN.name}" in text
        if (folder / "expected.toml").exists():
            figures = tomllib.loads((folder / "expected.toml").read_text())
            assert figures["protocol"]["study"] == module.PLAN.name
            assert set(figures["arms"]) <= {arm.name for arm in module.PLAN.arms}


@pytest.mark.parametrize("name", PLANS)
def test_networks_are_made_at_every_width_and_each_fits_the_one_before(name):
    plan = PLANS[name]
    assert len({arm.name for arm in plan.arms}) == len(plan.arms)
    for arm in plan.arms:
        assert 0.99 < sum(stage.share for stage in arm.stages) < 1.01
        for width in plan.widths:
            with torch.device("meta"):
                models = [stage.create(width) for stage in arm.stages]
            for before, after in itertools.pairwise(models):
                shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (before, after)]
                assert shapes[0] == shapes[1], arm.name
        first = arm.stages[0].create(plan.widths[-1]).eval()
        assert first(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
        binary = any(isinstance(module, BinaryLayer) for module in models[-1].modules())
        assert binary == ("float" not in arm.name), arm.name


@pytest.mark.parametrize(("module", "classes"), [(fern_histology, 3), (fern_histology_tumour, 2)])
def test_arms_of_fern_studies_are_the_three_networks_under_one_protocol(module, classes):
    arms = module.PLAN.arms
    assert [arm.name for arm in arms] == ["fern", "xnor", "float"]
    assert len({(arm.epochs, arm.stages[0].config) for arm in arms}) == 1
    kinds = []
    for arm in arms:
        model = arm.stages[0].create(16).eval()
        assert model(torch.zeros(1, 3, 48, 48)).shape == (1, classes)
        kinds.append(type(model.layers[1].conv).__name__)
        assert (arm.published is None) == (module is fern_histology)
    assert kinds == ["FernConv2d", "BinaryConv2d", "Conv2d"]


def run_of(schedule, steps=500_000, epochs=500):
    f = schedule.over(epochs if schedule.per == "epoch" else steps)
    last = (epochs if schedule.per == "epoch" else steps) - 1
    return f(0), f(last)


def test_bop_has_the_settings_of_the_paper():
    stage = bop.BOP.stages[0]
    rule = stage.config.method.binary
    assert stage.config.batch_size == 50
    assert bop.BOP.epochs == 500
    assert run_of(rule.threshold) == (1e-8, 1e-8)
    rate = rule.adaptivity_rate.over(500_000)
    values = [rate(step) for step in (0, 99_999, 100_000, 499_999)]
    assert values == pytest.approx([1e-4, 1e-4, 1e-5, 1e-8])
    assert run_of(stage.config.method.real.lr) == (0.01, 0.01)
    model = stage.create(128)
    assert sum(p.numel() for p in model.parameters() if p.ndim > 1) == 10_352_000
    assert bop.LATENT.stages[0].config.batch_size == 256
    assert bop.LATENT.stages[0].config.method.clip


@pytest.mark.parametrize("name", PLANS)
def test_pixels_lie_where_the_papers_put_them(name):
    signed = {stage.signed_pixels for arm in PLANS[name].arms for stage in arm.stages}
    assert signed == {name in ("bnn-cifar10", "bop-cifar10", "bop2-cifar10")}


def test_bi_real_net_goes_from_relu_by_way_of_clips_to_signs():
    from_real = bireal_net.ARMS[2]
    assert from_real.reestimate
    assert [stage.share for stage in from_real.stages] == [0.25, 0.1, 0.1, 0.55]
    assert all(stage.inherit for stage in from_real.stages)
    made = [str(stage.create(8)) for stage in from_real.stages]
    marks = r"ReLU|LeakyClip\(slope=0\.1\)|Hardtanh|BinaryConv2d"
    found = [set(re.findall(marks, text)) for text in made]
    assert found == [{"ReLU"}, {"LeakyClip(slope=0.1)"}, {"Hardtanh"}, {"BinaryConv2d"}]


def test_bnn_draws_latent_weights_evenly_from_minus_one_to_one():
    model = bnn.ARM.stages[0].create(32)
    latent = torch.cat([w.flatten() for w in split_parameters(model)[0]]).detach()
    counts = torch.histc(latent, 8, -1, 1)
    assert counts.sum() == len(latent)
    assert counts.min() > 0.98 * len(latent) / 8


def test_second_order_bop_has_the_settings_of_its_code():
    rule = bop_second_order.BIASED.stages[0].config.method.binary
    assert run_of(rule.threshold) == pytest.approx((1e-5, 1e-8), rel=0.01)
    assert run_of(rule.adaptivity_rate) == pytest.approx((1e-2, 1e-5), rel=0.01)
    assert run_of(rule.second_rate) == pytest.approx((1e-7, 1e-2), rel=0.01)
    for arm, unbiased in zip(bop_second_order.PLAN.arms, (False, True), strict=True):
        stage = arm.stages[0]
        assert stage.config.method.binary == replace(rule, unbiased=unbiased)
        assert (stage.config.batch_size, arm.epochs) == (50, 500)
        assert run_of(stage.config.method.real.lr) == pytest.approx((1e-2, 1e-3), rel=0.01)


def test_bnn_has_the_settings_of_its_code():
    stage = bnn.ARM.stages[0]
    method = stage.config.method
    assert (stage.config.batch_size, bnn.ARM.epochs) == (50, 500)
    assert (stage.config.shift, stage.config.flip) == (0, False)
    assert isinstance(method.loss, SquaredHinge)
    assert method.binary.glorot
    assert not method.real.glorot
    # The rate falls once per epoch, so the last epoch has one factor more than the end.
    first, last = run_of(method.binary.lr)
    assert first == 1e-3
    assert last == pytest.approx(3e-7, rel=0.02)


def test_xnor_net_centres_and_the_taught_network_follows_its_teacher():
    assert [arm.stages[0].config.method.centre for arm in xnor_net.ARMS] == [
        False,
        True,
        True,
        True,
    ]
    teacher, pupil = distillation.ARMS[1].stages
    assert pupil.teach
    assert not teacher.teach
    assert pupil.config.method.loss == Distillation(weight=1.0, temperature=1.0)


def test_arms_side_by_side_share_batch_size_epochs_and_pictures():
    plan = binary_methods.PLAN
    configs = [stage.config for arm in plan.arms for stage in arm.stages]
    assert {(c.batch_size, c.shift, c.flip) for c in configs} == {(100, 0.125, True)}
    assert {arm.epochs for arm in plan.arms} == {100}
    published = {arm.name: arm.published for arm in plan.arms if arm.published}
    assert published == {"bnn": 0.886, "bop": 0.913, "bop2": 0.919}
    assert all(arm.published_under for arm in plan.arms if arm.published)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits", "--budget", "3"], "recipe 'digits' has no option --budget"),
        (["bop-cifar10", "--arm", "adam"], "bop-cifar10 has no arm adam; it has: bop, latent"),
        (["bob-cifar10"], "Did you mean 'bop-cifar10'"),
    ],
)
def test_the_command_says_what_a_recipe_has(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        cli.main(["reproduce", *arguments, "--out", str(tmp_path / "run")])
    assert stop.value.code == 1
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


def test_every_recipe_takes_what_the_command_always_gives():
    for run in recipes.RECIPES.values():
        assert {"seed", "resume", "overwrite"} <= inspect.signature(run).parameters.keys()
