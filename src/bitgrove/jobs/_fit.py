"""Fit, pack, prove, remember, measure, report."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .. import __version__, export, kernels, models, report, training
from ..data import ImageData, Splits
from ..runtime import Artifact, Examples, RealDtype, Session
from . import _measure
from ._network import network_for
from ._steps import Steps


class InterruptedRunError(KeyboardInterrupt):
    """Ctrl-C ended the training; the message says how to go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """What a person may choose."""

    epochs: int | None = None
    """Passes over the training images; None for about 800,000 images in all."""
    width: int = 32
    """Channels of the first stage, at least 1; each later stage has twice as many."""
    flip: bool = False
    """Mirror training images at random; right for most photographs, wrong for letters."""
    twin: bool = False
    """Train the float32 network of the same shape too, to compare the accuracy."""
    real_dtype: RealDtype = "float32"
    """What the packed model stores real numbers as; ``"float16"`` takes half their room."""
    seed: int = 0
    threads: int | None = None
    """Of torch and of the packed model; None for one per usable CPU. Results of training may differ
    between numbers of threads in the last digits; those of the packed model do not."""
    resume: bool = False
    """Go on with the run that the folder holds."""
    overwrite: bool = False
    """Replace the run that the folder holds."""
    quiet: bool = False


@dataclass(slots=True, kw_only=True)
class Run:
    """A finished run."""

    out: Path
    model_path: Path
    session: Session
    splits: Splits
    record: report.Record
    seconds: float

    def write_report(self) -> Path:
        """Write ``report.html`` and ``results.json``; returns the page's path."""
        return report.write(self.record, self.out)


def fit(
    splits: Splits,
    out: Path,
    options: FitOptions,
    *,
    title: str,
    data: str,
    command: str,
    steps: Steps | None = None,
) -> Run:
    """Train a Bi-Real-style network, pack it with its examples into ``out/model.grove``.

    The validation split chooses the epoch; the test split is classified once, at the end.

    Args:
        splits: train, validation and test images.
        out: folder of the run; made if it is missing.
        options: what a person may choose.
        title: of the report.
        data: one sentence on the data, for the report.
        command: what to type to repeat the run, for the report.
        steps: tells a person what goes on.

    Raises:
        InterruptedRunError: Ctrl-C ended the training; ``options.resume`` goes on.
        TrainingError: the folder holds a run, or there is none to resume, or the loss diverged.
        RuntimeError: the packed model differs from the torch model; nothing was written.
    """
    started = time.perf_counter()
    steps = steps or Steps(quiet=options.quiet)
    threads = options.threads or kernels.usable_cpus()
    train = splits.train
    steps.say(
        f"{len(train):,} training, {len(splits.validation):,} validation and "
        f"{len(splits.test):,} test images of {len(train.classes)} classes, "
        f"{train.images.shape[2]}x{train.images.shape[1]} pixels"
    )
    model, result = _train(splits, out, options, threads, real=False)
    best = result.best
    if result.interrupted or best is None:
        raise InterruptedRunError(
            f"interrupted, epochs done: {result.epochs}; --resume instead of --overwrite goes on"
        )
    steps.say(f"epoch {best.epoch} is best: {best.validation_accuracy:.2%} on validation")
    twin, twin_accuracy = _twin(splits, out, options, threads, steps)

    artifact = export.pack(
        model,
        torch.zeros(1, *_input_shape(train)),
        labels=train.classes,
        preprocessing=result.preprocessing,
        real_dtype=options.real_dtype,
    )
    session = Session(artifact, threads)
    verification = _prove(model, session, splits.test, steps)
    artifact.examples = _remember(session, train, options, threads, steps)
    model_path = out / "model.grove"
    artifact.save(model_path)
    steps.say(f"wrote {model_path} ({model_path.stat().st_size:,} bytes)")

    steps.say("classifying the test images")
    record = _measured(splits, session, model_path, twin, twin_accuracy, steps)
    record = replace(
        record,
        title=title,
        data=data,
        command=command,
        curve=tuple(
            {
                "epoch": e.epoch,
                "train_loss": e.train_loss,
                "train_accuracy": e.train_accuracy,
                "validation_loss": e.validation_loss,
                "validation_accuracy": e.validation_accuracy,
            }
            for e in result.history
        ),
        best_epoch=best.epoch,
        verification=verification,
        environment=_environment(options, threads, time.perf_counter() - started),
    )
    run = Run(
        out=out,
        model_path=model_path,
        session=session,
        splits=splits,
        record=record,
        seconds=time.perf_counter() - started,
    )
    steps.say(f"wrote {run.write_report()}")
    return run


def _train(
    splits: Splits, out: Path, options: FitOptions, threads: int, *, real: bool
) -> tuple[nn.Module, training.FitResult]:
    model = _create(splits.train, options, real=real)
    result = training.fit(
        model,
        splits.train,
        splits.validation,
        out / "twin" if real else out,
        training.TrainingConfig(epochs=options.epochs, flip=options.flip, seed=options.seed),
        threads=threads,
        resume=options.resume and _was_begun(out / "twin" if real else out, optional=real),
        overwrite=options.overwrite,
        progress=not options.quiet,
    )
    return model, result


