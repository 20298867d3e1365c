"""Models by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial

from torch import nn

from ._alexnet import AlexNet
from ._binarynet import BinaryNet
from ._bireal_bottleneck import BiRealBottleneckNet
from ._bireal_depth import BiRealDepthNet
from ._birealnet import BiRealNet
from ._birealnet_small import BiRealNetSmall
from ._fernnet import FernNet
from ._nin import NIN
from ._quicknet import QuickNet
from ._reactnet import ReActNet
from ._resnet import ResNet
from ._xnornet_cifar10 import XnorNetCifar10

_MODELS: dict[str, Callable[..., nn.Module]] = {
    "binarynet": BinaryNet,
    "birealnet18": partial(BiRealNet, (4, 4, 4, 4)),
    "birealnet34": partial(BiRealNet, (6, 8, 12, 6)),
    "birealnet50": partial(BiRealBottleneckNet, (3, 4, 6, 3)),
    "birealnet152": partial(BiRealBottleneckNet, (3, 8, 36, 3)),
    "birealnet50_depth": BiRealDepthNet,
    "birealnet_small": BiRealNetSmall,
    "bwn_alexnet": partial(AlexNet, True),
    "bwn_resnet18": partial(ResNet, True),
    "fernnet": FernNet,
    "nin": NIN,
    "quicknet": partial(QuickNet, (4, 4, 4, 4), (1, 2, 4, 8)),
    "quicknet_large": partial(QuickNet, (6, 8, 12, 6), (1, 2, 4, 8)),
    "quicknet_small": partial(QuickNet, (4, 4, 4, 4), (1, 2, 8, 16), width=32),
    "reactnet_a": ReActNet,
    "xnor_alexnet": partial(AlexNet, False),
    "xnor_resnet18": partial(ResNet, False),
    "xnornet_cifar10": XnorNetCifar10,
}


def create(name: str, **options: object) -> nn.Module:
    """Make a model with fresh weights.

    Every model maps pictures ``(n, in_channels, h, w)`` to logits with its ``forward`` and to
    ``(n, embedding_dim)`` with its ``embed``, and ``real=True`` makes its real twin.

    ==================================================  ===========================
    name                                                class, which has the source
    ==================================================  ===========================
    ``binarynet``                                       :class:`BinaryNet`
    ``birealnet18`` ``birealnet34``                     :class:`BiRealNet`
    ``birealnet50`` ``birealnet152``                    :class:`BiRealBottleneckNet`
    ``birealnet50_depth``                               :class:`BiRealDepthNet`
    ``birealnet_small``                                 :class:`BiRealNetSmall`
    ``fernnet``                                         :class:`FernNet`
    ``nin``                                             :class:`NIN`
    ``quicknet_small`` ``quicknet`` ``quicknet_large``  :class:`QuickNet`
    ``reactnet_a``                                      :class:`ReActNet`
    ``xnor_alexnet`` ``bwn_alexnet``                    :class:`AlexNet`
    ``xnor_resnet18`` ``bwn_resnet18``                  :class:`ResNet`
    ``xnornet_cifar10``                                 :class:`XnorNetCifar10`
    ==================================================  ===========================

    Args:
        name: one of :func:`bitgrove.models.list`.
        options: the class' own arguments, but for those that the name stands for.

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
    ['binarynet', 'birealnet152', 'birealnet18']
    """
    return sorted(_MODELS)
