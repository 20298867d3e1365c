"""A whole model with its binary layers packed."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from ._modules import PackedConv1d, PackedConv2d, PackedConv3d, PackedLinear
from ._source import is_binary

_KINDS: dict[int, Any] = {2: PackedLinear, 3: PackedConv1d, 4: PackedConv2d, 5: PackedConv3d}
"""By the number of axes of the weight."""


def pack_layers(model: nn.Module) -> nn.Module:
    """Copy a model with every binary layer replaced by a packed one.

    The copy computes what ``model.eval()`` does as far as binary layers go; the others are copied
    as they are, their mode too: call ``eval()`` on what is to run. It lives inside torch,
    ``torch.compile`` and ``torch.export`` included; import ``bitgrove.ops`` before
    ``torch.export.load``. To load a ``state_dict`` of it, pack a model of the same shape first.

    Args:
        model: a module with layers of ``bitgrove.nn``, or such a layer; it stays as it is.

    Returns:
        The copy. A layer that stands in several places is packed once.

    Raises:
        TypeError: a layer has a forward of its own.
        ValueError: there is no binary layer, or one cannot be packed, as
            :meth:`PackedConv2d.from_binary` says; the message names it.

    >>> from bitgrove import nn as bnn
    >>> pack_layers(nn.Sequential(bnn.BinaryLinear(8, 4), nn.BatchNorm1d(4)))
    Sequential(
      (0): PackedLinear(8, 4)
      (1): BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=True, ...)
    )
    """
    packed: dict[int, Any] = {}
    for name, module in model.named_modules():
        if is_binary(module):
            try:
                packed[id(module)] = _KINDS[module.weight.ndim].from_binary(module)
            except (TypeError, ValueError) as error:
                where = f"layer '{name}'" if name else "the model itself"
                raise type(error)(f"{where}: {error}") from None
    if not packed:
        raise ValueError(
            f"the {type(model).__name__} has no binary layer; give a model made of bitgrove.nn"
        )
    return copy.deepcopy(model, packed)  # what the memo knows is not copied but taken from it
