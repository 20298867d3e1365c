"""From a torch model to a packed one, and from that to ONNX; trained forests to packed ones."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .. import require
from ._forest import import_forest as import_forest
from ._onnx import to_onnx as to_onnx
from ._quantise import Quantisation as Quantisation
from ._quantise import Quantised as Quantised
from ._quantise import QuantisedLayer as QuantisedLayer
from ._quantise import quantise as quantise

if TYPE_CHECKING:
    from ._pack import pack as pack
    from ._verify import Verification as Verification
    from ._verify import verify as verify

_WITH_TORCH = {"pack": "_pack", "Verification": "_verify", "verify": "_verify"}


def __getattr__(name: str) -> object:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require("torch", extra="train", needed_for=f"{__name__}.{name}")
    return getattr(importlib.import_module(f"{__name__}.{_WITH_TORCH[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WITH_TORCH])
