"""A classifier of Gaussian kernels on the nearest training images, to train a network through."""

from __future__ import annotations

from typing import cast, final

import numpy as np
import torch
from torch import Tensor, nn

from ..search import Fanng, Flat

_FEW = 2000
"""Centres up to which comparing all of them is faster than a graph."""


@final
class NearestKernelHead(nn.Module):
    """Class probabilities from Gaussian kernels on the nearest centres, with learnt weights.

    Every training image is a centre, at the embedding that it had when :meth:`refresh` was called
    last, every few epochs. For an embedding ``x``, over the centres ``i`` among its nearest ::

        P(c | x) = sum_{i of class c} w_i k(x, c_i) / sum_i w_i k(x, c_i)
        k(x, c) = exp(-||x - c||² / 2 bandwidth²),    w_i = exp(log_weights[i])

    An image is not its own neighbour: say by ``rows`` which centre each embedding comes from.
    Centres are constants; the gradient goes to ``x`` and to ``log_weights``.

    Source: Meyer, Harwood and Drummond, "Deep Metric Learning and Image Classification with Nearest
    Neighbour Gaussian Kernels", ICIP 2018, arXiv 1705.09780. There the neighbours come from an
    approximate index as well. Here a class without a centre among the neighbours is at ``-inf`` and
    not at a floor, and :meth:`loss` adds the nearest centre of the true class where it is missing,
    without which there would be no gradient.

    Args:
        labels: class of each centre, ``int64[n]``, from 0.
        dim: elements of an embedding.
        neighbours: that count for one embedding, at most all centres.
        bandwidth: in the units of the embedding; None sets it at the first :meth:`refresh` to the
            median distance of a centre to its nearest other one, over the centres where that is not
            0; 1.0 where it is 0 for all.

    Attributes:
        log_weights: one for each centre, 0 at the start; give them a learning rate of their own.

    Raises:
        TypeError: labels that are no integers.
        ValueError: no labels, a negative one, or a number that is out of range.

    >>> head = NearestKernelHead(torch.tensor([0, 0, 1]), dim=1, neighbours=3, bandwidth=1.0)
    >>> head.refresh(torch.tensor([[0.0], [1.0], [3.0]]))
    >>> head(torch.tensor([[0.5]])).exp().detach().round(decimals=3)
    tensor([[0.9760, 0.0240]])
    """

    log_weights: nn.Parameter
    labels: Tensor
    centres: Tensor
    bandwidth: Tensor

    def __init__(
        self,
        labels: Tensor,
        dim: int,
        *,
        neighbours: int = 100,
        bandwidth: float | None = None,
    ) -> None:
        super().__init__()
        if labels.ndim != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
            raise TypeError(
                f"labels must be integers of shape (n,), got {labels.dtype} of {labels.shape}"
            )
        if len(labels) == 0 or int(labels.min()) < 0:
            raise ValueError("labels must hold one or more classes from 0 on")
        for name, number in (("dim", dim), ("neighbours", neighbours)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        if bandwidth is not None and not 0 < bandwidth < float("inf"):
            raise ValueError(f"bandwidth must be positive and finite, got {bandwidth}")
        self.classes = int(labels.max()) + 1
        self.neighbours = min(neighbours, len(labels))
        self.log_weights = nn.Parameter(torch.zeros(len(labels)))
        self.register_buffer("labels", labels.long())
        self.register_buffer("centres", torch.full((len(labels), dim), float("nan")))
        self.register_buffer("bandwidth", torch.tensor(bandwidth or float("nan")))
        self._index: Flat | Fanng | None = None
        self.register_load_state_dict_post_hook(_forget_index)

    @torch.no_grad()
    def refresh(self, embeddings: Tensor) -> None:
        """Take the embeddings of all training images, ``[n, dim]``, as the new centres.

        Raises:
            ValueError: another shape, or a number that is not finite.
        """
        if embeddings.shape != self.centres.shape:
            raise ValueError(
                f"embeddings must have shape {tuple(self.centres.shape)}, got "
                f"{tuple(embeddings.shape)}"
            )
        if not torch.isfinite(embeddings).all():
            raise ValueError("embeddings must be finite")
        self.centres.copy_(embeddings)
        self._index = None
        if torch.isnan(self.bandwidth):
            away, ids = self._search(self.centres, min(2, len(self.centres)))
            own = torch.arange(len(ids)).unsqueeze(1)
            nearest = torch.where(ids == own, torch.inf, away).amin(1)
            found = nearest[torch.isfinite(nearest) & (nearest > 0)]
            self.bandwidth.fill_(float(found.median().sqrt()) if len(found) else 1.0)

    def forward(self, x: Tensor, rows: Tensor | None = None) -> Tensor:
        """Log-probabilities ``[q, classes]`` of embeddings ``[q, dim]``.

        Args:
            x: embeddings.
            rows: ``int64[q]``, which centre each of them comes from and must not see; -1 or None
                for others.

        Raises:
            RuntimeError: there are no centres yet; call :meth:`refresh`.
            ValueError: shapes that do not fit, or an embedding whose only centre is its own.
        """
        return self._log_probabilities(x, self._neighbours(x, rows))

    def loss(self, x: Tensor, targets: Tensor, rows: Tensor | None = None) -> Tensor:
        """Mean of ``-log P(target | x)``, with the nearest centre of the true class among those.

        Args:
            x: embeddings, at least one.
            targets: the class of each, ``int64[q]``.
            rows: as for :meth:`forward`.

        Raises:
            TypeError: targets that are no integers.
            ValueError: no embedding, shapes that do not fit, a class out of range, or one that has
                no centre but the embedding's own.
        """
        if targets.is_floating_point() or targets.dtype == torch.bool:
            raise TypeError(f"targets must be integers, got {targets.dtype}")
        if len(x) == 0 or targets.shape != (len(x),):
            raise ValueError(
                f"targets must have shape ({len(x)},), one for each of one or more embeddings, got "
                f"{tuple(targets.shape)}"
            )
        if not 0 <= int(targets.min()) <= int(targets.max()) < self.classes:
            raise ValueError(f"targets must lie in 0 to {self.classes - 1}")
        targets = targets.long()
        ids = self._with_true_class(x, self._neighbours(x, rows), targets, rows)
        chosen = self._log_probabilities(x, ids).gather(1, targets.unsqueeze(1))
        return -chosen.mean()

    def _search(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        if self._index is None:
            if torch.isnan(self.centres).any():
                raise RuntimeError("there are no centres yet; call refresh(embeddings) first")
            centres = np.ascontiguousarray(self.centres.detach().cpu().numpy(), np.float32)
            self._index = (Flat if len(centres) <= _FEW else Fanng)(centres.shape[1])
            self._index.add(centres)
            if isinstance(self._index, Fanng):
                self._index.build()
        queries = np.ascontiguousarray(x.detach().cpu().numpy(), np.float32)
        found = self._index.search(queries, k)
        return torch.from_numpy(found.distances), torch.from_numpy(found.ids)

    def _neighbours(self, x: Tensor, rows: Tensor | None) -> Tensor:
        """Rows of the centres that count, ``[q, neighbours]``; -1 where there is none."""
        if x.ndim != 2 or x.shape[1] != self.centres.shape[1]:
            raise ValueError(
                f"x must have shape (q, {self.centres.shape[1]}), got {tuple(x.shape)}"
            )
        if rows is None:
            return self._search(x, self.neighbours)[1]
        if rows.shape != (len(x),):
            raise ValueError(f"rows must have shape ({len(x)},), got {tuple(rows.shape)}")
        ids = self._search(x, min(self.neighbours + 1, len(self.centres)))[1]
        others = ids != rows.cpu().unsqueeze(1)
        # those of others first, in their order
        place = torch.argsort((~others).to(torch.uint8), dim=1, stable=True)
        kept = torch.where(others, ids, -1).gather(1, place)[:, : self.neighbours]
        if (kept < 0).all(1).any():
            raise ValueError("there is no centre but the embedding's own")
        return kept

    def _with_true_class(
        self, x: Tensor, ids: Tensor, targets: Tensor, rows: Tensor | None
    ) -> Tensor:
        labels, targets = self.labels.cpu(), targets.cpu()
        there = ((labels[ids.clamp_min(0)] == targets.unsqueeze(1)) & (ids >= 0)).any(1)
        extra = torch.full((len(ids), 1), -1)
        for q in (~there).nonzero()[:, 0].tolist():
            own = (labels == targets[q]).nonzero()[:, 0]
            if rows is not None:
                own = own[own != rows[q].cpu()]
            if len(own) == 0:
                raise ValueError(f"class {int(targets[q])} has no centre but the embedding's own")
            away = (self.centres[own].cpu() - x[q].detach().cpu()).square().sum(1)
            extra[q, 0] = own[away.argmin()]
        return torch.cat([ids, extra], 1)

    def _log_probabilities(self, x: Tensor, ids: Tensor) -> Tensor:
        ids = ids.to(x.device)
        known, ids = ids >= 0, ids.clamp_min(0)
        away = (x.unsqueeze(1) - self.centres[ids].to(x.dtype)).square().sum(2)
        scores = self.log_weights[ids].to(x.dtype) - away / (2 * self.bandwidth.to(x.dtype) ** 2)
        scores = scores.masked_fill(~known, -torch.inf)
        scores = scores - scores.amax(1, keepdim=True).detach()
        mask = cast(
            Tensor, nn.functional.one_hot(self.labels[ids], self.classes)
        ) * known.unsqueeze(2)
        # a class that is absent stays at -inf and gets no gradient
        of_class = scores.unsqueeze(2).masked_fill(mask == 0, -torch.inf)
        there = mask.any(1)
        safe = torch.where(there.unsqueeze(1), of_class, torch.zeros_like(of_class))
        sums = torch.where(there, safe.logsumexp(1), -torch.inf)
        return sums - scores.logsumexp(1, keepdim=True)


def _forget_index(head: nn.Module, _: object) -> None:
    """After other centres were loaded."""
    cast(NearestKernelHead, head)._index = None
