"""Train on digits 0 to 7, pack, then teach 8 and 9 from a few examples without retraining."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ... import jobs
from ...data import ImageData, Splits, load_splits
from ...jobs import FitOptions, Run, Steps, accuracy, confusion, pick_queries
from ...report import Accuracy, Teaching
from ...runtime import Prediction

OLD = tuple("01234567")
NEW = tuple("89")
TAUGHT = 20
"""Examples of each new class."""


def run(
    out: Path, *, seed: int = 0, resume: bool = False, overwrite: bool = False, epochs: int = 60
) -> Run:
    """Run the recipe in about a minute.

    Args:
        out: folder of the run.
        seed: of everything random, the split and the taught examples too.
        resume: go on with the run that ``out`` holds.
        overwrite: replace the run that ``out`` holds.
        epochs: passes over the training images; validation is best well before the 60th.
    """
    steps = Steps()
    digits = load_splits("digits", seed=seed)
    old = Splits(*(part.only_classes(OLD) for part in digits))
    run = jobs.fit(
        old,
        out,
        FitOptions(
            epochs=epochs, twin=True, seed=seed, threads=1, resume=resume, overwrite=overwrite
        ),
        title="Digits: trained on 0–7, taught 8 and 9",
        data=(
            "The 1,797 handwritten digits that come with scikit-learn, 8x8 pixels, split 60/20/20 "
            "within every class. The network saw digits 0 to 7 alone; validation chose the epoch; "
            "every test image was classified once before and once after teaching."
        ),
        command="make demo" if seed == 0 else f"bitgrove reproduce digits --seed {seed}",
        steps=steps,
    )
    teach(run, digits, steps)
    return run


def teach(run: Run, digits: Splits, steps: Steps) -> None:
    """Teach the new digits from training images, measure again, and rewrite file and report."""
    session = run.session
    before = _by_age(digits.test, _classify(run, digits.test))
    known = dict(zip(run.splits.train.names, run.splits.train.images, strict=True))
    for name in NEW:
        shown = digits.train.only_classes([name]).select(range(TAUGHT))
        session.teach(name, list(shown.images), list(shown.names))
        known |= dict(zip(shown.names, shown.images, strict=True))
    session.artifact.save(run.model_path)
    predictions = _classify(run, digits.test)
    after = _by_age(digits.test, predictions)
    for when, rows in (("before", before), ("after", after)):
        for row in rows:
            steps.say(f"{when} teaching: {row.value:.2%} of {row.total} {row.images}")

    answers = [p.label for p in predictions]
    truths = [digits.test.classes[label] for label in digits.test.labels]
    total = run.model_path.stat().st_size
    size = run.record.size
    run.record = replace(
        run.record,
        teaching=Teaching(classes=NEW, examples=TAUGHT, before=before, after=after),
        confusion_classes=digits.test.classes,
        confusion=confusion(answers, truths, digits.test.classes),
        confusion_of="binary, by neighbours, after teaching",
        queries=pick_queries(digits.test, predictions, known),
        size=replace(size, examples=total - size.network, total=total),
    )
    steps.say(f"wrote {run.write_report()}")


def _classify(run: Run, data: ImageData) -> list[Prediction]:
    return run.session.classify(run.session.preprocessing.normalise(data.images))


def _by_age(test: ImageData, predictions: list[Prediction]) -> tuple[Accuracy, ...]:
    truths = [test.classes[label] for label in test.labels]
    pairs = [(p.label, truth) for p, truth in zip(predictions, truths, strict=True)]
    old = [pair for pair in pairs if pair[1] in OLD]
    new = [pair for pair in pairs if pair[1] in NEW]
    return tuple(
        accuracy("binary, by neighbours", f"test images of {name}", *zip(*rows, strict=True))
        for name, rows in (("0 to 7", old), ("8 and 9", new))
    )
