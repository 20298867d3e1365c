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
    from ._pack_ferns import pack_ferns as pack_ferns
    from ._verify import Verification as Verification
    from ._verify import verify as verify

_WITH = {
    "pack": ("torch", "_pack"),
    "Verification": ("torch", "_verify"),
    "verify": ("torch", "_verify"),
    "pack_ferns": ("sklearn", "_pack_ferns"),
}
"""What needs a package of the extra ``train``, and where it is."""


def __getattr__(name: str) -> object:
    if name not in _WITH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    package, module = _WITH[name]
    require(package, extra="train", needed_for=f"{__name__}.{name}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WITH])
