"""What deep hashing and its supervised form have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ._checks import check_flag, check_not_negative, check_whole, check_widths
from ._dh_objective import Factors, Pairs
from ._dh_training import default_widths, train
from ._encoder import Features, HashEncoder
from ._rows import Matrix


class TanhEncoder(HashEncoder):
    """Layers of tanh, trained over all rows at once."""

    hidden: Sequence[int] | None
    variance: float
    orthogonality: float
    decay: float
    centred: bool
    iterations: int
    mean_: Matrix
    scale_: float
    layers_: list[tuple[Matrix, Matrix]]
    objective_: Matrix

    @abstractmethod
    def _pairs(self, labels: npt.NDArray | None) -> tuple[Pairs | None, float]:
        """What tells classes apart, and how much it counts."""

    def _learn(self, features: Features, labels: npt.NDArray | None) -> None:
        check_whole(1, iterations=self.iterations)
        check_flag(centred=self.centred)
        for name in ("variance", "orthogonality", "decay"):
            check_not_negative(**{name: getattr(self, name)})
        pairs, separation = self._pairs(labels)
        self.mean_, self.scale_, self.layers_, self.objective_ = train(
            features,
            (*self._widths(), self.bits),
            Factors(self.variance, self.orthogonality, self.decay, separation, self.centred),
            pairs,
            self.iterations,
        )

    def _widths(self) -> tuple[int, ...]:
        if self.hidden is None:
            return default_widths(self.bits)
        return check_widths(self.hidden)

    def _project(self, rows: Matrix) -> Features:
        value = (rows - self.mean_) * self.scale_
        for weight, bias in self.layers_:
            value = np.tanh(value @ weight + bias)
        return value
