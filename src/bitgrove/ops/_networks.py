"""Networks of one convolution, kept between calls for as long as nobody writes to their tensors."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from .. import _core
from ._bits import unpack_weight
from ._checks import Operands, Window, check_input, convolved_shape, multiplied_shape

_PIXEL = Window(stride=(1,), padding=(0,), dilation=(1,), groups=1, pad_value=0)
_LIMIT = 256 << 20
"""Bytes of networks that are kept: their weights and the memory they run in."""


def convolve(x: Tensor, operands: Operands, window: Window, *, signs: bool) -> Tensor:
    """The convolution of ``x``, or of its signs, in new contiguous memory."""
    check_input(x)
    shape = x.shape[1:]
    key = (signs, window, shape, *map(_address, operands))
    built = _cache.get(key, operands)
    if built is None:
        convolved_shape(x, operands, window)
        built = _build(shape, operands, window, signs, _witnesses(operands))
        _cache.put(key, built)
    return built.run(x)


def multiply(x: Tensor, operands: Operands, *, signs: bool) -> Tensor:
    """The product along the last axis: a convolution of one pixel for each row."""
    check_input(x)
    shape = x.shape[-1:]
    key = (signs, None, shape, *map(_address, operands))
    built = _cache.get(key, operands)
    if built is None:
        multiplied_shape(x, operands)
        pixel = operands._replace(weight=operands.weight.unsqueeze(1))
        built = _build((*shape, 1), pixel, _PIXEL, signs, _witnesses(operands))
        _cache.put(key, built)
    rows = x.reshape(math.prod(x.shape[:-1]), *shape, 1)
    return built.run(rows).view(*x.shape[:-1], built.shape[0])


class _Built(NamedTuple):
    network: _core.Network
    output: list[int]
    shape: tuple[int, ...]
    """Of the result for one image: channels, then sides."""
    witnesses: tuple[_Witness | None, ...]
    """One for each operand."""
    bytes: int

    def run(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        y = x.new_empty((n, *self.shape))  # whatever torch's default dtype and device are
        if n:
            rows: Any = _array(x)
            results: Any = y.numpy()
            self.network.run(rows, self.output, (results,), torch.get_num_threads())
        return y


class _Witness:
    """Tells whether a tensor holds what a network was built from.

    By its version, which every operator of torch that writes to it counts up. The tensor is held,
    so that no other one comes to lie at its address meanwhile. Tensors that were made in
    ``torch.inference_mode`` have no version: a copy of theirs is kept, and compared.
    """

    __slots__ = ("_address", "_copy", "_tensor", "_version")

    def __init__(self, tensor: Tensor) -> None:
        self._tensor, self._address = tensor, tensor.data_ptr()
        self._copy = tensor.clone() if tensor.is_inference() else None
        self._version = tensor._version if self._copy is None else 0

    def knows(self, tensor: Tensor) -> bool:
        """Of a tensor at the address where this one was."""
        ours = self._tensor
        if tensor is not ours and (
            ours.data_ptr() != self._address
            or (ours.dtype, ours.shape, ours.stride())
            != (tensor.dtype, tensor.shape, tensor.stride())
        ):
            return False
        if self._copy is not None:
            return torch.equal(ours, self._copy)
        return ours._version == self._version


class _Cache:
    """The networks used last, by what they were built for, within a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._bytes = limit, 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Built] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable, operands: Operands) -> _Built | None:
        with self._lock:
            built = self._entries.get(key)
            if built is None:
                return None
            self._entries.move_to_end(key)
        for witness, tensor in zip(built.witnesses, operands, strict=True):
            if witness is not None and not witness.knows(cast(Tensor, tensor)):
                return None
        return built

    def put(self, key: Hashable, built: _Built) -> None:
        with self._lock:
            replaced = self._entries.pop(key, None)
            self._bytes += built.bytes - (replaced.bytes if replaced else 0)
            self._entries[key] = built
            while self._bytes > self._limit and len(self._entries) > 1:
                self._bytes -= self._entries.popitem(last=False)[1].bytes


_cache = _Cache(_LIMIT)


def _build(
    shape: tuple[int, ...],
    operands: Operands,
    window: Window,
    signs: bool,
    witnesses: tuple[_Witness | None, ...],
) -> _Built:
    # The witnesses come first, so that what is written while we build is seen next time.
    network = _core.Network(shape[0], shape[1:])
    append: Callable[..., int] = _binary_conv if signs else _binary_weight_conv
    output = append(network, shape[0], operands, window)
    network.finish([output])
    # Real weights take 32 times their bits; the witnesses hold the bits once more.
    weights = operands.weight.nbytes * (2 if signs else 33)
    out = tuple(network.shape(output))
    return _Built(network, [output], out, witnesses, network.arena_bytes + weights)


def _binary_conv(network: _core.Network, channels: int, operands: Operands, window: Window) -> int:
    arrays = {name: _array(tensor) for name, tensor in operands._asdict().items()}
    value = network.sign(0, arrays.pop("threshold"), arrays.pop("flip"), window.groups)
    return network.binary_conv(value, **arrays, **window._asdict())


def _binary_weight_conv(
    network: _core.Network, channels: int, operands: Operands, window: Window
) -> int:
    signs = unpack_weight(operands.weight, channels // window.groups).movedim(1, -1)
    scale, bias = _array(operands.scale), _array(operands.bias)
    value = network.conv(0, _array(signs), bias if scale is None else None, **window._asdict())
    if scale is None:  # else scaled behind the sums, as a layer does, not in the weights
        return value
    return network.affine(value, scale, np.zeros_like(scale) if bias is None else bias)


def _witnesses(operands: Operands) -> tuple[_Witness | None, ...]:
    return tuple(None if tensor is None else _Witness(tensor) for tensor in operands)


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.detach().contiguous().numpy()
