"""What a network costs: the rows of its layers and the totals that papers print."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

from ._summary_table import plain_table, rich_table, size_text


@dataclass(frozen=True)
class LayerSummary:
    """One layer's row. Parameters shared with an earlier row are counted there."""

    name: str
    """Path in the model, as ``named_modules`` has it."""
    kind: str
    """Name of the module's class."""
    output_shape: tuple[int, ...] | None
    """Without the batch axis; ``None`` if the forward pass does not call the module."""
    binary_parameters: int
    real_parameters: int
    """A batch norm counts as the two numbers per channel that it is folded to."""
    binary_macs: int
    """Multiply-accumulates with both factors +1 or -1, for one input."""
    real_macs: int
    """All others in convolutions and linear layers, for one input."""
    packed_bytes: int
    """Bits in rows ``uint8[out, *kernel, ceil(in / groups / 8)]``; a real number takes 4 bytes, one
    of a fern's table 1, a fern's test 8."""
    lookups: int = 0
    """Numbers that ferns look up and add, for one input."""
    comparisons: int = 0
    """Numbers that ferns compare with thresholds, for one input."""

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """The five numbers, in the order of the fields."""
        return (
            self.binary_parameters,
            self.real_parameters,
            self.binary_macs,
            self.real_macs,
            self.packed_bytes,
        )


