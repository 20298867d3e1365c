"""What random ferns are asked for, before any of it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from ._fern_importance import FernImportance
from ._fern_questions import FernTests
from ._fern_rules import FernRule
from ._fern_tables import TableDtype

if TYPE_CHECKING:
    from ._random_ferns import RandomFerns


def check_parameters(solver: RandomFerns) -> None:
    """Refuse parameters that are out of range or do not fit each other."""
    for name, most in (("ferns", 1 << 24), ("depth", 16), ("memory_limit", 1 << 62)):
        value = getattr(solver, name)
        if not _is_whole(value) or not 1 <= value <= most:
            raise ValueError(f"{name} must be an int in 1 to {most}, got {value!r}")
    for name, kind in (("tests", FernTests), ("rule", FernRule), ("table_dtype", TableDtype)):
        if getattr(solver, name) not in get_args(kind):
            known = ", ".join(map(repr, get_args(kind)))
            raise ValueError(f"{name} must be one of {known}, got {getattr(solver, name)!r}")
    if solver.importance not in (None, *get_args(FernImportance)):
        known = ", ".join(map(repr, get_args(FernImportance)))
        raise ValueError(f"importance must be {known} or None, got {solver.importance!r}")
    for name in ("bootstrap", "oob_score"):
        if not isinstance(getattr(solver, name), bool | np.bool_):
            raise ValueError(f"{name} must be True or False, got {getattr(solver, name)!r}")
    for name in ("oob_score", "importance"):
        if getattr(solver, name) and not solver.bootstrap:
            raise ValueError(f"{name} needs rows out of bags: set bootstrap=True")
    prior: Any = solver.prior
    if isinstance(prior, bool) or not isinstance(prior, int | float | np.number):
        raise ValueError(f"prior must be a number above 0, got {prior!r}")
    if not (np.isfinite(prior) and prior > 0):
        raise ValueError(f"prior must be finite and above 0, got {prior!r}")
    if solver.threads is not None and (not _is_whole(solver.threads) or solver.threads < 1):
        raise ValueError(f"threads must be an int of at least 1 or None, got {solver.threads!r}")


def check_prior(given: Any, known: list[npt.NDArray]) -> None:
    """Refuse a class prior that is not one for these classes of each output."""
    if isinstance(given, str):
        if given not in ("uniform", "empirical"):
            raise ValueError(
                f"class_prior must be 'uniform', 'empirical' or probabilities, got {given!r}"
            )
        return
    shares = np.asarray(given, np.float64)
    if len(known) > 1:
        raise ValueError("class_prior must be 'uniform' or 'empirical' for several outputs")
    if shares.shape != known[0].shape or not np.isfinite(shares).all() or (shares <= 0).any():
        raise ValueError(
            f"class_prior must be {len(known[0])} probabilities above 0, one for each class, "
            f"got {given!r}"
        )


def check_memory(solver: RandomFerns, known: list[npt.NDArray]) -> None:
    """Refuse what needs more than the limit, before it is taken."""
    leaves = solver.ferns << solver.depth
    classes = sum(map(len, known))
    # Counts and logarithms in float64, and a table as wide as the kernels want it.
    needed = leaves * (3 * 8 * classes + 4 * (classes + 15))
    if needed > solver.memory_limit:
        raise ValueError(
            f"{solver.ferns} ferns of depth {solver.depth} with {classes} classes need "
            f"{needed:,} bytes, memory_limit is {solver.memory_limit:,}: take fewer ferns, a "
            "smaller depth, or raise memory_limit"
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
