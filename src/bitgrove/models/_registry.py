"""Models by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from torch import nn

from ._birealnet_small import BiRealNetSmall

_MODELS: dict[str, Callable[..., nn.Module]] = {
    "birealnet_small": BiRealNetSmall,
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

    >>> list_models()
    ['birealnet_small']
    """
    return sorted(_MODELS)
