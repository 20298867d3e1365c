"""``bitgrove explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from .. import files, require
from ..files import replacing
from ._pictures import shown

_SAVED = "model.safetensors"


def explain(
    model: Path,
    image: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("path.png"),
    tree: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
) -> None:
    """Draw how a decision forest came to its answer: the path, and what decided at every node.

    An existing picture is replaced.

    Parameters
    ----------
    model:
        A network with a decision forest, as bitgrove.models.save writes it, or the folder of a run
        that holds one: model.safetensors. A packed .grove file has no gradients and will not do.
    image:
        A picture.
    out:
        The picture to write, .png or .pdf or .svg.
    tree:
        Which tree of the forest to follow, from 1.
    """
    require("torch", extra="train", needed_for="bitgrove explain")
    require("matplotlib", extra="train", needed_for="bitgrove explain")
    kind = out.suffix.lower().removeprefix(".")
    if kind not in ("png", "pdf", "svg"):
        raise ValueError(f"{out}: the picture must end in .png, .pdf or .svg")
    path = _find(model)

    import torch

    from .. import models
    from ..explain import decision_path, draw_path
    from ..explain._look import find_forest

    saved = models.load(path)
    if saved.preprocessing is None:
        raise ValueError(
            f"{path}: the file does not say how a picture becomes the model's input; write it with "
            "bitgrove.models.save(..., preprocessing=...)"
        )
    forest = find_forest(saved.model)
    if tree > forest.trees:
        raise ValueError(
            f"--tree must be 1 to {forest.trees}, the trees of this forest, got {tree}"
        )
    pixels = saved.preprocessing.decode(image)
    x = torch.from_numpy(saved.preprocessing.normalise(pixels[None]))
    found = decision_path(saved.model, x, tree=tree - 1)
    figure = draw_path(found, pixels, labels=saved.labels)
    with replacing(out) as file:
        figure.savefig(file, format=kind, dpi=110)
    names = saved.labels
    if found.task == "classification":
        best = int(found.answer.argmax())
        print(f"{shown(str(image))}: {shown(names[best] if names else str(best))} "
              f"({found.answer[best]:.1%})")  # fmt: skip
    print(found)
    print(f"picture {shown(str(out))}")


def _find(model: Path) -> Path:
    """The file of a network with gradients that MODEL names."""
    if model.is_dir():
        inside = model / _SAVED
        if not inside.is_file():
            below = sorted(model.glob(f"*/*/{_SAVED}"))
            hint = f"; there is {below[0].parent}" if below else ""
            raise ValueError(f"{model} holds no {_SAVED}{hint}")
        return inside
    if model.suffix == ".ckpt":
        raise ValueError(
            f"{model} is a checkpoint, which has weights but no network; give the {_SAVED} that "
            "bitgrove.models.save writes"
        )
    if not model.exists():
        raise FileNotFoundError(2, "no such file or folder", str(model))
    if model.suffix == ".grove" or _is_packed(model):
        raise ValueError(
            f"{model} is a packed model: its trees are hard and have no gradients to explain. Give "
            f"the {_SAVED} of the network that it was packed from (bitgrove.models.save writes it)"
        )
    return model


def _is_packed(path: Path) -> bool:
    try:
        files.peek(path)
    except (OSError, ValueError):
        return False
    return True
