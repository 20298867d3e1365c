"""What UH-BDNN and SH-BDNN have in common: parameters, the run, and the encoder that is kept."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from ._alternate import History, Judge, alternate, flat
from ._bdnn_network import hidden_sizes, real_codes, stacked_eigenvectors
from ._bdnn_problems import Problem, widen
from ._checks import check_flag, check_one_of, check_whole, check_widths
from ._encoder import Features, HashEncoder
from ._few_zeros import Precision
from ._principal import Matrix, check_axes


class BDNN(HashEncoder):
    """Base of the two binary deep neural networks; not a method by itself."""

    hidden: Sequence[int] | None
    rounds: int
    iterations: int
    validation: int
    patience: int
    precision: Precision
    rescale: bool
    verbose: bool
    random_state: int | np.random.RandomState | None

    n_features_in_: int
    layers_: list[tuple[Matrix, Matrix]]
    objective_: npt.NDArray[np.float64]
    terms_: dict[str, npt.NDArray[np.float64]]
    validation_: npt.NDArray[np.float64]
    history_: History

    def _check(self, features: int) -> tuple[int, int]:
        """Check what both have; the widths of the hidden layers."""
        check_axes(type(self).__name__, self.bits, features)
        for name, low in (("rounds", 0), ("iterations", 1), ("validation", 0), ("patience", 1)):
            check_whole(low, **{name: getattr(self, name)})
        check_one_of(("float64", "float32"), precision=self.precision)
        check_flag(rescale=self.rescale, verbose=self.verbose)
        if self.hidden is None:
            return hidden_sizes(self.bits)
        widths = check_widths(self.hidden)
        if len(widths) != 2:
            raise ValueError(f"hidden must be two widths of at least 1, got {self.hidden!r}")
        return widths[0], widths[1]

    def _scale(self, features: Features) -> Matrix:
        """To [0, 1] by each feature's least and one range for all, of the training rows."""
        rows = np.asarray(features, np.float64)
        if self.rescale:
            self.low_ = rows.min(0)
            self.range_ = float((rows.max(0) - self.low_).max()) or 1.0
        return self._scaled(rows)

    def _scaled(self, rows: Matrix) -> Matrix:
        return (rows - self.low_) / self.range_ if self.rescale else rows

    def _run(
        self,
        problem: Problem,
        rows: Matrix,
        signs: Matrix,
        decoder: list[torch.Tensor],
        judge: Judge | None,
        random: np.random.RandomState,
    ) -> torch.Tensor:
        used = problem.encoder.used
        if not len(used):
            raise ValueError(
                "the training rows are all alike, or all 0: there is nothing to learn from"
            )
        sizes = [size for _, size in problem.encoder.shapes]
        weights = stacked_eigenvectors(rows[:, used], sizes, random)
        vector = flat(problem, [*map(torch.from_numpy, weights), *decoder])
        history = alternate(
            problem,
            vector,
            torch.from_numpy(signs),
            rounds=self.rounds,
            iterations=self.iterations,
            patience=self.patience,
            judge=judge,
            say=self._say,
        )
        self._keep(problem, vector, history)
        return vector

    def _keep(self, problem: Problem, vector: torch.Tensor, history: History) -> None:
        layers = problem.layout.parts(vector)[:3]
        first, *rest = [(w.clone(), c.numpy().copy()) for w, c in layers]
        self.layers_ = [(widen(first[0], problem.encoder.used, self.n_features_in_), first[1])]
        self.layers_ += [(w.numpy(), c) for w, c in rest]
        self.history_ = history
        self.objective_ = np.array(history.objective)
        self.terms_ = {
            name: np.array([terms[name] for terms in history.terms]) for name in history.terms[0]
        }
        self.validation_ = np.array(history.validation)
        self.n_iter_ = history.steps.count("codes")

    def _say(self, text: str) -> None:
        if self.verbose:
            print(f"{type(self).__name__}, {self.bits} bits, {text}", file=sys.stderr, flush=True)

    def _project(self, rows: Matrix) -> Features:
        return real_codes(self._scaled(rows), self.layers_)
