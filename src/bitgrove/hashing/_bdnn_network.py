"""The encoder of binary deep neural networks: its sizes, its start, and its pass there and back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ._few_zeros import FewZeros, Precision
from ._principal import Matrix, top_eigenvectors

_SIZES = ((8, 90, 20), (16, 90, 30), (24, 100, 40), (32, 120, 50), (48, 140, 60))
"""Bits and widths of the two hidden layers: the authors' up to 32, ours for 48."""


def hidden_sizes(bits: int) -> tuple[int, int]:
    """Widths of the two hidden layers for a code length.

    8, 16, 24 and 32 bits are those of the authors' code. Others are ours: straight lines between
    those and (140, 60) at 48 bits, continued beyond, the second layer never narrower than the
    code, and the first never narrower than the second.

    >>> [hidden_sizes(bits) for bits in (5, 8, 12, 16, 24, 32, 48, 64)]
    [(90, 16), (90, 20), (90, 25), (90, 30), (100, 40), (120, 50), (140, 60), (160, 70)]
    """
    ends = [(a, b) for a, b in pairwise(_SIZES) if bits <= b[0]]
    (low, *first), (high, *last) = ends[0] if ends else _SIZES[-2:]
    share = (bits - low) / (high - low)
    wide, narrow = (round(a + share * (b - a)) for a, b in zip(first, last, strict=True))
    narrow = max(narrow, bits)
    return max(wide, narrow), narrow


class Layout:
    """Where weights ``(out, in)`` and biases ``(out,)`` lie in one vector.

    Args:
        sizes: ``(in, out)`` of each layer.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]]) -> None:
        self.sizes = tuple(sizes)
        self.length = sum(n * k + k for n, k in sizes)

    def parts(self, vector: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Weight and bias of each layer, as views."""
        found, at = [], 0
        for n, k in self.sizes:
            weight = vector[at : at + n * k].view(k, n)
            found.append((weight, vector[at + n * k : at + n * k + k]))
            at += n * k + k
        return found


def stacked_eigenvectors(
    rows: Matrix, sizes: Sequence[int], random: np.random.RandomState
) -> list[Matrix]:
    """Weights ``(out, in)`` of layers that start as the eigenvectors of what comes into them.

    Each layer holds the first eigenvectors of the second moment (not centred) of its input, which
    is the sigmoid of the layer before without bias. Rows beyond the number of eigenvectors, where
    a layer is wider than its input, are random of unit length.
    """
    weights: list[Matrix] = []
    value = rows
    for size in sizes:
        weight = top_eigenvectors(value.T @ value / len(value), size)
        missing = random.standard_normal((size - len(weight), value.shape[1]))
        missing /= np.linalg.norm(missing, axis=1, keepdims=True)
        weight = np.concatenate([weight, missing])
        weights.append(weight)
        value = 1 / (1 + np.exp(-(value @ weight.T)))
    return weights


class Encoder:
    """Rows through sigmoid, sigmoid and a linear layer, and gradients back, in places kept.

    Args:
        rows: the training rows, ``(n, features)``.
        sizes: widths of the three layers.
        precision: of the pass there and back. Weights, codes and gradients outside are float64.
    """

    def __init__(self, rows: Matrix, sizes: Sequence[int], precision: Precision) -> None:
        self._rows = FewZeros(rows, precision)
        self.used = self._rows.used
        self._type = getattr(torch, precision)
        places = [torch.empty(len(rows), k, dtype=self._type) for k in sizes]
        self._first, self._second, self._third = places
        self._back = [torch.empty_like(place) for place in places[:2]]
        self.shapes = tuple(zip((len(self.used), *sizes), sizes, strict=False))

    def forward(self, layers: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """The real codes ``(n, bits)``, overwritten by the next call."""
        (w1, c1), (w2, c2), (w3, c3) = self._own(layers)
        self._rows.through(w1, c1, self._first).sigmoid_()
        torch.addmm(c2, self._first, w2.T, out=self._second).sigmoid_()
        return torch.addmm(c3, self._second, w3.T, out=self._third).double()

    def backward(
        self,
        by_codes: Tensor,
        layers: Sequence[tuple[Tensor, Tensor]],
        gradients: Sequence[tuple[Tensor, Tensor]],
    ) -> None:
        """Write the gradients of the three layers, from that by the codes of the last forward."""
        _, (w2, _), (w3, _) = self._own(layers)
        (g1, b1), (g2, b2), (g3, b3) = gradients[:3]
        back1, back2 = self._back
        back3 = by_codes.to(self._type)
        g3.copy_(back3.T @ self._second)
        b3.copy_(by_codes.sum(0))
        torch.mm(back3, w3, out=back2)
        torch.ops.aten.sigmoid_backward.grad_input(back2, self._second, grad_input=back2)
        g2.copy_(back2.T @ self._first)
        b2.copy_(back2.sum(0))
        torch.mm(back2, w2, out=back1)
        torch.ops.aten.sigmoid_backward.grad_input(back1, self._first, grad_input=back1)
        g1.copy_(self._rows.back(back1))
        b1.copy_(back1.sum(0))

    def _own(self, layers: Sequence[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        return [(w.to(self._type), c.to(self._type)) for w, c in layers[:3]]


def real_codes(
    rows: npt.NDArray, layers: Sequence[tuple[Matrix, Matrix]], block: int = 1 << 14
) -> Matrix:
    """What unseen rows are mapped to, ``(n, bits)``, in float64."""
    done: list[Matrix] = []
    for start in range(0, len(rows), block):
        value = np.asarray(rows[start : start + block], np.float64)
        for number, (weight, bias) in enumerate(layers):
            value = value @ weight.T + bias
            if number < len(layers) - 1:
                value = torch.from_numpy(value).sigmoid_().numpy()
        done.append(value)
    return np.concatenate(done)
