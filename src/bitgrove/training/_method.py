"""How a network's parameters move: the published recipes as values."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer

from ..nn import clip_latents_
from ..optim import (
    Bop,
    Bop2ndOrder,
    HyperparameterScheduler,
    centre_latents_,
    latent_groups,
    split_parameters,
)
from ._forests import LeafUpdates
from ._losses import CrossEntropy, Loss
from ._schedules import Linear, Per, Schedule, schedule_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradient:
    """Real numbers moved against their gradient; binary weights have real latent ones for it.

    Sources: Kingma and Ba, Adam, ICLR 2015; Loshchilov and Hutter, AdamW, ICLR 2019; the factor of
    ``glorot``, the clipping and the missing decay of latent weights, Courbariaux et al.,
    BinaryConnect, NeurIPS 2015.
    """

    kind: Literal["adam", "adamw", "sgd"] = "adamw"
    lr: Schedule | float = field(default_factory=lambda: Linear(1e-3, 0.0))
    """Learning rate; a number stays as it is throughout."""
    weight_decay: float = 0.0
    """Of real weights, 0 or more; nothing else decays."""
    momentum: float | None = None
    """Of SGD, and only of it; None is 0.9."""
    glorot: bool = False
    """Multiply the rate of each latent weight by ``sqrt((fan_in + fan_out) / 1.5)``."""

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"kind must be one of {', '.join(_KINDS)}, got {self.kind!r}")
        schedule_of(self.lr, "lr")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"weight_decay must be 0 or more, got {self.weight_decay}")
        if self.momentum is not None and self.kind != "sgd":
            raise ValueError(f"momentum is of kind 'sgd', not of {self.kind!r}; leave it out")
        if self.momentum is not None and not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in 0 to below 1, got {self.momentum}")


_KINDS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """Binary weights that Bop turns round; ``second_rate`` makes it the second-order form.

    Sources: Helwegen et al., NeurIPS 2019; Suárez-Ramírez et al., 2021.
    """

    threshold: Schedule | float
    adaptivity_rate: Schedule | float
    second_rate: Schedule | float | None = None
    unbiased: bool = False
    """Of the second-order form."""

    def __post_init__(self) -> None:
        schedule_of(self.threshold, "threshold")
        schedule_of(self.adaptivity_rate, "adaptivity_rate")
        if self.second_rate is not None:
            schedule_of(self.second_rate, "second_rate")
        elif self.unbiased:
            raise ValueError("unbiased is of the second-order form; give second_rate too")


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What moves real and binary parameters, and against which loss.

    Raises:
        TypeError: a part is of another kind.
        ValueError: two settings contradict each other.

    >>> from bitgrove.training import Flips, Linear
    >>> rule = Flips(threshold=1e-6, adaptivity_rate=Linear(1e-3, 1e-5))
    >>> Method(binary=rule).loss
    CrossEntropy(label_smoothing=0.0)
    """

    real: Gradient = field(default_factory=Gradient)
    binary: Gradient | Flips | None = None
    """None moves latent weights as the real ones are moved."""
    loss: Loss = field(default_factory=CrossEntropy)
    clip: bool = True
    """Bring latent weights back to [-1, 1] after every step."""
    centre: bool = False
    """Take the mean over the input channels off latent weights after every step, before the clip:
    Rastegari et al., XNOR-Net, ECCV 2016 (in its published code)."""
    only_norms: bool = False
    """Train batch norms alone: the last step of Liu et al., Bi-Real Net, ECCV 2018."""
    leaves: LeafUpdates | None = None
    """For decision forests whose leaves do not learn by gradient, and only for those."""
    slope: Schedule | float | None = None
    """Of the sigmoids of decision forests; one that grows to 10, say, makes soft trees all but
    hard. None leaves it as it is, 1 in a new forest."""

    def __post_init__(self) -> None:
        _check_kind("real", self.real, Gradient)
        if self.binary is not None:
            _check_kind("binary", self.binary, Gradient, Flips)
        if not callable(self.loss) or not hasattr(self.loss, "validate"):
            raise TypeError(f"loss must be one such as CrossEntropy(), got {self.loss!r}")
        if self.leaves is not None:
            _check_kind("leaves", self.leaves, LeafUpdates)
        if self.slope is not None:
            schedule_of(self.slope, "slope")
        if isinstance(self.binary, Flips) and self.centre:
            raise ValueError("centre is of latent weights, and flips have none; leave it out")
        if self.only_norms and (self.binary is not None or self.centre):
            raise ValueError("only_norms leaves all weights alone; leave binary and centre out")


