"""Studies: arms, stages, seeds, budgets and the files they leave."""

import json
import tomllib
from dataclasses import replace

import numpy as np
import pytest
import torch

from bitgrove import data, jobs, models, runtime, training
from bitgrove.jobs import Arm, Plan, Stage, StudyOptions, run_plan
from bitgrove.jobs._budget import Scale, scale_to_budget
from bitgrove.jobs._expected import Spread, compare_with_expected
from bitgrove.jobs._study import _epochs
from bitgrove.training import Distillation, Gradient, Linear, Method, TrainingConfig


def stage(real, method=None, **options):
    def create(width):
        return models.create("birealnet_small", width=width, blocks=(1, 1), real=real)

    config = TrainingConfig(batch_size=64, method=method or adam(), shift=0)
    return Stage(create=create, config=config, **options)


def adam(**options):
    return Method(real=Gradient(kind="adam", lr=Linear(0.01)), **options)


def arm(name, *stages, **options):
    return Arm(name=name, title=name.title(), paper="A, B", stages=stages, epochs=8, **options)


PLAN = Plan(
    name="toy",
    title="A toy",
    dataset="digits",
    arms=(
        arm("plain", stage(False), published=0.5, published_under="another protocol"),
        arm("two", stage(True, share=0.5), stage(False, share=0.5), reestimate=True),
        arm("taught", stage(True, share=0.5), stage(False, adam(loss=Distillation()), teach=True)),
    ),
    widths=(16, 8, 4),
)
OPTIONS = StudyOptions(seeds=(3, 4), threads=1, quiet=True)


def run(out, options=OPTIONS, **scale):
    return run_plan(PLAN, out, options, **({"width": 4, "epochs": 2} | scale))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "run"
    return out, run(out)


def test_a_study_trains_every_arm_with_every_seed_and_packs_it(finished):
    out, result = finished
    assert [(o.arm, o.seed) for o in result.outcomes] == [
        (name, seed) for seed in (3, 4) for name in ("plain", "two", "taught")
    ]
    test = data.load_splits("digits").test
    for outcome in result.outcomes:
        folder = out / outcome.arm / f"seed-{outcome.seed}"
        session = runtime.load(folder / "model.grove")
        logits = session.run(session.preprocessing.normalise(test.images))
        packed = (logits.argmax(1) == test.labels).mean()
        # Rounding may turn a sign next to zero in a few images.
        assert packed == pytest.approx(outcome.test_accuracy, abs=0.01)
        assert outcome.packed_bytes == (folder / "model.grove").stat().st_size
        assert outcome.epochs == len(outcome.curve) == 2
        assert not list(folder.glob("stage-*/checkpoints/last.ckpt"))
        assert list(folder.glob("stage-*/bits.jsonl"))


def test_the_file_of_figures_says_what_was_measured_and_how(finished):
    out, result = finished
    figures = tomllib.loads((out / "expected.toml").read_text())
    assert figures["protocol"] | {"torch": ""} == {
        "study": "toy",
        "dataset": "digits",
        "split": "1079 to train, 359 chose the epoch, 359 tested once",
        "width": 4,
        "epochs": 2,
        "batch_size": [64],
        "precision": ["float32"],
        "seeds": [3, 4],
        "torch": "",
        "command": "bitgrove reproduce toy --width 4 --epochs 2 --seed 3 --seeds 2",
    }
    own = [o.test_accuracy for o in result.outcomes if o.arm == "plain"]
    plain = figures["arms"]["plain"]
    assert plain["test_accuracy"] == [round(a, 4) for a in own]
    assert plain["mean"] == pytest.approx(np.mean(own), abs=1e-4)
    assert plain["std"] == pytest.approx(np.std(own, ddof=1), abs=1e-4)
    assert plain["published"] == 0.5
    assert plain["published_under"] == "another protocol"
    assert "published" not in figures["arms"]["two"]
    assert (out / "report.html").stat().st_size > 5_000


def test_a_stage_starts_from_the_weights_of_the_one_before(tmp_path, monkeypatch):
    starts, ends = [], []
    original = training.fit

    def watched(model, *args, **options):
        starts.append({k: v.clone() for k, v in model.state_dict().items()})
        result = original(model, *args, **options)
        ends.append({k: v.clone() for k, v in model.state_dict().items()})
        return result

    monkeypatch.setattr(training, "fit", watched)
    run(tmp_path / "run", StudyOptions(seeds=(0,), threads=1, quiet=True), arms=("two",))
    assert len(starts) == 2
    assert all(torch.equal(starts[1][k], ends[0][k]) for k in ends[0])
    assert any(not torch.equal(ends[1][k], ends[0][k]) for k in ends[0])


