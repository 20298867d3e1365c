"""``bitgrove fit``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import CycloptsError, Parameter
from cyclopts.validators import Number

from .. import require
from ..runtime import RealDtype
from ._pictures import shown

Positive = Annotated[int, Parameter(validator=Number(gte=1))]
NotNegative = Annotated[int, Parameter(validator=Number(gte=0))]


def fit(
    data: str,
    /,
    *,
    out: Path,
    epochs: Positive | None = None,
    size: Positive | None = None,
    width: Positive = 32,
    flip: bool = False,
    twin: bool = False,
    real_dtype: RealDtype = "float32",
    seed: NotNegative = 0,
    threads: Positive | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Train a small binary network on pictures and pack it into OUT/model.grove.

    Writes OUT/report.html too. Ctrl-C leaves a checkpoint, and --resume goes on from it.

    Parameters
    ----------
    data:
        A folder with one sub-folder of pictures per class, or a name that 'bitgrove data' lists.
    out:
        Folder of the run; made if it is missing.
    epochs:
        Passes over the training pictures. By default about 800,000 pictures are shown.
    size:
        Side in pixels to which pictures are brought. By default that of most of them, at most 64.
    width:
        Channels of the first stage of the network.
    flip:
        Mirror training pictures at random: right for most photographs, wrong for letters.
    twin:
        Train the float32 network of the same shape too, to compare the accuracy.
    real_dtype:
        What the packed model stores real numbers as; float16 takes half their room.
    seed:
        Of everything random.
    threads:
        By default one per usable CPU.
    resume:
        Go on with the run that OUT holds.
    overwrite:
        Replace the run that OUT holds.
    """
    require("torch", extra="train", needed_for="bitgrove fit")
    from .. import data as _data
    from .. import jobs

    check_out(out, resume=resume, overwrite=overwrite)
    steps = jobs.Steps()
    with steps.bar(f"loading {shown(data)}") as advance:
        splits = _data.load_splits(data, seed=seed, size=size, threads=threads, progress=advance)
    for name, reason in splits.train.skipped:
        print(f"bitgrove: skipped {shown(name)}: {shown(reason)}", file=sys.stderr)
    options = jobs.FitOptions(
        epochs=epochs,
        width=width,
        flip=flip,
        twin=twin,
        real_dtype=real_dtype,
        seed=seed,
        threads=threads,
        resume=resume,
        overwrite=overwrite,
    )
    run = jobs.fit(
        splits,
        out,
        options,
        title=f"{Path(data).name or data}: {len(splits.train.classes)} classes",
        data=_sentence(data, splits),
        command=_command(data, out, epochs, size, width, flip, twin, real_dtype, seed, threads),
        steps=steps,
    )
    print(f"model   {run.model_path}\nreport  {out / 'report.html'}")


def check_out(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse, before any work is done, what the folder of the run does not allow.

    Raises:
        CycloptsError: both ``--resume`` and ``--overwrite`` are given.
        ValueError: the folder holds a run and neither is given, or it holds none to resume.
    """
    if resume and overwrite:
        raise CycloptsError(msg="--resume and --overwrite exclude each other; give one")
    begun = (out / "checkpoints" / "last.ckpt").exists() or any(
        any(out.glob(places)) for places in ("*/seed-*", "*/*/seed-*")
    )
    if begun and not resume and not overwrite:
        raise ValueError(f"{out} holds a run: --resume goes on with it, --overwrite replaces it")
    if resume and not begun:
        raise ValueError(f"{out} holds no run to resume; leave --resume out to begin one")


def _sentence(data: str, splits: tuple) -> str:
    train, validation, test = map(len, splits)
    return (
        f"Pictures of {data}: {train:,} to train on, {validation:,} to choose the epoch, and "
        f"{test:,} to test, classified once."
    )


def _command(
    data: str,
    out: Path,
    epochs: int | None,
    size: int | None,
    width: int,
    flip: bool,
    twin: bool,
    real_dtype: RealDtype,
    seed: int,
    threads: int | None,
) -> str:
    words = ["bitgrove", "fit", data, "--out", str(out)]
    for name, value in (("epochs", epochs), ("size", size), ("threads", threads)):
        if value is not None:
            words += [f"--{name}", str(value)]
    words += [word for word, given in (("--flip", flip), ("--twin", twin)) if given]
    if width != 32:
        words += ["--width", str(width)]
    if real_dtype != "float32":
        words += ["--real-dtype", real_dtype]
    if seed:
        words += ["--seed", str(seed)]
    return shlex.join(words)
