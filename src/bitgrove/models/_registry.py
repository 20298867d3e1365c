"""Models by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial

from torch import nn

from ._binarynet import BinaryNet
from ._birealnet import BiRealNet
from ._birealnet_small import BiRealNetSmall
from ._xnornet_cifar10 import XnorNetCifar10

_MODELS: dict[str, Callable[..., nn.Module]] = {
    "binarynet": BinaryNet,
    "birealnet18": partial(BiRealNet, (4, 4, 4, 4)),
    "birealnet34": partial(BiRealNet, (6, 8, 12, 6)),
    "birealnet_small": BiRealNetSmall,
    "xnornet_cifar10": XnorNetCifar10,
}


def create(name: str, **options: object) -> nn.Module:
    """Make a model with fresh weights.

    Args:
        name: one of :func:`bitgrove.models.list`.
        options: the model's own arguments; its class documents them.

    Raises:
        ValueError: no model has this name; the message lists those there are.
        TypeError: the model has no such option; the message lists those it has.

    >>> type(create("birealnet_small", width=8)).__name__
    'BiRealNetSmall'
    """
    if name not in _MODELS:
        raise ValueError(f"model {name!r} is unknown; available: {', '.join(list_models())}")
    accepted = inspect.signature(_MODELS[name]).parameters
    unknown = sorted(set(options) - set(accepted))
    if unknown:
        raise TypeError(
            f"model {name!r} has no option {', '.join(unknown)}; it has: {', '.join(accepted)}"
        )
    return _MODELS[name](**options)


def list_models() -> list[str]:
    """The names that :func:`create` knows, sorted.

    >>> list_models()[:3]
    ['binarynet', 'birealnet18', 'birealnet34']
    """
    return sorted(_MODELS)
