"""From a torch model to a packed one."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove.export")

from ._onnx import to_onnx as to_onnx
from ._pack import pack as pack
from ._quantise import Quantisation as Quantisation
from ._quantise import Quantised as Quantised
from ._quantise import QuantisedLayer as QuantisedLayer
from ._quantise import quantise as quantise
from ._verify import Verification as Verification
from ._verify import verify as verify
