"""``bitgrove reproduce``."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from .. import require


def reproduce(
    recipe: str,
    /,
    *,
    out: Path | None = None,
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    overwrite: bool = False,
) -> int:
    """Run a recipe: one command that makes the figures of one page.

    Parameters
    ----------
    recipe:
        Its name. At present: digits.
    out:
        Folder of the run. By default runs/RECIPE.
    seed:
        Of everything random.
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
    recipes.RECIPES[recipe](folder, seed=seed, overwrite=overwrite)
    print(f"model   {folder / 'model.grove'}\nreport  {folder / 'report.html'}")
    return 0
