"""Networks by name, and a summary of any network."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove.models")

from ._binarynet import BinaryNet as BinaryNet
from ._birealnet import BiRealNet as BiRealNet
from ._birealnet_small import BiRealNetSmall as BiRealNetSmall
from ._parts import LeakyClip as LeakyClip
from ._registry import create as create
from ._registry import list_models as list  # noqa: F401
from ._summary import LayerSummary as LayerSummary
from ._summary import Summary as Summary
from ._summary import summary as summary
from ._xnornet_cifar10 import XnorNetCifar10 as XnorNetCifar10
