"""Train a network on labelled images."""

from __future__ import annotations

import hashlib
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from ..data import ImageData
from ..runtime import Preprocessing
from ._batches import Batches
from ._bits import BitStatistics
from ._checkpoints import (
    Checkpoints,
    check_fingerprint,
    history_of,
    load_weights,
    read_checkpoint,
)
from ._config import TrainingConfig, default_epochs
from ._errors import TrainingError
from ._evaluate import using_threads
from ._interrupt import Interrupted, StopOnRequest, stop_on_ctrl_c
from ._learner import Learner
from ._losses import Distillation
from ._method import plain
from ._progress import Display
from ._record import EpochMetrics, MetricsLog, best_of

_VALIDATION_BATCH = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """What :func:`fit` leaves behind."""

    best_checkpoint: Path | None
    """Of the epoch with the highest validation accuracy; None if no epoch was finished."""
    last_checkpoint: Path
    """To resume from."""
    history: tuple[EpochMetrics, ...]
    """All epochs, those before a resumption too."""
    epochs: int
    """Number of epochs finished."""
    seconds: float
    """Wall time of this call."""
    interrupted: bool
    """Whether Ctrl-C ended training early."""
    preprocessing: Preprocessing
    """What the network expects of its images; it belongs into the packed file."""

    @property
    def best(self) -> EpochMetrics | None:
        """The figures of ``best_checkpoint``."""
        return best_of(self.history)