def _check_kind(name: str, value: object, *kinds: type) -> None:
    if not isinstance(value, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must be a {names}, got {value!r}")


class Mover:
    """The optimisers of a method for one network."""

    def __init__(self, method: Method, model: nn.Module) -> None:
        self._method, self._model = method, model
        self._schedules: list[tuple[Optimizer, str, Schedule]] = []
        self._planned: list[tuple[Per, HyperparameterScheduler]] = []
        self.optimizers: list[Optimizer] = []
        binary, real = split_parameters(model)
        if (method.binary is not None or method.centre) and not binary:
            raise ValueError(
                "the method moves binary weights by a rule of their own, and the model has none; "
                "leave binary and centre out"
            )
        if method.only_norms:
            norms = [p for m in model.modules() if isinstance(m, _NORMS) for p in m.parameters()]
            self._add_gradient(method.real, [{"params": norms}])
        elif isinstance(method.binary, Flips):
            self._add_flips(method.binary, binary)
            self._add_gradient(method.real, _groups(model, method.real, real))
        elif method.binary is None:
            self._add_gradient(method.real, _groups(model, method.real, [*binary, *real]))
        else:
            self._add_gradient(method.binary, _groups(model, method.binary, binary))
            self._add_gradient(method.real, _groups(model, method.real, real))

    @property
    def learning_rate(self) -> float:
        """That of the real parameters, as it was last set."""
        return self.optimizers[-1].param_groups[-1]["lr"]

    def plan(self, steps: int, epochs: int) -> None:
        """Fit the schedules to a run."""
        counts: dict[Per, int] = {"step": steps, "epoch": epochs}
        self._planned = [
            (what.per, HyperparameterScheduler(optimizer, {key: what.over(counts[what.per])}))
            for optimizer, key, what in self._schedules
        ]

    def at(self, step: int, epoch: int) -> None:
        """Set what is scheduled to its values after so many steps and whole epochs."""
        done: dict[Per, int] = {"step": step, "epoch": epoch}
        for per, scheduler in self._planned:
            scheduler.load_state_dict({"steps": done[per]})

    @torch.no_grad()
    def settle(self) -> None:
        """What follows every step, and precedes the first."""
        if self._method.only_norms or isinstance(self._method.binary, Flips):
            return
        if self._method.centre:
            centre_latents_(self._model)
        if self._method.clip:
            clip_latents_(self._model)

    def _add_gradient(self, rule: Gradient, groups: list[dict]) -> None:
        momentum = 0.9 if rule.momentum is None else rule.momentum
        options = {"momentum": momentum} if rule.kind == "sgd" else {}
        lr = schedule_of(rule.lr, "lr")
        optimizer = _KINDS[rule.kind](groups, lr=_first(lr), **options)
        self.optimizers.append(optimizer)
        self._schedules.append((optimizer, "lr", lr))

    def _add_flips(self, rule: Flips, binary: list[nn.Parameter]) -> None:
        rates = [
            schedule_of(rule.threshold, "threshold"),
            schedule_of(rule.adaptivity_rate, "adaptivity_rate"),
        ]
        if rule.second_rate is None:
            optimizer = Bop(binary, *(_first(rate) for rate in rates))
        else:
            rates.append(schedule_of(rule.second_rate, "second_rate"))
            optimizer = Bop2ndOrder(
                binary, *(_first(rate) for rate in rates), unbiased=rule.unbiased
            )
        self.optimizers.append(optimizer)
        names = ("threshold", "adaptivity_rate", "second_rate")
        self._schedules += [
            (optimizer, name, rate) for name, rate in zip(names, rates, strict=False)
        ]


def _first(schedule: Schedule) -> float:
    return schedule.over(1)(0)


_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def _groups(model: nn.Module, rule: Gradient, wanted: list[nn.Parameter]) -> list[dict]:
    """The groups of :func:`bitgrove.optim.latent_groups` that hold the parameters wanted."""
    keep = set(wanted)
    groups = []
    for group in latent_groups(
        model,
        _first(schedule_of(rule.lr, "lr")),
        glorot=rule.glorot,
        weight_decay=rule.weight_decay,
    ):
        params = [p for p in group["params"] if p in keep]
        if params:
            groups.append({**group, "params": params})
    return groups


def plain(value: object) -> object:
    """A method as plain values, to compare a run with the one that it resumes."""
    if hasattr(value, "__dataclass_fields__"):
        own = {f.name: plain(getattr(value, f.name)) for f in fields(value)}  # pyright: ignore[reportArgumentType]
        return {"is": type(value).__name__, **own}
    if isinstance(value, nn.Module):
        return repr(value)
    return list(value) if isinstance(value, tuple) else value
