"""What a network costs: parameters, operations and bytes, layer by layer."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from math import prod

import torch
from rich.table import Table
from torch import Tensor, nn

from ..nn import BinaryConv2d, BinaryLayer

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_PRODUCTS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_COLUMNS = ("layer", "kind", "output", "1-bit", "real", "1-bit MACs", "real MACs", "bytes")


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
    """Bits in rows ``uint8[out, kh, kw, ceil(in / groups / 8)]``; a real number takes 4 bytes."""


@dataclass(frozen=True)
class Summary:
    """The rows of a network and their totals; print it to see a table."""

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
        """Multiply-accumulates of two signs, for one input."""
        return sum(layer.binary_macs for layer in self.layers)

    @property
    def real_macs(self) -> int:
        """Multiply-accumulates with a real factor, for one input."""
        return sum(layer.real_macs for layer in self.layers)

    @property
    def packed_bytes(self) -> int:
        """Bytes of the weights when packed, without a file's header.

        Scales that are computed from the weights (XNOR-Net's alpha and the magnitude-aware one) are
        numbers in the file and not parameters: they count here alone.
        """
        return sum(layer.packed_bytes for layer in self.layers)

    @property
    def float32_bytes(self) -> int:
        """Bytes of the same parameters at 4 bytes each."""
        return 4 * (self.binary_parameters + self.real_parameters)

    def __str__(self) -> str:
        rows = [_COLUMNS, *self._rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], self._conclusion()])

    __repr__ = __str__

    def __rich__(self) -> Table:
        table = Table(caption=self._conclusion(), caption_justify="left")
        for i, name in enumerate(_COLUMNS):
            table.add_column(name, justify="left" if i < 3 else "right", no_wrap=i >= 3)
        *rows, total = self._rows()
        for row in rows:
            table.add_row(*row)
        table.add_section()
        table.add_row(*total, style="bold")
        return table

    def _rows(self) -> list[tuple[str, ...]]:
        rows = [
            (
                layer.name or "(model)",
                layer.kind,
                "not run" if layer.output_shape is None else "x".join(map(str, layer.output_shape)),
                *_numbers(layer),
            )
            for layer in self.layers
        ]
        return [*rows, ("total", "", "", *_numbers(self))]

    def _conclusion(self) -> str:
        saved = self.float32_bytes / max(self.packed_bytes, 1)
        return (
            f"input {'x'.join(map(str, self.input_shape))}; packed {_size(self.packed_bytes)}, "
            f"in float32 {_size(self.float32_bytes)}: {saved:.1f} times smaller"
        )


def summary(model: nn.Module, input_shape: tuple[int, ...]) -> Summary:
    """Count what a model holds and what it does for one input.

    The forward pass runs on a copy of the model without data (torch's ``meta`` device) in
    evaluation mode, so nothing is computed and the model stays as it is. Multiply-accumulates are
    those of convolutions and linear layers, and of the box filter of ``input_scale``; other
    arithmetic is not counted.

    Args:
        model: a model that takes one tensor.
        input_shape: of one input, without the batch axis, such as ``(1, 28, 28)``.

    Raises:
        ValueError: the model does not run on an input of this shape.

    >>> from bitgrove.nn import BinaryConv2d
    >>> conv, bn = BinaryConv2d(9, 4, 3), nn.BatchNorm2d(4)
    >>> net = nn.Sequential(conv, bn, nn.Flatten(), nn.Linear(16, 2))
    >>> summary(net, (9, 4, 4))
    layer  kind          output  1-bit  real  1-bit MACs  real MACs  bytes
    ----------------------------------------------------------------------
    0      BinaryConv2d  4x2x2     324     0       1,296          0     72
    1      BatchNorm2d   4x2x2       0     8           0          0     32
    3      Linear        2           0    34           0         32    136
    ----------------------------------------------------------------------
    total                          324    42       1,296         32    240
    input 9x4x4; packed 240 B, in float32 1.4 KiB: 6.1 times smaller
    """
    input_shape = tuple(input_shape)
    twin = copy.deepcopy(model).to("meta").eval()
    runs = {path: _Run() for path, _ in twin.named_modules()}
    for path, module in twin.named_modules():
        module.register_forward_hook(runs[path].hook)
    dtypes = [p.dtype for p in twin.parameters() if p.is_floating_point()]
    x = torch.zeros(1, *input_shape, dtype=dtypes[0] if dtypes else torch.float32, device="meta")
    try:
        with torch.no_grad():
            twin(x)
    except Exception as error:
        raise ValueError(
            f"the model does not run on an input of shape {tuple(x.shape)} "
            f"(input_shape is that of one input, without the batch axis): {error}"
        ) from error
    # From the model itself: moving the copy to another device has parted shared parameters.
    seen: set[nn.Parameter] = set()
    layers = (_layer(path, module, runs[path], seen) for path, module in model.named_modules())
    kept = tuple(layer for layer in layers if any(_counts(layer)))
    return Summary(kept, input_shape)


class _Run:
    """What the forward pass does with one module, over all its calls."""

    def __init__(self) -> None:
        self.output_shape: tuple[int, ...] | None = None
        self.binary_macs = self.real_macs = 0

    def hook(self, module: nn.Module, _: object, output: object) -> None:
        if not isinstance(output, Tensor):
            return
        self.output_shape = tuple(output.shape[1:])
        if isinstance(module, BinaryLayer):
            macs = output.numel() * prod(module.weight.shape[1:])
            if module.input_estimator is None or module.weight_estimator is None:
                self.real_macs += macs
            else:
                self.binary_macs += macs
            if isinstance(module, BinaryConv2d) and module.input_scale:
                pixels = prod(output.shape[2:])
                self.real_macs += module.groups * pixels * prod(module.kernel_size)
        elif isinstance(module, _PRODUCTS):
            self.real_macs += output.numel() * prod(module.weight.shape[1:])


def _layer(path: str, module: nn.Module, run: _Run, seen: set[nn.Parameter]) -> LayerSummary:
    binary = real = stored = 0
    names = getattr(module, "binary_parameter_names", ())
    for name, parameter in module.named_parameters(recurse=False):
        if parameter in seen or isinstance(module, _NORMS):
            continue
        seen.add(parameter)
        if name in names:
            out, per_group, *kernel = parameter.shape
            binary += parameter.numel()
            stored += out * prod(kernel) * ((per_group + 7) // 8)
        else:
            real += parameter.numel()
    if isinstance(module, _NORMS):
        real = 2 * module.num_features
    stored += 4 * real
    if isinstance(module, BinaryLayer) and module.scale_channel is None:
        scale = module.output_scale()
        stored += 0 if scale is None else 4 * scale.numel()
    return LayerSummary(
        path,
        type(module).__name__,
        run.output_shape,
        binary,
        real,
        run.binary_macs,
        run.real_macs,
        stored,
    )


def _counts(row: LayerSummary | Summary) -> tuple[int, ...]:
    return (
        row.binary_parameters,
        row.real_parameters,
        row.binary_macs,
        row.real_macs,
        row.packed_bytes,
    )


def _numbers(row: LayerSummary | Summary) -> tuple[str, ...]:
    return tuple(f"{count:,}" for count in _counts(row))


def _size(count: float) -> str:
    """A number of bytes as people read it.

    >>> _size(240), _size(1436), _size(4_189_344)
    ('240 B', '1.4 KiB', '4.0 MiB')
    """
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