@dataclass(frozen=True)
class Summary:
    """The rows of a network and their totals; print it to see a table.

    Beside what our packed files take, it has the figures by which papers compare binary networks.
    These leave out the rounding of rows to whole bytes and the scales that are computed from
    weights, and count a batch norm as two numbers per channel.
    """

    layers: tuple[LayerSummary, ...]
    """The layers that have parameters or multiply, in the order of ``named_modules``."""
    input_shape: tuple[int, ...]
    """Of one input, without the batch axis."""

    @property
    def binary_parameters(self) -> int:
        """Parameters of which only the sign counts."""
        return sum(layer.binary_parameters for layer in self.layers)

    @property
    def real_parameters(self) -> int:
        """All other parameters, with two per channel of a batch norm."""
        return sum(layer.real_parameters for layer in self.layers)

    @property
    def binary_macs(self) -> int:
        """Multiply-accumulates of two signs, for one input: the BOPs of the papers."""
        return sum(layer.binary_macs for layer in self.layers)

    @property
    def real_macs(self) -> int:
        """Multiply-accumulates with a real factor, for one input: the FLOPs of the papers."""
        return sum(layer.real_macs for layer in self.layers)

    @property
    def lookups(self) -> int:
        """Numbers that ferns look up and add, for one input."""
        return sum(layer.lookups for layer in self.layers)

    @property
    def comparisons(self) -> int:
        """Numbers that ferns compare with thresholds, for one input."""
        return sum(layer.comparisons for layer in self.layers)

    @property
    def operations(self) -> float:
        """``binary_macs / 64 + real_macs``: the OPs of the papers, 64 bits to one instruction.

        Source: Liu et al., Bi-Real Net, ECCV 2018. Papers count it with or without the
        last linear layer; see :meth:`without`.
        """
        return self.binary_macs / 64 + self.real_macs

    @property
    def memory_bits(self) -> int:
        """1 bit per binary parameter and 32 per real one."""
        return self.binary_parameters + 32 * self.real_parameters

    @property
    def packed_bytes(self) -> int:
        """Bytes of the weights when packed, without a file's header.

        Scales that are computed from the weights (XNOR-Net's alpha and the magnitude-aware one) and
        fixed filters are numbers in the file and not parameters: they count here alone.
        """
        return sum(layer.packed_bytes for layer in self.layers)

    @property
    def float32_bytes(self) -> int:
        """Bytes of the same parameters at 4 bytes each."""
        return 4 * (self.binary_parameters + self.real_parameters)

    def without(self, *names: str) -> Summary:
        """The same without some modules and all that is in them, the classifier for instance.

        Args:
            names: paths, such as ``"head"``.

        Raises:
            ValueError: no layer has this path or begins with it.

        >>> from bitgrove import models
        >>> whole = models.summary(models.create("birealnet_small", num_classes=3), (1, 8, 8))
        >>> whole.real_macs - whole.without("head").real_macs == 64 * 3
        True
        """
        for name in names:
            if not any(_inside(layer.name, name) for layer in self.layers):
                raise ValueError(f"no layer is called {name!r} or is inside a module of this name")
        kept = (x for x in self.layers if not any(_inside(x.name, name) for name in names))
        return Summary(tuple(kept), self.input_shape)

    def grouped(self, depth: int) -> Summary:
        """The same totals with one row for all layers whose paths begin with the same names.

        Args:
            depth: how many names of the path count, 1 or more.

        >>> from bitgrove import models
        >>> got = models.summary(models.create("birealnet_small", blocks=(1, 1)), (1, 8, 8))
        >>> [(row.name, row.kind, row.output_shape) for row in got.grouped(1).layers][:2]
        [('stem', '3 layers', (32, 8, 8)), ('stages', '8 layers', (64, 4, 4))]
        """
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        groups: dict[str, list[LayerSummary]] = {}
        for layer in self.layers:
            groups.setdefault(".".join(layer.name.split(".")[:depth]), []).append(layer)
        rows = (
            layers[0] if len(layers) == 1 else _joined(name, layers)
            for name, layers in groups.items()
        )
        return Summary(tuple(rows), self.input_shape)

    def __str__(self) -> str:
        return plain_table(self._rows(), self._conclusion())

    __repr__ = __str__

    def __rich__(self) -> Table:
        return rich_table(self._rows(), self._conclusion())

    def _rows(self) -> list[tuple[str, ...]]:
        rows = [
            (
                layer.name or "(model)",
                layer.kind,
                "not run" if layer.output_shape is None else "x".join(map(str, layer.output_shape)),
                *_numbers(layer.counts),
            )
            for layer in self._shown()
        ]
        totals = tuple(map(sum, zip(*(layer.counts for layer in self.layers), strict=True)))
        return [*rows, ("total", "", "", *_numbers(totals or (0,) * 5))]

    def _shown(self) -> tuple[LayerSummary, ...]:
        """The rows, grouped as little as keeps the table to a page."""
        shown = self.layers
        depth = max((layer.name.count(".") for layer in shown), default=0)
        while len(shown) > _PAGE and depth > 0:
            shown = self.grouped(depth).layers
            depth -= 1
        return shown

    def _conclusion(self) -> str:
        text = (
            f"input {'x'.join(map(str, self.input_shape))}; packed {size_text(self.packed_bytes)}"
        )
        if self.binary_parameters:
            saved = self.float32_bytes / self.packed_bytes
            text += f", in float32 {size_text(self.float32_bytes)}: {saved:.1f} times smaller"
        if self.binary_macs:
            multiplied = self.binary_macs + self.real_macs
            text += (
                f"\n{self.operations:,.0f} operations if 64 1-bit MACs are one: "
                f"{multiplied / self.operations:.1f} times fewer than MACs"
            )
        if self.lookups:
            text += f"\n{self.lookups:,} look-ups added, {self.comparisons:,} comparisons in ferns"
        return text


_PAGE = 60


def _inside(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}.")


def _joined(name: str, layers: list[LayerSummary]) -> LayerSummary:
    shapes = [layer.output_shape for layer in layers if layer.output_shape is not None]
    return LayerSummary(
        name,
        f"{len(layers)} layers",
        shapes[-1] if shapes else None,
        *map(sum, zip(*(layer.counts for layer in layers), strict=True)),
        lookups=sum(layer.lookups for layer in layers),
        comparisons=sum(layer.comparisons for layer in layers),
    )


def _numbers(counts: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(f"{count:,}" for count in counts)
