"""Groups of parameters for an optimiser that moves real numbers, latent ones among them."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

from torch import nn

from ._split import split_parameters

_PRODUCTS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Linear,
)


def latent_groups(
    model: nn.Module, lr: float, *, glorot: bool = False, weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """Groups for ``torch.optim.Adam``, ``AdamW`` or ``SGD``: what moves how fast, and what decays.

    Latent binary weights never decay, because only their sign counts and a pull towards 0 turns it
    by chance. Of the real parameters the weights of convolutions and linear layers decay; biases,
    norms, learned scales, slopes and shifts, embeddings and parameters of modules unknown here do
    not. A parameter's role decides, never its name alone or its shape.

    Sources: Courbariaux et al., BinaryConnect, NeurIPS 2015 (the Glorot rates, from its published
    code); Liu et al., ReActNet, ECCV 2020 (no decay of binary weights; its code, which goes by the
    number of axes, decays the shifts instead).

    Args:
        model: any module.
        lr: learning rate, at least 0.
        glorot: multiply the learning rate of each latent weight by the inverse of the spread that
            Glorot and Bengio draw it with, ``sqrt((fan_in + fan_out) / 1.5)``, so that large and
            small layers flip at a like rate; a 3x3 convolution of 128 to 128 channels has 39.2.
            Fans are the products of the kernel with the input and output channels; with groups,
            with the channels of one group, where the original knows none.
        weight_decay: of the weights that decay, 0 or more.

    Returns:
        Those of these groups that have parameters, each with ``"name"``, ``"params"``, ``"lr"``,
        ``"lr_scale"`` (``lr`` holds it already; a schedule of ``lr`` should multiply by it, as
        :class:`bitgrove.optim.HyperparameterScheduler` does) and ``"weight_decay"``: ``"latent"``,
        or with ``glorot`` one ``"latent x FACTOR"`` for each factor; ``"weights"``, which decay;
        ``"others"``, which do not.

    Raises:
        ValueError: a number is out of its range; a binary parameter has fewer than two axes, so
            that it has no fans; or as :func:`bitgrove.optim.split_parameters` raises.

    >>> from bitgrove.nn import BinaryConv2d
    >>> net = nn.Sequential(BinaryConv2d(128, 128, 3), nn.BatchNorm2d(128), nn.Conv2d(128, 9, 1))
    >>> for group in latent_groups(net, 0.01, glorot=True, weight_decay=1e-4):
    ...     print(group["name"], round(group["lr"], 4), group["weight_decay"])
    latent x 39.1918 0.3919 0.0
    weights 0.01 0.0001
    others 0.01 0.0
    """
    if not 0 <= lr < float("inf"):
        raise ValueError(f"lr must be at least 0 and finite, got {lr}")
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay must be at least 0 and finite, got {weight_decay}")
    binary, real = split_parameters(model)
    factors = _glorot_factors(model) if glorot else dict.fromkeys(binary, 1.0)
    by_factor: dict[float, list[nn.Parameter]] = {}
    for parameter in binary:
        by_factor.setdefault(factors[parameter], []).append(parameter)
    decaying = _decaying(model)
    groups = [
        _group(f"latent x {factor:.6g}" if glorot else "latent", parameters, lr, factor, 0.0)
        for factor, parameters in by_factor.items()
    ]
    weights = [parameter for parameter in real if parameter in decaying]
    others = [parameter for parameter in real if parameter not in decaying]
    groups.append(_group("weights", weights, lr, 1.0, weight_decay))
    groups.append(_group("others", others, lr, 1.0, 0.0))
    return [group for group in groups if group["params"]]


def _group(
    name: str, parameters: list[nn.Parameter], lr: float, factor: float, weight_decay: float
) -> dict[str, Any]:
    return {
        "name": name,
        "params": parameters,
        "lr": lr * factor,
        "lr_scale": factor,
        "weight_decay": weight_decay,
    }


def _glorot_factors(model: nn.Module) -> dict[nn.Parameter, float]:
    factors: dict[nn.Parameter, float] = {}
    for path, module in model.named_modules():
        for name in getattr(module, "binary_parameter_names", ()):
            parameter = getattr(module, name)
            if parameter.ndim < 2:
                raise ValueError(
                    f"glorot needs weights of shape (out, in, ...), and {path}.{name} has shape "
                    f"{tuple(parameter.shape)}; leave glorot out"
                )
            outputs, inputs, *kernel = parameter.shape
            fans = prod(kernel) * (inputs + outputs // getattr(module, "groups", 1))
            factors.setdefault(parameter, sqrt(fans / 1.5))
    return factors


def _decaying(model: nn.Module) -> set[nn.Parameter]:
    """Weights of products; one that plays another role elsewhere is left out."""
    decaying: set[nn.Parameter] = set()
    others: set[nn.Parameter] = set()
    for module in model.modules():
        # The second are the binary layers, whose weight is real where they do not binarise it.
        product = isinstance(module, _PRODUCTS) or hasattr(module, "binary_parameter_names")
        for name, parameter in module.named_parameters(recurse=False):
            (decaying if product and name == "weight" else others).add(parameter)
    return decaying - others
