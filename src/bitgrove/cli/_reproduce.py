"""``bitgrove reproduce``."""

from __future__ import annotations

import difflib
import inspect
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from .. import require
from ._fit import check_out

Count = Annotated[int | None, Parameter(validator=Number(gte=1))]


def reproduce(
    recipe: str,
    /,
    *,
    out: Path | None = None,
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    seeds: Count = None,
    budget: Annotated[float | None, Parameter(validator=Number(gt=0))] = None,
    width: Count = None,
    epochs: Count = None,
    rows: Count = None,
    arm: list[str] | None = None,
    precision: Literal["float32", "bfloat16"] | None = None,
    threads: Count = None,
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Run a recipe: one command that makes the figures of one page.

    Parameters
    ----------
    recipe:
        Its name; an unknown one lists them all.
    out:
        Folder of the run. By default runs/RECIPE.
    seed:
        Of weights, order and shifts; the first one of several. Of a study the split stays.
    seeds:
        How many seeds to run, for the spread. By default 1.
    budget:
        Minutes for everything. The network is narrowed and trained for fewer epochs to fit, and the
        page says how. Without it the run is as long as the paper's: days on a CPU.
    width:
        Channels of the network's first layer, in place of the paper's or the budget's.
    epochs:
        Passes over the training images, in place of the paper's or the budget's.
    rows:
        Of the data that are searched, in place of all.
    arm:
        A row of the table; may be given several times. By default all. Several commands, each with
        other arms, may fill one folder: give --resume to all but the first.
    precision:
        Of the forward and backward pass in training.
    threads:
        Of torch. By default its own choice.
    resume:
        Go on with the run that OUT holds.
    overwrite:
        Replace the run that OUT holds.
    """
    require("torch", extra="train", needed_for="bitgrove reproduce")
    from .. import recipes

    if recipe not in recipes.RECIPES:
        near = difflib.get_close_matches(recipe, recipes.RECIPES, 1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"no recipe '{recipe}'; known: {', '.join(recipes.RECIPES)}.{hint}")
    run = recipes.RECIPES[recipe]
    given = {
        "seeds": seeds, "budget": budget, "width": width, "epochs": epochs, "rows": rows,
        "arm": arm,
        "precision": precision, "threads": threads,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    unknown = sorted(given.keys() - inspect.signature(run).parameters.keys())
    if unknown:
        raise ValueError(f"recipe '{recipe}' has no option --{', --'.join(unknown)}")
    folder = out or Path("runs") / recipe
    check_out(folder, resume=resume, overwrite=overwrite)
    run(folder, seed=seed, resume=resume, overwrite=overwrite, **given)
    for name in ("model.grove", "expected.toml", "report.html"):
        if (folder / name).exists():
            print(f"{name.partition('.')[0]:8} {folder / name}")
