"""A torch network as one file: its name, options and weights, and what its numbers mean."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import nn

from ..files import replacing
from ..runtime import Preprocessing
from ._registry import create

_KEY = "bitgrove"


@dataclass(frozen=True, slots=True, eq=False)
class SavedModel:
    """What :func:`load` found."""

    model: nn.Module
    """In evaluation mode, on the CPU."""
    name: str
    options: dict[str, Any]
    labels: tuple[str, ...] | None
    """Names of the outputs."""
    preprocessing: Preprocessing | None


def save(
    path: str | os.PathLike[str],
    model: nn.Module,
    *,
    name: str,
    options: Mapping[str, Any] | None = None,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
) -> None:
    """Write a network that :func:`create` made as a safetensors file, to train or explain it later.

    For running without torch, pack it instead.

    Args:
        path: of the file, which is replaced at the end.
        model: as ``create(name, **options)`` makes it, with any weights.
        name: as given to :func:`create`.
        options: as given to :func:`create`; values that JSON can hold.
        labels: names of the outputs.
        preprocessing: how a picture becomes the model's input.

    Raises:
        TypeError: the model is no torch module; the path comes first.
        ValueError: another model has this name and options.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> options = {"width": 2, "trees": 1, "depth": 2}
    >>> save(file, create("ndf", **options), name="ndf", options=options, labels="0123456789")
    >>> load(file).model.head.depth
    2
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model must be a torch module, got {type(model).__name__}; the path comes first: "
            "save(path, model, name=...)"
        )
    options = dict(options or {})
    ours = {key: value.shape for key, value in create(name, **options).state_dict().items()}
    state = model.state_dict()
    if ours != {key: value.shape for key, value in state.items()}:
        raise ValueError(f"the model is not that of create({name!r}, **{options})")
    about = {
        "name": name,
        "options": options,
        "labels": None if labels is None else [*labels],
        "preprocessing": None if preprocessing is None else preprocessing.to_dict(),
    }
    tensors = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
    with replacing(Path(path)) as file:
        file.write(safetensors.torch.save(tensors, {_KEY: json.dumps(about)}))


def load(path: str | os.PathLike[str]) -> SavedModel:
    """Read a file of :func:`save`; no code in it is run.

    Raises:
        OSError: there is no such file.
        ValueError: it is damaged, or something else.
    """
    path = Path(path)
    with path.open("rb"):
        pass  # a missing file says so in the usual words
    try:
        with safetensors.safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})[_KEY])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        model = create(about["name"], **about["options"])
        model.load_state_dict(tensors)
        preprocessing = about["preprocessing"] and Preprocessing.from_dict(about["preprocessing"])
        labels = about["labels"] and tuple(map(str, about["labels"]))
    except (
        safetensors.SafetensorError, AttributeError, KeyError, RuntimeError, TypeError, ValueError
    ) as error:  # fmt: skip
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path} is damaged, or no file of bitgrove.models.save ({reason})") from (
            None
        )
    return SavedModel(model.eval(), about["name"], about["options"], labels, preprocessing)