def fit(
    model: nn.Module,
    train: ImageData,
    validation: ImageData,
    out: str | Path,
    config: TrainingConfig | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    teacher: nn.Module | None = None,
    bits: bool = False,
    accelerator: str = "auto",
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> FitResult:
    """Train ``model`` in place, choosing the epoch with the highest validation accuracy.

    Writes ``out/checkpoints/last.ckpt`` and ``best.ckpt`` and a line per epoch to
    ``out/metrics.jsonl`` (see :class:`EpochMetrics`). Ctrl-C stops at the next batch; the epoch
    that it cuts short is run again on resumption. Afterwards ``model`` is on the CPU, in
    evaluation mode, with the weights of ``best_checkpoint`` (of ``last_checkpoint`` if no epoch
    was finished).

    The result depends on the data, ``config`` and the model's first weights alone, given the same
    machine, version of torch and number of threads; the caller's random state is left alone.

    Args:
        model: maps ``float32[b, c, h, w]`` to logits ``float32[b, k]``, one per class; or, with a
            loss of codes, a :class:`bitgrove.hashing.HashNetwork`.
        train: at least 2 images.
        validation: at least 1 image, of the same size and classes.
        out: folder of the run; made if it is missing.
        config: the settings; None for the defaults.
        preprocessing: standardises the images; None for the mean and spread of ``train``.
        teacher: gives the logits that :class:`Distillation` follows, and only with it; it is used
            in evaluation mode and left as it is.
        bits: write what the binary weights do, epoch by epoch, to ``out/bits.jsonl`` (see
            :class:`BitStatistics`).
        accelerator: ``"auto"`` for a GPU if there is one, else the CPU; or ``"cpu"``, ``"gpu"``.
        threads: of torch during the call; None leaves them as they are.
        resume: go on from ``last.ckpt``, with the same data and settings, to the same result as
            without an interruption. A finished run is returned as it is.
        overwrite: replace the run that ``out`` holds.
        progress: a bar on a terminal, a line per epoch elsewhere, on standard error.

    Raises:
        TrainingError: ``out`` holds a run and neither ``resume`` nor ``overwrite`` is set; there is
            nothing to resume, or it was begun with other settings or data; the loss is not finite.
        ValueError: the data or arguments do not fit each other.

    >>> import tempfile
    >>> from bitgrove import data
    >>> from bitgrove.training import Gradient, Linear, Method
    >>> digits = data.load_splits("digits")
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> config = TrainingConfig(epochs=5, method=Method(real=Gradient(lr=Linear(0.02))))
    >>> run = fit(model, digits.train, digits.validation, tempfile.mkdtemp(), config,
    ...           accelerator="cpu", progress=False)
    >>> run.epochs, run.best_checkpoint.name, run.best.validation_accuracy > 0.5
    (5, 'best.ckpt', True)
    """
    started = time.perf_counter()
    config = config or TrainingConfig()
    _check_data(train, validation)
    if resume and overwrite:
        raise ValueError("resume and overwrite exclude each other; set one")
    if not isinstance(config, TrainingConfig):
        raise TypeError(f"config must be a TrainingConfig, got {config!r}")
    if teacher is model:
        raise ValueError("a model cannot be its own teacher; give another, or a copy")
    if teacher is not None and not isinstance(teacher, nn.Module):
        raise TypeError(f"teacher must be a module, got {teacher!r}")
    if (teacher is not None) != isinstance(config.method.loss, Distillation):
        raise ValueError("a teacher goes with the loss Distillation, and only with it")
    preprocessing = preprocessing or train.preprocessing()
    epochs = config.epochs or default_epochs(len(train))
    fingerprint = _fingerprint(
        model, train, validation, config, epochs, preprocessing, teacher, bits
    )
    out = Path(out)
    history = _prepare(out, fingerprint, resume=resume, overwrite=overwrite)
    folder = out / "checkpoints"
    checkpoints = Checkpoints(
        folder, MetricsLog(out / "metrics.jsonl", history), history, fingerprint
    )
    interrupted = False
    if len(history) < epochs:
        with using_threads(threads), _own_random_state(), _quiet_lightning():
            interrupted = _run(
                model, train, validation, config, epochs, preprocessing, checkpoints, teacher, bits,
                accelerator, folder / "last.ckpt" if resume else None, progress,
            )  # fmt: skip
    best = folder / "best.ckpt" if checkpoints.history else None
    model.cpu().eval()
    model.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    load_weights(model, best or folder / "last.ckpt")
    return FitResult(
        best_checkpoint=best,
        last_checkpoint=folder / "last.ckpt",
        history=tuple(checkpoints.history),
        epochs=len(checkpoints.history),
        seconds=time.perf_counter() - started,
        interrupted=interrupted,
        preprocessing=preprocessing,
    )


def _run(
    model: nn.Module,
    train: ImageData,
    validation: ImageData,
    config: TrainingConfig,
    epochs: int,
    preprocessing: Preprocessing,
    checkpoints: Checkpoints,
    teacher: nn.Module | None,
    bits: bool,
    accelerator: str,
    resume_from: Path | None,
    progress: bool,
) -> bool:
    """Run Lightning's loop; returns whether Ctrl-C ended it."""
    stop = StopOnRequest()
    steps = -(-len(train) // config.batch_size)
    display = Display(progress, epochs, steps, checkpoints)
    statistics = [BitStatistics(checkpoints.folder.parent / "bits.jsonl")] if bits else []
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=epochs,
        # The statistics first: what a checkpoint holds of them is that of its epoch.
        callbacks=[stop, *statistics, checkpoints, display],
        precision="bf16-mixed" if config.precision == "bfloat16" else "32-true",
        default_root_dir=checkpoints.folder.parent,
        logger=False,
        enable_checkpointing=False,  # our callback writes them
        enable_progress_bar=False,  # our callback shows it
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    device = trainer.strategy.root_device
    _, height, width, _ = train.images.shape
    train_batches = Batches(
        train,
        preprocessing,
        batch_size=config.batch_size,
        shuffle=True,
        seed=config.seed,
        shift=(int(config.shift * height), int(config.shift * width)),
        flip=config.flip,
        device=device,
    )
    validation_batches = Batches(
        validation, preprocessing, batch_size=_VALIDATION_BATCH, device=device
    )
    # As the batches are; torch does not declare this form of the method.
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    learner = Learner(model, len(train.classes), config, train_batches, epochs, teacher)
    try:
        with stop_on_ctrl_c(stop), display, _lent(teacher, device):
            trainer.fit(
                learner, train_batches, validation_batches, ckpt_path=resume_from, weights_only=True
            )
    except Interrupted:
        return True
    finally:
        learner.forests.close()
    return False


def _check_data(train: ImageData, validation: ImageData) -> None:
    if len(train) < 2 or len(validation) < 1:
        raise ValueError(
            "training needs at least 2 images to train on and 1 to validate, got "
            f"{len(train)} and {len(validation)}"
        )
    if train.classes != validation.classes:
        raise ValueError(
            "train and validation must have the same classes, got "
            f"{train.classes} and {validation.classes}"
        )
    if train.images.shape[1:] != validation.images.shape[1:]:
        raise ValueError(
            "train and validation must have images of one shape, got "
            f"{train.images.shape[1:]} and {validation.images.shape[1:]}"
        )


def _prepare(
    out: Path, fingerprint: dict[str, Any], *, resume: bool, overwrite: bool
) -> list[EpochMetrics]:
    """Make the folders, or check that the run in them can go on; returns the epochs done."""
    last = out / "checkpoints" / "last.ckpt"
    if resume:
        if not last.is_file():
            raise TrainingError(
                f"there is nothing to resume: {last} does not exist. Start without resume, or "
                "give the folder of the run that was interrupted"
            )
        checkpoint = read_checkpoint(last)
        check_fingerprint(checkpoint, fingerprint, last)
        return history_of(checkpoint)
    if last.exists() and not overwrite:
        raise TrainingError(
            f"{out} already holds a run. Go on with it by resume=True, replace it by "
            "overwrite=True, or choose another folder"
        )
    last.parent.mkdir(parents=True, exist_ok=True)
    for name in ("last.ckpt", "best.ckpt"):
        (last.parent / name).unlink(missing_ok=True)
    return []


def _fingerprint(
    model: nn.Module,
    train: ImageData,
    validation: ImageData,
    config: TrainingConfig,
    epochs: int,
    preprocessing: Preprocessing,
    teacher: nn.Module | None,
    bits: bool,
) -> dict[str, Any]:
    """Plain values that determine the result, so that a resumption can be refused."""
    shapes = [(name, tuple(value.shape)) for name, value in model.state_dict().items()]
    layers = hashlib.sha256(f"{model}{shapes}".encode()).hexdigest()
    settings = {f.name: plain(getattr(config, f.name)) for f in fields(config)}
    normalisation = preprocessing.to_dict()
    return {
        **settings,
        "epochs": epochs,
        "bits": bits,
        "teacher": None if teacher is None else _hash_of_weights(teacher),
        "training images": train.fingerprint(),
        "validation images": validation.fingerprint(),
        "model": layers,
        **{name: list(normalisation[name]) for name in ("mean", "std")},
    }


def _hash_of_weights(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


@contextmanager
def _lent(teacher: nn.Module | None, device: torch.device) -> Iterator[None]:
    """The teacher on the device and in evaluation mode, for a while."""
    if teacher is None:
        yield
        return
    home = next((p.device for p in teacher.parameters()), torch.device("cpu"))
    modes = [(module, module.training) for module in teacher.modules()]
    try:
        teacher.to(device).eval()
        yield
    finally:
        teacher.to(home)
        for module, mode in modes:
            module.training = mode


@contextmanager
def _own_random_state() -> Iterator[None]:
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=list(devices)):
        yield


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Without banners, tips and remarks that do not apply to our loop."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Lightning uses a name of torch's pytree that newer versions of torch rename.
            warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