def _was_begun(folder: Path, *, optional: bool) -> bool:
    """Whether there is something to resume; only the twin may not have been reached yet."""
    return not optional or (folder / "checkpoints" / "last.ckpt").exists()


def _create(train: ImageData, options: FitOptions, *, real: bool) -> nn.Module:
    channels, side, _ = _input_shape(train)
    choice = network_for(side, channels, len(train.classes), width=options.width)
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        return models.create("birealnet_small", real=real, **choice)


def _twin(
    splits: Splits, out: Path, options: FitOptions, threads: int, steps: Steps
) -> tuple[nn.Module, report.Accuracy | None]:
    """The float32 network of the same shape, and its test accuracy if it was to be trained."""
    if not options.twin:
        return _create(splits.train, options, real=True), None
    steps.say("training the float32 twin of the same shape")
    model, result = _train(splits, out, options, threads, real=True)
    if result.interrupted:
        raise InterruptedRunError(
            "interrupted while training the twin; --resume instead of --overwrite goes on"
        )
    logits = training.evaluate(model, splits.test, result.preprocessing)
    answers = [splits.test.classes[i] for i in logits.argmax(1)]
    truths = _measure.truths(splits.test)
    return model, _measure.accuracy("float32 twin, by logits", "test", answers, truths)


def _prove(model: nn.Module, session: Session, test: ImageData, steps: Steps) -> str:
    steps.say("comparing the packed model with the torch model on the test images")
    integers = signs = turned = 0
    error = 0.0
    for start in range(0, len(test), 256):
        x = session.preprocessing.normalise(test.images[start : start + 256])
        found = export.verify(model, session.artifact, x, threads=session.threads)
        if not found.equal():
            raise RuntimeError(f"the packed model differs from the torch model: {found}")
        integers, signs = integers + found.integers, signs + found.signs
        turned += found.signs_turned
        error = max(error, found.relative_error)
    sentence = (
        f"On all {len(test):,} test images {integers:,} integers of binary layers are equal one by "
        f"one, as are {signs:,} signs; logits differ by at most {error:.1e} of the largest."
    )
    if turned:
        sentence += (
            f" Float rounding turned {turned} of the signs, all of them at their thresholds; torch "
            "went on with the packed ones."
        )
    steps.say(sentence)
    return sentence


def _remember(
    session: Session, train: ImageData, options: FitOptions, threads: int, steps: Steps
) -> Examples:
    embeddings = _measure.embed(session, train)
    with steps.bar(f"building the index of {len(train):,} training embeddings") as advance:
        return Examples.build(
            embeddings,
            train.labels,
            train.names,
            train.classes,
            threads=threads,
            seed=options.seed,
            progress=lambda done, total, _: advance(done, total),
        )


def _measured(
    splits: Splits,
    session: Session,
    model_path: Path,
    twin: nn.Module,
    twin_accuracy: report.Accuracy | None,
    steps: Steps,
) -> report.Record:
    test = splits.test
    truths = _measure.truths(test)
    predictions = _measure.classify(session, test)
    by_neighbours = [p.label for p in predictions]
    by_logits = [p.label for p in _measure.classify(_without_examples(session), test)]
    rows = [
        _measure.accuracy("binary, by neighbours", "test", by_neighbours, truths),
        _measure.accuracy("binary, by logits", "test", by_logits, truths),
    ]
    if twin_accuracy:
        rows.append(twin_accuracy)
    for row in rows:
        steps.say(f"{row.model}: {row.value:.2%} of {row.total:,} {row.images} images")
    known = dict(zip(splits.train.names, splits.train.images, strict=True))
    return report.Record(
        title="",
        data="",
        command="",
        counts={name: len(part) for name, part in splits._asdict().items()},
        curve=(),
        best_epoch=0,
        accuracy=tuple(rows),
        confusion_classes=test.classes,
        confusion=_measure.confusion(by_neighbours, truths, test.classes),
        confusion_of="binary, by neighbours",
        queries=_measure.pick_queries(test, predictions, known),
        size=_measure.size(model_path, session.artifact, twin),
        latency=_measure.latency(session.artifact, twin),
        verification="",
        skipped=tuple((item.name, item.reason) for item in splits.train.skipped),
    )


def _without_examples(session: Session) -> Session:
    artifact = session.artifact
    bare = Artifact(artifact.graph, artifact.labels, artifact.preprocessing)
    return Session(bare, session.threads)


def _input_shape(data: ImageData) -> tuple[int, int, int]:
    _, height, width, channels = data.images.shape
    return channels, height, width


def _environment(options: FitOptions, threads: int, seconds: float) -> dict[str, str]:
    return {
        "processor": kernels.cpu_name(),
        "SIMD level": kernels.simd_level(),
        "threads": str(threads),
        "seed": str(options.seed),
        "seconds in all": f"{seconds:.1f}",
        "bitgrove": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
