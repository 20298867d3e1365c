"""Convolutions and linear layers that look up instead of multiplying."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ._fern_gradients import Mode
from ._fern_layer import FernLayer, TableDtype, Tests
from ._fern_window import Window
from ._layer import check_input

Size = int | tuple[int, int]


class FernConv2d(FernLayer):
    """A convolution of ferns: comparisons address rows of tables, and the rows are summed.

    At each position a fern compares ``depth`` of the numbers under the kernel with thresholds; the
    answers, ``x >= threshold``, are the bits of an address (the first is the lowest), and the rows
    that all ferns of a group address are summed. So a position costs ``ferns * depth`` comparisons
    and ``ferns * out / groups`` additions, whatever the kernel's size. Zero padding takes part in
    the comparisons. It fits where :class:`torch.nn.Conv2d` does, without bias: put a batch norm
    behind it, and one before it or standardised pictures, so that thresholds and numbers meet.

    Source: Blendowski and Heinrich, Learning to map between ferns with differentiable binary
    embedding networks, MIDL 2020, as their slides draw it. The paper does not say how many ferns
    and tests it has, whether tests are learned, what the factor ``w`` of a row is, or where the
    gradient passes; all this is our choice, and the published ways of others are beside it.
    Differences: ``>=`` in place of ``>``, as every sign here. Rows that no batch reads decay with
    the others if the optimiser has weights decay, and the straight-through gradient, to which every
    fern adds at the positions that it reads, is not scaled down. NaN is not looked for, its bit is
    0; but a first batch whose quantiles are NaN or infinite is refused.

    ==========  ==================================================================================
    gradient    what training computes, and what the tests get
    ==========  ==================================================================================
    ``tanh``    rows times ``w``, the mean of ``|tanh(x - threshold)|`` over the fern's tests (the
                paper's form, the mean is ours); the gradient of ``w``
    ``ste``     rows as they are; the same gradient straight through
    ``hinge``   rows times the smallest ``|x - threshold|``; its exact gradient, which meets one
                test of each fern (Lay et al., Random Hinge Forest, 2018)
    ``efd``     rows as they are; differences between rows, lighter the farther their address
                (Bacellar et al., DWN, ICML 2024), times the slope of ``tanh / 2`` (ours)
    ``soft``    all rows by the product of bits that rise as lines, from 1 below the threshold to
                1 above it, with ``anneal`` the more steeply the longer it is trained (after Dekel
                et al., Deep Convolutional Tables, 2023, who mix only the rows of the least certain
                bits)
    ==========  ==================================================================================

    In evaluation mode every one is the plain sum of rows, in integers, times a scale: what the
    packed layer computes, bit for bit. ``tanh``, ``hinge`` and ``soft`` train something else at
    first; ``anneal`` takes them to that sum over so many batches (``hinge`` and ``tanh``: the
    factor goes to 1 and keeps its gradient). Without it a batch norm behind the layer sees other
    numbers in evaluation than it learned from.

    Memory in training: the input and the parameters, as for the float layer; what the tests read
    is gathered once more going backwards. The result has the type of the parameters, float32 unless
    they were converted, under autocast too.

    Args:
        in_channels: channels of the input, a multiple of ``groups``.
        out_channels: channels of the output, a multiple of ``groups``.
        kernel_size: one number, or (height, width).
        stride: one number, or (down, across).
        padding: zeros on both sides, one number or (above and below, left and right).
        dilation: one number, or (down, across).
        groups: convolutions side by side, each with ferns of its own.
        ferns: of each group. The table has ``ferns * 2^depth * out_channels`` numbers.
        depth: comparisons of each fern, 1 to 8; no fern reads a number twice.
        gradient: as above.
        tests: ``"random"``, drawn once; or ``"learned"``, each test choosing among ``candidates``
            drawn for it: the one of the largest logit is read, and the logits get the gradient of
            a mixture by their softmax (straight through; ours).
        candidates: of a learned test, fewer where the kernel holds less.
        table_dtype: ``"int8"`` rounds the table to -127 to 127 steps, a step for each output, going
            forwards, in training and evaluation alike; its gradient passes straight through.
            ``"float32"`` rounds nothing and cannot be packed.
        anneal: batches of training until it computes what evaluation does; None for never.

    Raises:
        TypeError: a number of ferns, comparisons, candidates or batches that is no int.
        ValueError: an argument is out of its range, or two arguments contradict each other.

    >>> import torch
    >>> layer = FernConv2d(1, 1, 1, ferns=1, depth=1)
    >>> _ = layer.table.data.copy_(torch.tensor([-1.0, 3.0]).reshape(1, 1, 2, 1))
    >>> _ = layer.thresholds.data.fill_(0.5)
    >>> layer.eval()(torch.tensor([[[[0.0, 0.5, 2.0]]]])).detach()
    tensor([[[[-0.9921,  3.0000,  3.0000]]]])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        ferns: int = 12,
        depth: int = 4,
        gradient: Mode = "tanh",
        tests: Tests = "random",
        candidates: int = 8,
        table_dtype: TableDtype = "int8",
        anneal: int | None = None,
    ) -> None:
        check_channels("channels", in_channels, out_channels, groups)
        window = Window(
            pair("kernel_size", kernel_size, 1),
            pair("stride", stride, 1),
            pair("padding", padding, 0),
            pair("dilation", dilation, 1),
        )
        super().__init__(
            in_channels,
            out_channels,
            window,
            groups,
            ferns,
            depth,
            gradient,
            tests,
            candidates,
            table_dtype,
            anneal,
        )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = window.kernel, window.stride
        self.padding, self.dilation = window.padding, window.dilation

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, in_channels, h, w)`` to ``(n, out_channels, h_out, w_out)``."""
        return self._look_up(self._pictures(x))

    def _pictures(self, x: Tensor) -> Tensor:
        check_input(x, 4, 1, self.in_channels, f"(n, {self.in_channels}, h, w)")
        return x.to(self.thresholds.dtype)

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults, in their order."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        for name, default in (("stride", (1, 1)), ("padding", (0, 0)), ("dilation", (1, 1))):
            value = getattr(self, name)
            text += "" if value == default else f", {name}={value}"
        text += "" if self.groups == 1 else f", groups={self.groups}"
        return f"{text}, {self._settings_text()}"


class FernLinear(FernLayer):
    """A linear layer of ferns, without bias: :class:`bitgrove.nn.FernConv2d` for vectors.

    Args:
        in_features: length of the input's last axis.
        out_features: length of the output's last axis.
        ferns: how many. The table has ``ferns * 2^depth * out_features`` numbers.
        depth: comparisons of each fern, 1 to 8; no fern reads a number twice.
        gradient: how the tests learn, as in :class:`bitgrove.nn.FernConv2d`.
        tests: ``"random"`` or ``"learned"``.
        candidates: of a learned test.
        table_dtype: ``"int8"`` or ``"float32"``.
        anneal: batches of training until it computes what evaluation does; None for never.

    Raises:
        TypeError: a number of ferns, comparisons, candidates or batches that is no int.
        ValueError: an argument is out of its range, or two arguments contradict each other.

    >>> import torch
    >>> FernLinear(8, 3).eval()(torch.zeros(2, 5, 8)).shape
    torch.Size([2, 5, 3])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        ferns: int = 12,
        depth: int = 4,
        gradient: Mode = "tanh",
        tests: Tests = "random",
        candidates: int = 8,
        table_dtype: TableDtype = "int8",
        anneal: int | None = None,
    ) -> None:
        check_channels("features", in_features, out_features, 1)
        super().__init__(
            in_features,
            out_features,
            Window((1, 1)),
            1,
            ferns,
            depth,
            gradient,
            tests,
            candidates,
            table_dtype,
            anneal,
        )
        self.in_features, self.out_features = in_features, out_features

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., in_features)`` to ``(..., out_features)``."""
        y = self._look_up(self._pictures(x))
        return y.reshape(*x.shape[:-1], self.out_features)

    def _pictures(self, x: Tensor) -> Tensor:
        check_input(x, None, -1, self.in_features, f"(..., {self.in_features})")
        return x.to(self.thresholds.dtype).reshape(-1, self.in_features, 1, 1)

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults, in their order."""
        return f"{self.in_features}, {self.out_features}, {self._settings_text()}"


def check_channels(what: str, before: int, after: int, groups: int) -> None:
    """Refuse counts below 1 and those that groups do not divide.

    Raises:
        ValueError: one is; the message names it.
    """
    for name, value in ((f"in_{what}", before), (f"out_{what}", after), ("groups", groups)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    for name, value in ((f"in_{what}", before), (f"out_{what}", after)):
        if value % groups:
            raise ValueError(f"{name} (={value}) must be a multiple of groups (={groups})")


def pair(name: str, value: Size, least: int) -> tuple[int, int]:
    """One number, or two, as two.

    Raises:
        ValueError: it is something else, or below ``least``.
    """
    both = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(both) != 2 or not all(isinstance(item, int) and item >= least for item in both):
        raise ValueError(
            f"{name} must be a whole number of at least {least}, or two, got {value!r}"
        )
    return both[0], both[1]
