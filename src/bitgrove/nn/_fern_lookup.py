"""The look-up of fern layers as one differentiable function that keeps its input alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ._fern_gradients import Mode, bits_to_rows, pull_back, row_factor, soft_weights
from ._fern_window import Window

_NUMBERS = 1 << 20
"""Of the largest array that a pass makes at a time: it stays in second-level cache."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a fern layer computes, apart from its parameters."""

    window: Window
    groups: int
    mode: Mode
    hardness: float


def lookup(
    x: Tensor,
    thresholds: Tensor,
    table: Tensor,
    choice: Tensor | None,
    places: Tensor,
    chosen: Tensor,
    what: Lookup,
    usage: Tensor | None = None,
) -> Tensor:
    """Sum the rows that the ferns' bits address.

    Autograd keeps ``x`` and the parameters. What the tests read is gathered once more going
    backwards, a few images at a time.

    Args:
        x: ``(n, c, h, w)``.
        thresholds: ``[groups * ferns, depth]``.
        table: ``[groups, ferns, 2^depth, outs]``.
        choice: logits of the candidates of each test, ``[groups * ferns, depth, candidates]``, or
            None where there is nothing to learn.
        places: the candidates, of the same shape, as :func:`draw_places` makes them.
        chosen: those in use, ``int64[groups * ferns, depth]``.
        what: geometry and gradient.
        usage: ``int64[groups * ferns, 2^depth]``, to which the visits of every row are added.

    Returns:
        ``(n, groups * outs, *sides)``.
    """
    return cast(Tensor, _Lookup.apply(x, thresholds, table, choice, places, chosen, what, usage))


def _parts(x: Tensor, table: Tensor, positions: int) -> list[slice]:
    """Images that are worked on together."""
    size = max(1, _NUMBERS // max(1, positions * table[..., 0].numel()))
    return [slice(start, start + size) for start in range(0, len(x), size)]


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        thresholds: Tensor,
        table: Tensor,
        choice: Tensor | None,
        places: Tensor,
        chosen: Tensor,
        what: Lookup,
        usage: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(x, thresholds, table, choice, places, chosen)
        ctx.what = what
        out = what.window.out(*x.shape[2:])
        y = x.new_empty((len(x), table.shape[0] * table.shape[3], *out))
        for part in _parts(x, table, out[0] * out[1]):
            z = _tested(x[part], thresholds, chosen, what, out)
            rows = bits_to_rows(z)
            if usage is not None:
                usage.scatter_add_(1, rows, torch.ones_like(rows))
            sums = _sums(z, rows, table, what).unflatten(0, (-1, out[0] * out[1]))
            y[part].flatten(2).copy_(sums.transpose(1, 2))
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, thresholds, table, choice, places, chosen = ctx.saved_tensors
        what: Lookup = ctx.what
        out = gradients[0].shape[2], gradients[0].shape[3]
        of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        of_table, of_thresholds = torch.zeros_like(table), torch.zeros_like(thresholds)
        of_candidates = None if choice is None else torch.zeros_like(choice)
        for part in _parts(x, table, out[0] * out[1]):
            padded = what.window.padded(x[part])
            z = _tested(x[part], thresholds, chosen, what, out, padded)
            gradient = gradients[0][part].flatten(2).transpose(1, 2).flatten(0, 1)
            of_rows = _table_gradient_(of_table, z, table, gradient, what)
            of_z = pull_back(z, of_rows, what.mode, what.hardness)
            of_thresholds -= of_z.sum(2)
            of_z = of_z.flatten(0, 1).unflatten(1, (len(padded), -1))
            if of_candidates is not None:
                _add_candidates_(of_candidates, of_z, padded, places, what, out)
            if of_x is not None:
                padded = torch.zeros_like(padded)
                what.window.scatter(of_z, chosen.flatten(), padded, out)
                of_x[part] = what.window.unpadded(padded)
        of_choice = None
        if choice is not None and of_candidates is not None:
            shares = choice.softmax(2)
            mean = (shares * of_candidates).sum(2, keepdim=True)
            of_choice = shares * (of_candidates - mean)
        return of_x, of_thresholds, of_table, of_choice, None, None, None, None


def _tested(
    x: Tensor,
    thresholds: Tensor,
    chosen: Tensor,
    what: Lookup,
    out: tuple[int, int],
    padded: Tensor | None = None,
) -> Tensor:
    """``z[groups * ferns, depth, n * positions]``, what the tests read minus the thresholds."""
    padded = what.window.padded(x) if padded is None else padded
    found = what.window.gather(padded, chosen.flatten(), out).flatten(1)
    found -= thresholds.reshape(-1, 1)
    return found.unflatten(0, chosen.shape)


def _sums(z: Tensor, addresses: Tensor, table: Tensor, what: Lookup) -> Tensor:
    """``[n * positions, groups * outs]``."""
    groups, ferns, rows, outs = table.shape
    sums = []
    for group, own in enumerate(table):
        part = slice(group * ferns, (group + 1) * ferns)
        here, flat = z[part], own.reshape(ferns * rows, outs)
        if what.mode == "soft" and what.hardness < 1:
            weights = soft_weights(here, what.hardness)
            sums.append(weights.flatten(0, 1).T @ flat)
            continue
        first = torch.arange(ferns, device=z.device)[:, None] * rows
        read = (addresses[part] + first).to(torch.int32).T.contiguous()
        factor = row_factor(here, what.mode, what.hardness)
        factor = None if factor is None else factor.T.contiguous()
        sums.append(F.embedding_bag(read, flat, mode="sum", per_sample_weights=factor))
    return sums[0] if groups == 1 else torch.cat(sums, 1)


def _table_gradient_(
    of_table: Tensor, z: Tensor, table: Tensor, gradient: Tensor, what: Lookup
) -> Tensor:
    """Add the table's gradient; returns that of the weights of all rows.

    Both are matrix products: sums over scattered rows are slower on a CPU.
    """
    groups, ferns, rows, outs = table.shape
    found = []
    for group, own in enumerate(table):
        here = z[group * ferns : (group + 1) * ferns]
        of_out = gradient[:, group * outs : (group + 1) * outs]
        if what.mode == "soft" and what.hardness < 1:
            weights = soft_weights(here, what.hardness)
        else:
            factor = row_factor(here, what.mode, what.hardness)
            factor = torch.ones_like(here[:, :1]) if factor is None else factor[:, None]
            weights = torch.zeros((ferns, rows, here.shape[2]), dtype=z.dtype, device=z.device)
            weights.scatter_(1, bits_to_rows(here)[:, None], factor)
        of_table[group] += (weights.flatten(0, 1) @ of_out).reshape(own.shape)
        found.append((own.reshape(-1, outs) @ of_out.T).unflatten(0, (ferns, rows)))
    return found[0] if groups == 1 else torch.cat(found)


def _add_candidates_(
    total: Tensor,
    of_z: Tensor,
    padded: Tensor,
    places: Tensor,
    what: Lookup,
    out: tuple[int, int],
) -> None:
    """Add, for each candidate, the gradient that it would get as the test's input."""
    for k in range(places.shape[2]):
        found = what.window.gather(padded, places[..., k].flatten(), out)
        total[..., k] += (found * of_z).sum((1, 2)).reshape(total.shape[:2])