def test_pixels_are_standardised_or_signed_as_the_stage_says(tmp_path):
    stages = {
        name: replace(stage(False), signed_pixels=name == "signed") for name in ("signed", "own")
    }
    plan = replace(PLAN, arms=tuple(arm(name, made) for name, made in stages.items()))
    one = StudyOptions(seeds=(0,), threads=1, quiet=True)
    run_plan(plan, tmp_path, one, width=4, epochs=1)
    found = {
        name: runtime.load(tmp_path / name / "seed-0" / "model.grove").preprocessing
        for name in stages
    }
    assert (found["signed"].mean, found["signed"].std) == ((0.5,), (0.5,))
    assert found["own"] == data.load_splits("digits").train.preprocessing()


def test_an_outcome_of_another_network_is_not_used(finished):
    out, _ = finished
    resume = replace(OPTIONS, resume=True)
    changed = {
        "a twin": arm("plain", stage(True)),
        "measured anew": arm("plain", stage(False), reestimate=True),
    }
    for other in changed.values():
        plan = replace(PLAN, arms=(other,))
        with pytest.raises(ValueError, match=r"outcome\.json was made with other settings"):
            run_plan(plan, out, resume, width=4, epochs=2)


def test_a_folder_belongs_to_one_study(finished):
    out, _ = finished
    other = replace(PLAN, name="another")
    with pytest.raises(ValueError, match="holds a run of 'toy', not of 'another'"):
        run_plan(other, out, replace(OPTIONS, resume=True), width=4, epochs=2)


def test_an_arm_whose_packed_file_is_gone_is_trained_again(tmp_path):
    one = StudyOptions(seeds=(0,), threads=1, quiet=True)
    before = run(tmp_path / "run", one, arms=("plain",))
    model = tmp_path / "run/plain/seed-0/model.grove"
    packed = model.read_bytes()
    model.unlink()
    after = run(tmp_path / "run", replace(one, resume=True), arms=("plain",))
    assert model.read_bytes() == packed
    assert after.outcomes[0].test_accuracy == before.outcomes[0].test_accuracy


def test_seconds_are_those_of_all_epochs(finished):
    _, result = finished
    for outcome in result.outcomes:
        assert outcome.seconds == sum(row["seconds"] for row in outcome.curve) > 0


def test_resuming_uses_what_is_done_and_gives_the_same(finished, tmp_path, monkeypatch):
    out, result = finished
    one = StudyOptions(seeds=(3, 4), threads=1, quiet=True, resume=True)
    monkeypatch.setattr(training, "fit", lambda *args, **options: pytest.fail("trained again"))
    again = run(out, one)
    assert again.outcomes == result.outcomes


def test_several_commands_may_fill_one_folder(finished, tmp_path):
    _, whole = finished
    resume = StudyOptions(seeds=(3, 4), threads=1, quiet=True, resume=True)
    run(tmp_path / "run", arms=("plain",))
    run(tmp_path / "run", resume, arms=("taught",))
    figures = tomllib.loads((tmp_path / "run" / "expected.toml").read_text())
    assert list(figures["arms"]) == ["taught"]
    result = run(tmp_path / "run", resume)
    for got, expected in zip(result.outcomes, whole.outcomes, strict=True):
        assert got.test_accuracy == expected.test_accuracy


def test_an_outcome_of_other_settings_or_a_damaged_one_is_not_used(finished):
    out, _ = finished
    resume = StudyOptions(seeds=(3, 4), threads=1, quiet=True, resume=True)
    with pytest.raises(ValueError, match=r"other settings: epochs\.0 was 2 and is now 3"):
        run(out, resume, epochs=3)
    path = out / "plain" / "seed-3" / "outcome.json"
    before = path.read_text()
    try:
        path.write_text(before[:100])
        with pytest.raises(ValueError, match=r"outcome\.json is damaged"):
            run(out, resume)
        path.write_text(json.dumps({"arm": "plain"}))
        with pytest.raises(ValueError, match=r"outcome\.json is damaged"):
            run(out, resume)
    finally:
        path.write_text(before)


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch):
    original = training.fit

    def interrupted(*args, **options):
        return replace(original(*args, **options), interrupted=True)

    monkeypatch.setattr(training, "fit", interrupted)
    with pytest.raises(jobs.InterruptedRunError, match="--resume goes on"):
        run(tmp_path / "run")


