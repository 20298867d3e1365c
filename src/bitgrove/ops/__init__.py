"""Packed binary convolutions as torch operators: bits inside torch, compiled and exported too."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove.ops")

from ._bits import pack_weight as pack_weight
from ._bits import unpack_weight as unpack_weight
from ._functions import binary_conv as binary_conv
from ._functions import binary_linear as binary_linear
from ._functions import binary_weight_conv as binary_weight_conv
from ._functions import binary_weight_linear as binary_weight_linear
from ._modules import PackedConv1d as PackedConv1d
from ._modules import PackedConv2d as PackedConv2d
from ._modules import PackedConv3d as PackedConv3d
from ._modules import PackedLinear as PackedLinear
from ._pack import pack_layers as pack_layers
