"""``bitgrove reproduce``."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from .. import require
from ._fit import check_out


def reproduce(
    recipe: str,
    /,
    *,
    out: Path | None = None,
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Run a recipe: one command that makes the figures of one page.

    Parameters
    ----------
    recipe:
        Its name. At present: digits.
    out:
        Folder of the run. By default runs/RECIPE.
    seed:
        Of everything random.
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
    folder = out or Path("runs") / recipe
    check_out(folder, resume=resume, overwrite=overwrite)
    recipes.RECIPES[recipe](folder, seed=seed, resume=resume, overwrite=overwrite)
    print(f"model   {folder / 'model.grove'}\nreport  {folder / 'report.html'}")
