"""The objectives of UH-BDNN and SH-BDNN as functions of one vector, and their steps over codes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ._bdnn_network import Encoder, Layout
from ._bdnn_terms import Reconstruction, Terms, add_decay, code_terms, similarity_term
from ._bdnn_weights import BDNNWeights
from ._dcc import descend
from ._few_zeros import Precision
from ._pairs import SamePairs
from ._principal import Matrix


class Problem(ABC):
    """An objective over weights for fixed signs, and over signs for fixed weights.

    Args:
        rows: the training rows, ``(n, features)``.
        sizes: widths of the three layers of the encoder.
        weights: of the terms.
        precision: of the pass through the layers and back.
        decoder: ``(in, out)`` of a layer after the encoder.
    """

    def __init__(
        self,
        rows: Matrix,
        sizes: Sequence[int],
        weights: BDNNWeights,
        precision: Precision,
        decoder: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self.encoder = Encoder(rows, sizes, precision)
        self.layout = Layout((*self.encoder.shapes, *decoder))
        self.weights = weights
        self.terms: Terms = {}
        """Of the last call."""
        self.signs = torch.empty(0)

    def __call__(self, vector: Tensor, gradient: Tensor) -> float:
        """The objective for the signs at hand; its gradient is written."""
        layers, gradients = self.layout.parts(vector), self.layout.parts(gradient)
        codes = self.encoder.forward(layers)
        terms, by_codes = code_terms(codes, self.signs, self.weights)
        terms |= self._own_terms(codes, by_codes, layers, gradients)
        self.encoder.backward(by_codes, layers, gradients)
        terms["decay"] = add_decay(layers, gradients, self.weights.decay)
        self.terms = terms
        return sum(terms.values())

    def measure(self, vector: Tensor) -> Terms:
        """Every term at a point."""
        self(vector, torch.empty_like(vector))
        return self.terms

    def set_signs(self, signs: Tensor) -> None:
        """Fix the codes ``(n, bits)``, of -1 and +1."""
        self.signs = signs

    @abstractmethod
    def better_signs(self, vector: Tensor) -> Tensor:
        """Signs that are at least as good for these weights."""

    @abstractmethod
    def _own_terms(
        self,
        codes: Tensor,
        by_codes: Tensor,
        layers: list[tuple[Tensor, Tensor]],
        gradients: list[tuple[Tensor, Tensor]],
    ) -> Terms:
        """Terms that one method alone has; gradients are added, those of a decoder written."""


@final
class Autoencoding(Problem):
    """Of UH-BDNN: the signs, through a linear layer, are to give the rows back."""

    def __init__(
        self,
        rows: Matrix,
        sizes: Sequence[int],
        weights: BDNNWeights,
        precision: Precision,
        *,
        sweeps: int,
        from_zeros: bool,
    ) -> None:
        super().__init__(rows, sizes, weights, precision, ((sizes[-1], rows.shape[1]),))
        self._rows = torch.from_numpy(rows)
        self._sweeps, self._from_zeros = sweeps, from_zeros

    def set_signs(self, signs: Tensor) -> None:
        super().set_signs(signs)
        self._reconstruction = Reconstruction(self._rows, signs)

    def better_signs(self, vector: Tensor) -> Tensor:
        layers = self.layout.parts(vector)
        weight, bias = layers[3]
        wanted = torch.addmm(-(bias @ weight), self._rows, weight)
        wanted.add_(self.encoder.forward(layers), alpha=self.weights.equality)
        start = torch.zeros_like(self.signs) if self._from_zeros else self.signs
        found = descend(
            wanted.numpy(), (weight.T @ weight).numpy(), start.numpy(), sweeps=self._sweeps
        )
        return torch.from_numpy(found)

    def _own_terms(
        self,
        codes: Tensor,
        by_codes: Tensor,
        layers: list[tuple[Tensor, Tensor]],
        gradients: list[tuple[Tensor, Tensor]],
    ) -> Terms:
        return {"reconstruction": self._reconstruction(*layers[3], *gradients[3])}


@final
class PairKeeping(Problem):
    """Of SH-BDNN: codes of alike rows are to have a large inner product, of others a small one."""

    def __init__(
        self,
        rows: Matrix,
        sizes: Sequence[int],
        weights: BDNNWeights,
        precision: Precision,
        *,
        pairs: SamePairs,
    ) -> None:
        super().__init__(rows, sizes, weights, precision)
        self._pairs = pairs

    def better_signs(self, vector: Tensor) -> Tensor:
        codes = self.encoder.forward(self.layout.parts(vector))
        return torch.where(codes >= 0, 1.0, -1.0).to(codes.dtype)

    def _own_terms(
        self,
        codes: Tensor,
        by_codes: Tensor,
        layers: list[tuple[Tensor, Tensor]],
        gradients: list[tuple[Tensor, Tensor]],
    ) -> Terms:
        value, gradient = similarity_term(codes, self._pairs, self.weights.similarity)
        by_codes.add_(gradient)
        return {"similarity": value}


def widen(weight: Tensor, used: npt.NDArray[np.intp], features: int) -> Matrix:
    """The first layer for all features: nothing of those that were always 0."""
    full = np.zeros((len(weight), features))
    full[:, used] = weight.numpy()
    return full
