"""What the fern layers share: tests, thresholds, tables, and the watch over unused rows."""

from __future__ import annotations

from numbers import Integral
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ._fern_gradients import ANNEALED, MODES, Mode
from ._fern_lookup import Lookup, lookup
from ._fern_usage import FernUsage
from ._fern_window import Window, draw_places

Tests = Literal["random", "learned"]
TableDtype = Literal["int8", "float32"]

_MOST_DEPTH = 8


class FernLayer(nn.Module):
    """Base of :class:`bitgrove.nn.FernConv2d` and :class:`bitgrove.nn.FernLinear`, which see.

    Attributes:
        thresholds: parameter ``[groups * ferns, depth]``.
        table: parameter ``[groups, ferns, 2^depth, out / groups]``, before it is rounded.
        test_logits: parameter ``[groups * ferns, depth, candidates]`` for learned tests, else None;
            of use in training alone.
    """

    places: Tensor
    quantiles: Tensor
    usage: Tensor
    batches: Tensor
    initialised: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        window: Window,
        groups: int,
        ferns: int,
        depth: int,
        gradient: Mode,
        tests: Tests,
        candidates: int,
        table_dtype: TableDtype,
        anneal: int | None,
    ) -> None:
        super().__init__()
        counts = {"ferns": ferns, "candidates": candidates, "depth": depth}
        if anneal is not None:
            counts["anneal"] = anneal
        for name, value in counts.items():
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise TypeError(f"{name} must be a whole number, got {value!r}")
        if not 1 <= depth <= _MOST_DEPTH:
            raise ValueError(f"depth must be in 1 to {_MOST_DEPTH}, got {depth}")
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        _check_name("gradient", gradient, MODES)
        _check_name("tests", tests, get_args(Tests))
        _check_name("table_dtype", table_dtype, get_args(TableDtype))
        if anneal is not None and gradient not in ANNEALED:
            raise ValueError(
                f"anneal is of the gradients {', '.join(map(repr, ANNEALED))}; {gradient!r} looks "
                "up one row with the factor 1 from the start, so leave it out"
            )
        readable = inputs // groups * window.taps
        if depth > readable:
            raise ValueError(
                f"depth (={depth}) must not exceed the {readable} numbers that a fern can read, "
                "as no fern tests one twice"
            )
        self.groups, self.ferns, self.depth = groups, ferns, depth
        self.gradient: Mode = gradient
        self.tests: Tests = tests
        self.table_dtype: TableDtype = table_dtype
        self.anneal = anneal
        self._window = window
        count = min(candidates, readable // depth) if tests == "learned" else 1
        rows = groups * ferns
        self.thresholds = nn.Parameter(torch.empty(rows, depth))
        self.table = nn.Parameter(torch.empty(groups, ferns, 1 << depth, outputs // groups))
        self.test_logits = nn.Parameter(torch.empty(rows, depth, count)) if count > 1 else None
        places = draw_places(groups, ferns, depth, readable, count)
        self.register_buffer("places", places)
        self.register_buffer("quantiles", torch.empty(rows, depth))
        self.register_buffer("usage", torch.zeros(rows, 1 << depth, dtype=torch.int64))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.register_buffer("initialised", torch.zeros((), dtype=torch.bool))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew; thresholds are 0 until a first batch sets them."""
        nn.init.normal_(self.table, std=self.ferns**-0.5)
        nn.init.zeros_(self.thresholds)
        nn.init.uniform_(self.quantiles, 0.2, 0.8)
        if self.test_logits is not None:
            nn.init.normal_(self.test_logits, std=0.01)
        self.batches.zero_()
        self.initialised.zero_()
        self.reset_usage()

    @property
    def hardness(self) -> float:
        """How near training is to looking up one row with the factor 1: 0 to 1.

        After ``anneal`` batches it is 1; it stays 0 without ``anneal``.
        """
        if self.gradient not in ANNEALED:
            return 1.0
        if self.anneal is None:
            return 0.0
        return min(1.0, int(self.batches) / self.anneal)

    @torch.no_grad()
    def chosen(self) -> Tensor:
        """What each test reads, ``int64[groups * ferns, depth]``: ``channel * taps + tap``.

        Channels count over all groups; taps go along the rows of the kernel.
        """
        if self.test_logits is None:
            return self.places[..., 0]
        best = self.test_logits.argmax(2, keepdim=True)
        return self.places.gather(2, best)[..., 0]

    @torch.no_grad()
    def table_scale(self) -> Tensor:
        """Step of the rounded table, one for each output, ``[out]``; ones for float tables."""
        if self.table_dtype == "float32":
            return torch.ones_like(self.table[:, 0, 0]).flatten()
        largest = self.table.abs().amax((1, 2)).flatten()
        return torch.where(largest > 0, largest / 127, torch.ones_like(largest))

    @torch.no_grad()
    def rounded_table(self) -> Tensor:
        """The table in steps of :meth:`table_scale`: integers in -127 to 127, of its shape."""
        scale = self.table_scale().reshape(self.groups, 1, 1, -1)
        if self.table_dtype == "float32":
            return self.table.clone()
        return (self.table / scale).round().clamp(-127, 127)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set every threshold to a quantile, drawn between 0.2 and 0.8, of what its test reads.

        The first batch in training mode does it by itself, once. Padding counts as it is read.

        Args:
            x: a batch as the layer takes it.

        Raises:
            ValueError: no sample, or so many NaN or infinite numbers that a quantile is one.
        """
        if not len(x):
            raise ValueError("x must hold at least one sample to take quantiles of, got none")
        self._set_thresholds(self._pictures(x))

    @torch.no_grad()
    def _set_thresholds(self, pictures: Tensor) -> None:
        out = self._window.out(*pictures.shape[2:])
        padded = self._window.padded(pictures)
        found = self._window.gather(padded, self.chosen().flatten(), out).flatten(1)
        count = found.shape[1]
        ranks = (self.quantiles.flatten() * (count - 1)).round().long()
        values = found.sort(1).values.gather(1, ranks[:, None])
        if not torch.isfinite(values).all():
            raise ValueError(
                "the batch that sets the thresholds holds too many NaN or infinite numbers"
            )
        self.thresholds.copy_(values.reshape(self.thresholds.shape))
        self.initialised.fill_(True)

    def reset_usage(self) -> None:
        """Count the visits of rows from 0."""
        self.usage.zero_()

    def usage_report(self) -> FernUsage:
        """How often training read each row of the tables since :meth:`reset_usage`."""
        return FernUsage(self.usage.clone())

    def _look_up(self, pictures: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to ``(n, out, *sides)``."""
        out = self._window.out(*pictures.shape[2:])
        if pictures.is_meta:
            return pictures.new_empty((len(pictures), self._outputs, *out))
        chosen = self.chosen()
        hardness = 1.0  # an evaluation looks up one row, whatever the gradient
        if self.training and len(pictures):
            if not self.initialised:
                self._set_thresholds(pictures)
            hardness = self.hardness
            self.batches += 1
        scale = self.table_scale().reshape(self.groups, 1, 1, -1)
        table = self.table
        if self.table_dtype == "int8":
            exact = table / scale
            # Rounded going forwards, untouched going backwards.
            table = exact + (self.rounded_table() - exact).detach()
        what = Lookup(self._window, self.groups, self.gradient, hardness)
        usage = self.usage if self.training else None
        logits, places = self.test_logits, self.places
        y = lookup(pictures, self.thresholds, table, logits, places, chosen, what, usage)
        return y if self.table_dtype == "float32" else y * self.table_scale()[:, None, None]

    @property
    def _outputs(self) -> int:
        return self.table.shape[0] * self.table.shape[3]

    def _pictures(self, x: Tensor) -> Tensor:
        """The input as ``(n, c, h, w)``."""
        raise NotImplementedError

    def _settings_text(self) -> str:
        text = f"ferns={self.ferns}, depth={self.depth}, gradient={self.gradient!r}"
        if self.tests != "random":
            text += f", tests={self.tests!r}, candidates={self.places.shape[2]}"
        if self.table_dtype != "int8":
            text += f", table_dtype={self.table_dtype!r}"
        return text if self.anneal is None else f"{text}, anneal={self.anneal}"


def _check_name(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