def test_a_budget_buys_the_widest_network_that_is_trained_long_enough(monkeypatch):
    train = data.load_splits("digits").train
    # Time in proportion to the number of channels: 1,079 images cost 0.01 s * width * 1.25.
    asked = []

    def timed(model, images, config, *, teacher=None, threads=None, steps=4):
        asked.append(teacher is not None)
        return model.stem[0].out_channels * 0.01 / len(images)

    monkeypatch.setattr(jobs._budget, "seconds_per_image", timed)
    options = StudyOptions(seeds=(0, 1))
    shares = 1.0 + 1.0 + 1.5  # of the three arms
    epoch = {w: w * 0.01 * 1.25 * shares * 2 for w in PLAN.widths}

    def scale(seconds):
        return scale_to_budget(PLAN, train, seconds / 60, options)

    assert scale(epoch[16] * 6.5) == Scale(16, 6)
    assert scale(epoch[16] * 4.9) == Scale(8, 8)  # 9, but the paper's length is the most
    assert scale(epoch[4] * 2.5) == Scale(4, 2)
    assert any(asked)
    with pytest.raises(ValueError, match=r"does not allow 2 epoch\(s\).*give at least 1,"):
        scale(epoch[4] * 1.5)  # an arm has two stages


def test_stages_share_the_epochs_and_get_at_least_one():
    two = PLAN.arms[1]
    assert _epochs(two, 8) == [4, 4]
    assert _epochs(two, 2) == [1, 1]
    assert Scale(4, 3).epochs_of(two) == 3
    assert Scale(4, None).epochs_of(two) == 8


def test_another_run_is_compared_under_the_same_protocol_alone(finished, tmp_path):
    out, _ = finished
    known = out / "expected.toml"
    sentences = compare_with_expected(known, known)
    assert len(sentences) == 3
    assert sentences[0].startswith("Plain: ")
    assert ", expected " in sentences[0]
    other = tmp_path / "expected.toml"
    other.write_text(known.read_text().replace("epochs = 2", "epochs = 3"))
    assert compare_with_expected(known, other) == []
    assert compare_with_expected(tmp_path / "none.toml", known) == []


def test_spread_is_that_of_a_sample():
    assert Spread((0.1, 0.3)).std == pytest.approx(np.std([0.1, 0.3], ddof=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": ("plain", "bop")}, "toy has no arm bop; it has: plain, two, taught"),
        ({"width": 0}, "width must be a number above 0"),
        ({"epochs": -1}, "epochs must be a number above 0"),
        ({"epochs": 1}, "epochs must be at least 2, one for each stage"),
        ({"budget": float("inf")}, "budget must be a number above 0"),
    ],
)
def test_wrong_options_are_named_before_any_work(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("epoch", [1, 3], ids=["first stage", "second stage"])
def test_a_stage_that_was_cut_short_goes_on_to_the_same_result(tmp_path, monkeypatch, epoch):
    from bitgrove.training import _learner

    class StopError(Exception):
        pass

    original, begun = _learner.Learner.on_train_epoch_start, []

    def stop_at(self):
        begun.append(self.current_epoch)
        if len(begun) == epoch + 1:
            raise StopError
        original(self)

    one = StudyOptions(seeds=(0,), threads=1, quiet=True)
    whole = run(tmp_path / "whole", one, epochs=4, arms=("two",))
    monkeypatch.setattr(_learner.Learner, "on_train_epoch_start", stop_at)
    with pytest.raises(StopError):
        run(tmp_path / "part", one, epochs=4, arms=("two",))
    part = run(tmp_path / "part", replace(one, resume=True), epochs=4, arms=("two",))
    assert len(begun) == 5  # the epoch that was cut short began twice
    for got, expected in zip(part.outcomes, whole.outcomes, strict=True):
        assert replace(got, seconds=0, curve=[]) == replace(expected, seconds=0, curve=[])
    bits = [(tmp_path / w / "two/seed-0/stage-2/bits.jsonl").read_text() for w in ("part", "whole")]
    assert bits[0] == bits[1]
