"""One command for each table: ``bitgrove reproduce NAME``."""

from collections.abc import Callable

from .digits import run as _digits

RECIPES: dict[str, Callable[..., object]] = {"digits": _digits}
"""Recipes by name; each takes the folder of the run, ``seed``, ``resume``, ``overwrite``."""
