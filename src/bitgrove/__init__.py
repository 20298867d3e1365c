"""Vision models made of bits, look-ups, trees and neighbours.

Train or fine-tune in PyTorch (``bitgrove.nn``, ``bitgrove.optim``, ``bitgrove.models``), pack the
result into one ``.grove`` file (``bitgrove.export``), run it without PyTorch
(``bitgrove.runtime``), search by its embeddings (``bitgrove.search``). Sub-packages are imported on
first use, so ``import bitgrove`` costs neither torch nor the command line.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_PACKAGES = (
    "data",
    "explain",
    "export",
    "files",
    "hashing",
    "interfaces",
    "kernels",
    "metrics",
    "mining",
    "models",
    "nn",
    "ops",
    "optim",
    "report",
    "runtime",
    "search",
    "solvers",
    "training",
)

if TYPE_CHECKING:
    from .models import Summary as Summary
    from .models import summary as summary


def __getattr__(name: str) -> object:
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in ("summary", "Summary"):
        return getattr(importlib.import_module(f"{__name__}.models"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PACKAGES, "summary", "Summary"])


def require(module: str, *, extra: str, needed_for: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Args:
        module: name of the module, such as ``"torch"``.
        extra: the extra of bitgrove that installs it.
        needed_for: what the caller wanted to do, for the message.

    Raises:
        ModuleNotFoundError: the module is absent. A module that is present and broken raises its
            own error unchanged.

    >>> require("json", extra="train", needed_for="reading").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise ModuleNotFoundError(
            f"{needed_for} needs '{module}'. Install it with: pip install 'bitgrove[{extra}]'",
            name=error.name,
        ) from None
