"""Networks by name, and a summary of any network."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove.models")

from ._alexnet import AlexNet as AlexNet
from ._binarynet import BinaryNet as BinaryNet
from ._bireal_bottleneck import BiRealBottleneck as BiRealBottleneck
from ._bireal_bottleneck import BiRealBottleneckNet as BiRealBottleneckNet
from ._bireal_depth import BiRealDepthNet as BiRealDepthNet
from ._birealnet import BiRealNet as BiRealNet
from ._birealnet_small import BiRealNetSmall as BiRealNetSmall
from ._count import summary as summary
from ._energy import INTEGERS as INTEGERS
from ._energy import PAPER as PAPER
from ._energy import EnergyModel as EnergyModel
from ._energy import energy as energy
from ._fernnet import FernNet as FernNet
from ._nin import NIN as NIN
from ._quicknet import QuickNet as QuickNet
from ._reactnet import ReActNet as ReActNet
from ._registry import create as create
from ._registry import list_models as list  # noqa: F401
from ._resnet import ResNet as ResNet
from ._summary import LayerSummary as LayerSummary
from ._summary import Summary as Summary
from ._xnornet_cifar10 import XnorNetCifar10 as XnorNetCifar10
