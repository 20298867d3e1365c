"""Unsupervised hashing with a binary deep neural network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_random_state
from torch import Tensor

from ..metrics import Relevance
from ._bdnn import BDNN
from ._bdnn_problems import Autoencoding
from ._bdnn_weights import PAPER_UNSUPERVISED, Weights, chosen
from ._checks import check_one_of, check_whole
from ._encoder import Features
from ._few_zeros import Precision
from ._itq import itq_signs
from ._principal import Matrix
from ._validation import nearest_rows, validation_map


@final
class UHBDNN(BDNN):
    """Unsupervised hashing with a binary deep neural network (Do, Doan and Cheung, ECCV 2016).

    An autoencoder whose code is binary by constraint: for rows ``x`` of ``n``, ``H`` the real codes
    of three layers (sigmoid, sigmoid, linear) and ``B`` the signs that a linear decoder ``W, c``
    reads, it makes small ::

        ||X - W B - c 1'||² / 2n + decay / 2 · sum ||W||² + equality / 2n · ||H - B||²
            + independence / 2 · ||H H' / n - I||² + balance / 2n · ||H 1||²

    by turns over all weights (L-BFGS with strong Wolfe in float64) and over ``B`` (discrete cyclic
    coordinate descent). ``B`` starts as the codes of ITQ, the layers as the eigenvectors of what
    comes into them. A row's code is the signs of its ``H``. It ends when the mAP of validation
    rows falls, with the best weights; these are training rows, as in the authors' code, and never
    those of a test.

    Differences from the authors' code, which is the reference for the defaults: the step over ``B``
    starts from the ``B`` at hand, so that no half step makes the objective larger
    (``code_start="zeros"`` is theirs); any number of bits up to that of the features; weights of
    features that are 0 in every training row are left out, since they stay 0. Results are the same
    for the same seed and number of threads of torch, whose products round differently with another.

    Args:
        bits: length of a code, at most the number of features.
        hidden: widths of the two hidden layers; by default the authors' for 8, 16, 24 and 32 bits,
            and for others as described in ``docs/hashing.md``.
        weights: of the terms: ``"code"``, those of the authors' code; ``"paper"``, with twice the
            balance (as the paper is recalled; not checked); or :class:`BDNNWeights`. Balance grows
            with the rows, see there.
        rounds: of codes and weights after the first step over weights, at most.
        iterations: of L-BFGS in each step over weights.
        sweeps: over all bits in each step over codes, at most.
        code_start: ``"previous"``, or ``"zeros"``, which may make the objective larger.
        validation: training rows, at most all, that are asked for early stopping. 0: none, and all
            rounds are run.
        neighbours: that each of them has: its nearest training rows by Euclidean distance, itself
            among them.
        patience: steps over weights in a row without a better mAP that end it.
        rescale: features to [0, 1] by each one's least and the largest range of all, in training.
        precision: ``"float32"`` takes the pass through the layers and back in float32, in half the
            time; codes, terms, weights and L-BFGS stay in float64.
        verbose: say a line after each half step, on standard error.
        random_state: of the rotation that ITQ starts from, and of the validation rows.

    Attributes:
        layers_: weight ``(out, in)`` and bias of the three layers of the encoder.
        decoder_: weight ``(features, bits)`` and bias, in the rescaled features.
        objective_: at the start and after each half step.
        terms_: each of its terms by name, as long as ``objective_``.
        validation_: mAP after each step over weights.
        history_: these and how it ended; ``history_.best`` is the round that was kept.
        n_iter_: rounds run.

    >>> from bitgrove.hashing import UHBDNN
    >>> rows = np.random.default_rng(0).normal(size=(200, 12))
    >>> net = UHBDNN(bits=4, rounds=2, iterations=20, random_state=0).fit(rows)
    >>> net.encode(rows).shape, bool((np.diff(net.objective_) <= 1e-12).all())
    ((200, 1), True)
    """

    decoder_: tuple[Matrix, Matrix]

    def __init__(
        self,
        bits: int = 32,
        *,
        hidden: Sequence[int] | None = None,
        weights: Weights = "code",
        rounds: int = 20,
        iterations: int = 400,
        sweeps: int = 10,
        code_start: Literal["previous", "zeros"] = "previous",
        validation: int = 1000,
        neighbours: int = 50,
        patience: int = 1,
        rescale: bool = True,
        precision: Precision = "float64",
        verbose: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.bits = bits
        self.hidden = hidden
        self.weights: Weights = weights
        self.rounds = rounds
        self.iterations = iterations
        self.sweeps = sweeps
        self.code_start: Literal["previous", "zeros"] = code_start
        self.validation = validation
        self.neighbours = neighbours
        self.patience = patience
        self.rescale = rescale
        self.precision: Precision = precision
        self.verbose = verbose
        self.random_state = random_state

    def _learn(self, features: Features, labels: npt.NDArray | None) -> None:
        hidden = self._check(features.shape[1])
        check_whole(1, sweeps=self.sweeps)
        check_whole(1, neighbours=self.neighbours)
        check_one_of(("previous", "zeros"), code_start=self.code_start)
        weights = chosen(self.weights, PAPER_UNSUPERVISED)
        random = check_random_state(self.random_state)
        rows = self._scale(features)
        signs = itq_signs(rows, self.bits, random)
        asked = random.permutation(len(rows))[: self.validation]
        problem = Autoencoding(
            rows,
            (*hidden, self.bits),
            weights,
            self.precision,
            sweeps=self.sweeps,
            from_zeros=self.code_start == "zeros",
        )
        decoder = torch.eye(rows.shape[1], self.bits, dtype=torch.float64)
        judge = self._judge(problem, rows, asked) if len(asked) else None
        vector = self._run(problem, rows, signs, [decoder], judge, random)
        weight, bias = problem.layout.parts(vector)[3]
        self.decoder_ = weight.numpy().copy(), bias.numpy().copy()

    def _judge(
        self, problem: Autoencoding, rows: Matrix, asked: npt.NDArray[np.intp]
    ) -> Callable[[Tensor], float]:
        near = nearest_rows(rows, asked, min(self.neighbours, len(rows)))
        relevant = Relevance.from_neighbours(near)

        def judge(vector: Tensor) -> float:
            codes = problem.encoder.forward(problem.layout.parts(vector)).numpy()
            return validation_map(codes[asked], codes, relevant)

        return judge
