"""Our kernels as torch operators: one pass over the memory where torch needs two or three.

They are for float32 in the memory of a CPU; :func:`fast` tells whether a tensor is. Operators, and
not plain calls, so that who watches torch's operators (a tracer, a tensor without memory) sees
them. None has a gradient: they are called where none is recorded.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .. import kernels


def fast(*tensors: Tensor) -> bool:
    """Whether the operators below serve these tensors, here and now."""
    if torch.compiler.is_compiling():  # the compiler fuses the formulas by itself
        return False
    return all(
        type(x) in (Tensor, nn.Parameter) and x.dtype is torch.float32 and x.device.type == "cpu"
        for x in tensors
    )


def signs(x: Tensor) -> Tensor:
    """+1 where ``x >= 0``, else -1."""
    return torch.ops.bitgrove.signs(x)


def brief_signs(x: Tensor) -> Tensor:
    """:func:`signs` in memory that the next call in this thread writes over.

    New memory costs the system a fault for every page, which is more than the pass itself.
    """
    out = _scratch(x)
    if out is None:
        return signs(x)
    torch.ops.bitgrove.signs_into(x, out)
    return out


def approx_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """``gradient * 2 * (1 - |x|).clamp(min=0)``."""
    return torch.ops.bitgrove.approx_gradient(gradient, x)


def approx_gradient_(gradient: Tensor, x: Tensor) -> Tensor:
    """The same, written over ``gradient``."""
    torch.ops.bitgrove.approx_gradient_(gradient, x)
    return gradient


def _signs(x: Tensor) -> Tensor:
    out = torch.empty_like(x)
    if out.stride() != x.stride():  # x has holes, or repeats itself
        x = out.copy_(x)
    kernels.signs(_memory(x), _memory(out), threads=torch.get_num_threads())
    return out


def _signs_into(x: Tensor, out: Tensor) -> None:
    kernels.signs(_memory(x), _memory(out), threads=torch.get_num_threads())


def _scratch(x: Tensor) -> Tensor | None:
    if not _dense(x):
        return None
    memory: Tensor | None = getattr(_local, "memory", None)
    if memory is None or memory.numel() < x.numel():
        memory = torch.empty(x.numel())
        if type(memory) is not Tensor:
            return None
        _local.memory = memory
    return memory.as_strided(x.shape, x.stride())


_local = threading.local()


def _approx_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    out = torch.empty_like(x)
    _approx_gradient_into(gradient, x, out)
    return out


def _approx_gradient_(gradient: Tensor, x: Tensor) -> None:
    _approx_gradient_into(gradient, x, gradient)


def _approx_gradient_into(gradient: Tensor, x: Tensor, out: Tensor) -> None:
    if gradient.stride() == x.stride() == out.stride() and _dense(x):
        threads = torch.get_num_threads()
        kernels.approx_gradient(_memory(gradient), _memory(x), _memory(out), threads=threads)
    else:
        torch.mul(gradient, 2 * (1 - x.abs()).clamp(min=0), out=out)


def _dense(x: Tensor) -> bool:
    return (
        x.is_contiguous()
        or (x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last))
        or (x.ndim == 5 and x.is_contiguous(memory_format=torch.channels_last_3d))
    )


def _memory(x: Tensor) -> npt.NDArray[np.float32]:
    """All elements of a tensor without holes, as they lie."""
    array: Any = x.as_strided((x.numel(),), (1,)).numpy()
    return array


def _register() -> None:
    for name, schema, compute, pretend in (
        ("signs", "(Tensor x) -> Tensor", _signs, torch.empty_like),
        ("signs_into", "(Tensor x, Tensor(a!) out) -> ()", _signs_into, lambda x, out: None),
        (
            "approx_gradient",
            "(Tensor gradient, Tensor x) -> Tensor",
            _approx_gradient,
            lambda gradient, x: torch.empty_like(x),
        ),
        (
            "approx_gradient_",
            "(Tensor(a!) gradient, Tensor x) -> ()",
            _approx_gradient_,
            lambda gradient, x: None,
        ),
    ):
        torch.library.define(f"bitgrove::{name}", schema)
        torch.library.impl(f"bitgrove::{name}", "CPU", compute)
        torch.library.register_fake(f"bitgrove::{name}", pretend)


_register()
