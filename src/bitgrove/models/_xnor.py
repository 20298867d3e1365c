"""The layer of XNOR-Net and the one of its weights-only form."""

from __future__ import annotations

from torch import nn

from ..nn import Estimator
from ._parts import Bits, Real, Size, sequence

EPS = 1e-4
"""Of the batch norms, as the authors have it."""


def xnor_bits(
    weights_only: bool,
    *,
    real: Real,
    pad_value: float,
    input_estimator: str | Estimator | None,
    weight_estimator: str | Estimator | None,
    input_scale: bool,
) -> Bits:
    """How the layers of an XNOR network, or of a binary-weight one, are made.

    Raises:
        ValueError: ``input_scale`` is asked for where inputs stay real.
    """
    if weights_only and input_scale:
        raise ValueError(
            "input_scale is the magnitude that a sign loses, and weights_only keeps the "
            "activations real; use one of them"
        )
    return Bits(
        real=real,
        pad_value=pad_value,
        input_estimator=None if weights_only else input_estimator,
        weight_estimator=weight_estimator,
        scale="channel",
        input_scale=input_scale,
    )


def xnor_layer(
    bits: Bits,
    before: int,
    after: int,
    kernel: Size,
    *,
    weights_only: bool = False,
    activate: bool = True,
    stride: int = 1,
    padding: int = 0,
    pool: nn.Module | None = None,
    pool_last: bool = False,
    dropout: float = 0.0,
    eps: float = EPS,
) -> nn.Sequential:
    """``batch norm -> sign -> 1-bit convolution (-> pooling)``, or with real inputs the usual.

    The usual is ``1-bit convolution (-> pooling) -> batch norm -> ReLU``, this one left out without
    ``activate``; with ``pool_last`` the pooling comes after it. Dropout drops whole channels.

    Source: Rastegari et al., XNOR-Net, ECCV 2016. Differences: the authors' code adds
    biases, which the next batch norm takes away again; they are left out.
    """
    drop = nn.Dropout2d(dropout) if dropout else None
    conv = bits.convolution(before, after, kernel, stride=stride, padding=padding)
    if weights_only:
        norm, relu = nn.BatchNorm2d(after, eps=eps), bits.relu() if activate else None
        if pool_last:
            return sequence(dropout=drop, conv=conv, norm=norm, activation=relu, pool=pool)
        return sequence(dropout=drop, conv=conv, pool=pool, norm=norm, activation=relu)
    norm = nn.BatchNorm2d(before, eps=eps)
    return sequence(dropout=drop, norm=norm, activation=bits.activation(), conv=conv, pool=pool)
