"""How often the weights of a binary network flip, and where their latent values lie."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..optim import FlippingOptimizer, split_parameters

_LATENT_RANGE, _PRESSURE_RANGE = 1.5, 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightBits:
    """What one binary parameter did between two records."""

    flips: float | None
    """Share of its weights whose sign an update changes, averaged over the updates since the last
    record: Larq's flip ratio. None without an update."""
    changed: float
    """Share whose sign is another than at the start."""
    saturated: float | None
    """Share of the latent weights at 1 or beyond; None where there are none, as with Bop."""
    shown: Literal["latent", "pressure"] | None
    """What ``histogram`` counts: latent weights, or with Bop its averages ``p`` in units of the
    threshold (:meth:`bitgrove.optim.FlippingOptimizer.pressure`) as ``sign(p) log10(1 + 9 |p|)``,
    because they spread over many powers of ten; 1 stays 1. None where those are not defined."""
    limit: float
    """The histogram goes from minus to plus this, in bins of one width."""
    histogram: tuple[int, ...]
    """Number of weights per bin; those beyond the limit are in the outermost ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BitRecord:
    """One line of ``bits.jsonl``."""

    epoch: int
    """The epoch that was running or had just ended, from 1."""
    step: int
    """Updates since the start."""
    updates: int
    """Updates since the last record."""
    weights: dict[str, WeightBits]
    """By the parameter's name."""

    def to_json(self) -> str:
        """One line, without the newline."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: the line is damaged.
        """
        try:
            values = json.loads(line)
            for name, weight in values["weights"].items():
                weight["histogram"] = tuple(weight["histogram"])
                values["weights"][name] = WeightBits(**weight)
            return cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"this is no record of bits: {error}") from None


class BitTally:
    """Counts the flips of a model's binary weights, update by update.

    The counts stay where the weights are until :meth:`record` asks for them. Besides the weights it
    keeps three bytes for each.

    Args:
        model: any module; its binary parameters are found by
            :func:`bitgrove.optim.split_parameters`, now and once.
        optimizers: those that move them; needed to tell which are moved by flips.
        bins: of the histograms.

    Raises:
        ValueError: ``bins`` is below 2, or as ``split_parameters`` raises.

    >>> from bitgrove.nn import BinaryLinear
    >>> layer = BinaryLinear(4, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[0.5, 0.5, -0.5, 1.0]]))
    >>> tally = BitTally(layer)
    >>> for first in (-0.1, -0.2):
    ...     layer.weight.data[0, 0] = first
    ...     tally.update()
    >>> found = tally.record(epoch=1).weights["weight"]
    >>> found.flips, found.changed, found.saturated
    (0.125, 0.25, 0.25)
    """

    def __init__(
        self, model: nn.Module, optimizers: Iterable[Optimizer] = (), *, bins: int = 60
    ) -> None:
        if bins < 2:
            raise ValueError(f"bins must be at least 2, got {bins}")
        binary = set(split_parameters(model)[0])
        named = {name: p for name, p in model.named_parameters() if p in binary}
        self.step = 0
        self._bins = bins
        self._counts = {name: _Flips(parameter) for name, parameter in named.items()}
        self._updates = 0
        self._flippers = {
            parameter: optimizer
            for optimizer in optimizers
            if isinstance(optimizer, FlippingOptimizer)
            for group in optimizer.param_groups
            for parameter in group["params"]
        }

    def update(self) -> None:
        """Count what changed since the last call; call it after each step of the optimisers."""
        self.step += 1
        self._updates += 1
        for count in self._counts.values():
            count.update()

    def record(self, *, epoch: int) -> BitRecord:
        """What happened since the last record; begins a new one."""
        weights = {name: self._weight_bits(count) for name, count in self._counts.items()}
        found = BitRecord(epoch=epoch, step=self.step, updates=self._updates, weights=weights)
        self._updates = 0
        for count in self._counts.values():
            count.flips = 0
        return found

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors: the counts, and the first signs as bits."""
        return {
            "step": self.step,
            "updates": self._updates,
            "flips": {name: int(count.flips) for name, count in self._counts.items()},
            "start": {name: _pack(count.start) for name, count in self._counts.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; the model must hold the weights of that moment already.

        Raises:
            ValueError: the state belongs to a model with other binary parameters.
        """
        if set(state["start"]) != set(self._counts):
            raise ValueError(
                f"the state counts {', '.join(sorted(state['start']))}, and the model's binary "
                f"parameters are {', '.join(sorted(self._counts))}"
            )
        self.step, self._updates = state["step"], state["updates"]
        for name, count in self._counts.items():
            count.flips = state["flips"][name]
            count.start.copy_(_unpack(state["start"][name], count.start))

    def _weight_bits(self, count: _Flips) -> WeightBits:
        w = count.parameter.detach()
        size = max(w.numel(), 1)
        flipper = self._flippers.get(count.parameter)
        saturated = None
        if flipper is None:
            shown, values, limit = "latent", w, _LATENT_RANGE
            saturated = int((w.abs() >= 1).count_nonzero()) / size
        else:
            shown, limit = "pressure", _PRESSURE_RANGE
            values = flipper.pressure(count.parameter)
            if values is not None:
                values = values.sign() * torch.log10(1 + 9 * values.abs())
        return WeightBits(
            flips=int(count.flips) / (size * self._updates) if self._updates else None,
            changed=int(torch.ne(count.signs, count.start).count_nonzero()) / size,
            saturated=saturated,
            shown=None if values is None else shown,
            limit=limit,
            histogram=() if values is None else _histogram(values, limit, self._bins),
        )


class _Flips:
    """The signs of one parameter and how often they changed."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self.parameter = parameter
        self.signs = parameter.detach() >= 0
        self.start = self.signs.clone()
        self.flips: int | Tensor = 0
        self._next = torch.empty_like(self.signs)

    def update(self) -> None:
        w = self.parameter.detach()
        if w.device.type == "cpu" and w.dtype in (torch.float32, torch.float64):
            # On a CPU numpy compares and counts several times faster than torch.
            np.greater_equal(w.numpy(), 0, out=self._next.numpy())
            np.not_equal(self.signs.numpy(), self._next.numpy(), out=self.signs.numpy())
            self.flips = self.flips + int(np.count_nonzero(self.signs.numpy()))
        else:
            torch.ge(w, 0, out=self._next)
            self.flips = self.flips + self.signs.ne_(self._next).sum()
        self.signs, self._next = self._next, self.signs


def _pack(signs: Tensor) -> Tensor:
    return torch.from_numpy(np.packbits(signs.cpu().numpy()))


def _unpack(packed: Tensor, like: Tensor) -> Tensor:
    bits = np.unpackbits(packed.cpu().numpy(), count=like.numel()).astype(bool)
    return torch.from_numpy(bits).reshape(like.shape)


def _histogram(values: Tensor, limit: float, bins: int) -> tuple[int, ...]:
    inside = values.float().cpu().clamp(-limit, limit)
    return tuple(int(n) for n in torch.histc(inside, bins, -limit, limit).tolist())
