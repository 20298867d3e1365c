"""The loss of OrthoHash."""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._batch import checked, checked_classes
from ._centres import hash_centres
from ._checks import check_not_negative, check_positive


@final
class OrthoHashLoss(nn.Module):
    """Cross-entropy of the cosines to fixed centres, with a margin.

    ``CE(scale * (cos(u, c_k) - margin * [k = label]))`` over the classes ``k``: one loss, which
    also makes the numbers of a code equally large, as the centres' are. The source puts a batch
    norm behind the last linear layer, which balances the bits: see :class:`OrthoHash`.

    Source: Hoe et al., "One Loss for All: Deep Hashing with a Single Cosine Similarity based
    Learning Objective", NeurIPS 2021, the form with a margin of the cosine.

    Args:
        bits: length of a code, at least 1.
        classes: at least 2.
        margin: of the right class, 0 to below 2.
        scale: above 0; None is ``sqrt(bits)``.
        seed: of the centres.

    Raises:
        TypeError, ValueError: an argument, a shape or a kind of tensor does not fit.

    >>> loss = OrthoHashLoss(8, 3, scale=100.0)
    >>> loss(loss.centres, torch.arange(3)) < 1e-6
    tensor(True)
    """

    centres: Tensor

    def __init__(
        self,
        bits: int,
        classes: int,
        *,
        margin: float = 0.2,
        scale: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        centres = torch.from_numpy(hash_centres(classes, bits, seed=seed)).float()
        self.register_buffer("centres", centres)
        check_not_negative(margin=margin)
        if margin >= 2:
            raise ValueError(f"margin must be in 0 to below 2, got {margin}")
        self.bits = self.outputs = bits
        self.classes, self.margin, self.seed = classes, margin, seed
        if scale is not None:
            check_positive(scale=scale)
        self.scale = bits**0.5 if scale is None else float(scale)

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch: real codes ``(n, bits)``, labels ``int64[n]``."""
        codes = checked(codes, labels, self.bits)
        right = F.one_hot(checked_classes(labels, self.classes).long(), self.classes)
        return F.cross_entropy(self.scale * (self._cosines(codes) - self.margin * right), labels)

    def hits(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Whether the centre of the class is the nearest by angle, ``bool[n]``."""
        return self._cosines(checked(codes, labels, self.bits)).argmax(1) == labels

    def _cosines(self, codes: Tensor) -> Tensor:
        return F.normalize(codes) @ F.normalize(self.centres.to(codes.dtype)).T

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"bits={self.bits}, classes={self.classes}, margin={self.margin:g}, "
            f"scale={self.scale:g}, seed={self.seed}"
        )
