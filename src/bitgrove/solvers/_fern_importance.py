"""How much each feature is worth, from the rows that a fern did not count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ._fern_counts import counts_of_fern
from ._fern_questions import Questions
from ._fern_rules import leaf_logs, log_sum

FernImportance = Literal["permutation", "shadow"]
"""What is measured of the features, see :class:`Importance`."""

_Logs = npt.NDArray[np.float64]
_Fall = Callable[[int, int, npt.NDArray[np.intp]], float]
"""Of a fern and a feature, on rows by their numbers."""


@dataclass(frozen=True, slots=True)
class Importance:
    """Measures what features are worth, fern by fern.

    ``permutation``: how much the logarithm of the probability that a fern alone gives to the right
    class falls when a feature is shuffled among the rows that the fern did not count; the mean
    over the ferns that ask about the feature, their rows and the outputs. 0 for a feature that
    no fern asks about.

    ``shadow``: the same of the feature's shadow, which has its values in another order, one order
    for all ferns, so that it tells nothing. A fern is counted anew with the shadow in place of the
    feature, and the shadow is then shuffled once more. Kursa, "Embedded all relevant feature
    selection with Random Ferns", arXiv 1604.06133, as rFerns has it since 2.0; there a shadow is
    drawn with replacement.
    """

    rows: npt.NDArray
    """The training rows, ``[n, features]``."""
    questions: Questions
    leaves: npt.NDArray[np.uint16]
    """Of the rows, ``[ferns, n]``."""
    counts: list[_Logs]
    """Of each output, ``[ferns, leaves, classes]``."""
    codes: list[npt.NDArray[np.intp]]
    """The numbers of the rows' classes, for each output."""
    weights: npt.NDArray
    """How often each fern counted each row, ``[ferns, n]``."""
    outside: npt.NDArray[np.bool_]
    """Whether a fern is asked about a row that it did not count, ``[ferns, n]``."""
    prior: float

    def permutation(self, seed: npt.NDArray[np.uint32]) -> _Logs:
        """Of each feature."""
        random = np.random.default_rng(seed)
        logs = [_log_shares(counts, self.prior) for counts in self.counts]

        def fall(f: int, feature: int, own: npt.NDArray[np.intp]) -> float:
            values = self.rows[random.permutation(own), feature]
            moved = self._moved(f, feature, values, own)
            return self._fall([part[f] for part in logs], own, self.leaves[f, own], moved)

        return self._mean(fall)

    def shadow(self, seed: npt.NDArray[np.uint32]) -> _Logs:
        """Of each feature's shadow."""
        every = np.arange(len(self.rows))
        random = np.random.default_rng(np.append(seed, np.uint32(1)))
        order = np.random.SeedSequence(seed).generate_state(2)

        def fall(f: int, feature: int, own: npt.NDArray[np.intp]) -> float:
            shuffled = np.random.default_rng([*order, feature]).permutation(every)
            values = self.rows[shuffled, feature]
            leaves = self._moved(f, feature, values, every)
            logs = [
                _log_shares(
                    counts_of_fern(leaves, code, counts.shape[1:], self.weights[f])[None],
                    self.prior,
                )[0]
                for counts, code in zip(self.counts, self.codes, strict=True)
            ]
            moved = self._moved(f, feature, values[random.permutation(own)], own)
            return self._fall(logs, own, leaves[own], moved)

        return self._mean(fall)

    def _mean(self, fall: _Fall) -> _Logs:
        total, asked = np.zeros((2, self.rows.shape[1]))
        for f, outside in enumerate(self.outside):
            own = np.flatnonzero(outside)
            if not len(own):
                continue
            other = self.questions.other
            asks = self.questions.feature[f]
            for feature in np.unique(asks if other is None else np.append(asks, other[f])):
                total[feature] += fall(f, int(feature), own)
                asked[feature] += 1
        return total / np.maximum(asked, 1)

    def _moved(
        self, f: int, feature: int, values: npt.NDArray, own: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.uint16]:
        """The leaves of some rows in a fern if a feature had other values."""
        moved = self.leaves[f, own]
        for k, first in enumerate(self.questions.feature[f]):
            second = None if self.questions.other is None else self.questions.other[f, k]
            if feature not in (first, second):
                continue
            left = values if first == feature else self.rows[own, first]
            if second is None:
                right = self.questions.threshold[f, k]  # pyright: ignore[reportOptionalSubscript]
            else:
                right = values if second == feature else self.rows[own, second]
            bit = np.uint16(1 << k)
            moved = np.where(left > right, moved | bit, moved & ~bit)
        return moved

    def _fall(
        self,
        logs: list[_Logs],
        own: npt.NDArray[np.intp],
        before: npt.NDArray[np.uint16],
        after: npt.NDArray[np.uint16],
    ) -> float:
        """How much better the right class was before, on average."""
        falls = [
            (part[before, code[own]] - part[after, code[own]]).mean()
            for part, code in zip(logs, self.codes, strict=True)
        ]
        return float(np.mean(falls))


def _log_shares(counts: _Logs, prior: float) -> _Logs:
    """Logarithms of the probabilities that each fern alone gives to the classes."""
    logs = leaf_logs(counts, prior, "likelihood")
    return logs - log_sum(logs)
