"""Supervised hashing with a binary deep neural network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state
from torch import Tensor

from ..metrics import Relevance
from ._alternate import Judge
from ._bdnn import BDNN
from ._bdnn_network import real_codes
from ._bdnn_problems import PairKeeping
from ._bdnn_weights import PAPER_SUPERVISED, Weights, chosen
from ._classes import numbered
from ._encoder import Features
from ._few_zeros import Precision
from ._itq import itq_signs
from ._pairs import SamePairs
from ._principal import Matrix
from ._validation import set_apart, validation_map


@final
class SHBDNN(BDNN):
    """Supervised hashing with a binary deep neural network (Do, Doan and Cheung, ECCV 2016).

    The layers are those of :class:`UHBDNN` without a decoder. In place of the reconstruction,
    inner products of real codes are to say which rows are alike (``S = 1``) and which are not
    (``S = -1``): it makes small ::

        similarity / 2n · ||H' H / bits - S||² + decay / 2 · sum ||W||² + equality / 2n · ||H - B||²
            + independence / 2 · ||H H' / n - I||² + balance / 2n · ||H 1||²

    by turns over all weights (L-BFGS with strong Wolfe in float64) and over ``B``, whose best
    values are the signs of ``H``. The first term is over all ``n²`` pairs, exactly, but no matrix
    of pairs is made: rows of the same labels are summed first, in ``O(n bits (bits + classes))``.
    The authors' code, which is the reference for the defaults, needs about 40 GB for 30,000 rows.

    Args:
        bits: length of a code, at most the number of features.
        hidden: widths of the two hidden layers, as in :class:`UHBDNN`.
        weights: of the terms: ``"code"``, those of the authors' code; ``"paper"``, where similarity
            counts 1, and the others as many times as much, but for twice the balance (as
            the paper is recalled; not checked); or
            :class:`BDNNWeights`. Similarity and balance grow with the rows, see there.
        rounds: of codes and weights after the first step over weights, at most.
        iterations: of L-BFGS in each step over weights.
        validation: rows that are set apart and asked for early stopping, from every class equally
            where a row has one class; at most a fifth of a class or, with several, of all rows.
            They are not trained on. 0, or too few rows: none, and all rounds are run.
        patience: steps over weights in a row without a better mAP that end it.
        rescale: features to [0, 1] by each one's least and the largest range of all, in training;
            the authors' code does not, for features that were projected before. Without it large
            features drive the sigmoids to their ends, where little is learnt.
        precision: ``"float32"`` takes the pass through the layers and back in float32, in half the
            time; codes, terms, weights and L-BFGS stay in float64.
        verbose: say a line after each half step, on standard error.
        random_state: of the rotation that ITQ starts from, and of the validation rows.

    Attributes:
        classes_: the labels, sorted, two or more; of an indicator matrix its columns' numbers.
        layers_: weight ``(out, in)`` and bias of the three layers.
        objective_: at the start and after each half step; it never increases.
        terms_: each of its terms by name, as long as ``objective_``.
        validation_: mAP after each step over weights.
        history_: these and how it ended; ``history_.best`` is the round that was kept.
        n_iter_: rounds run.

    >>> from bitgrove.hashing import SHBDNN
    >>> random = np.random.default_rng(0)
    >>> y = np.arange(200) % 4
    >>> rows = random.normal(size=(200, 12)) + 3 * np.eye(12)[y]
    >>> net = SHBDNN(bits=4, rounds=2, iterations=20, random_state=0).fit(rows, y)
    >>> net.encode(rows).shape, bool((np.diff(net.objective_) <= 1e-12).all())
    ((200, 1), True)

    With several classes for a row, ``y`` is an indicator matrix ``(n, classes)``; rows are alike if
    they share at least one.
    """

    def __init__(
        self,
        bits: int = 32,
        *,
        hidden: Sequence[int] | None = None,
        weights: Weights = "code",
        rounds: int = 20,
        iterations: int = 400,
        validation: int = 1000,
        patience: int = 1,
        rescale: bool = False,
        precision: Precision = "float64",
        verbose: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.bits = bits
        self.hidden = hidden
        self.weights: Weights = weights
        self.rounds = rounds
        self.iterations = iterations
        self.validation = validation
        self.patience = patience
        self.rescale = rescale
        self.precision: Precision = precision
        self.verbose = verbose
        self.random_state = random_state

    @property
    def _needs_labels(self) -> bool:
        return True

    def _check_labels(self, y: Any) -> npt.NDArray:
        labels = np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] > 1:
            if not np.isin(labels, (0, 1)).all():
                raise ValueError(
                    "y of shape (n, classes) must be an indicator matrix of 0 and 1; for one class "
                    "a row, shape (n,) is expected"
                )
            return labels.astype(np.uint8)
        return super()._check_labels(y)

    def _learn(self, features: Features, labels: npt.NDArray | None) -> None:
        assert labels is not None
        hidden = self._check(features.shape[1])
        weights = chosen(self.weights, PAPER_SUPERVISED)
        random = check_random_state(self.random_state)
        if labels.ndim == 1:
            self.classes_, labels = numbered(type(self).__name__, labels)
        else:
            self.classes_ = np.arange(labels.shape[1])
        apart = set_apart(labels, self.validation, random)
        rows = self._scale(features[~apart])
        signs = itq_signs(rows, self.bits, random)
        pairs = SamePairs(labels[~apart])
        problem = PairKeeping(rows, (*hidden, self.bits), weights, self.precision, pairs=pairs)
        judge = None
        if apart.any():
            asked = self._scaled(np.asarray(features[apart], np.float64))
            judge = _judge(problem, asked, Relevance.from_labels(labels[apart], labels[~apart]))
        self._run(problem, rows, signs, [], judge, random)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = False
        return tags


def _judge(problem: PairKeeping, asked: Matrix, relevant: Relevance) -> Judge:
    def judge(vector: Tensor) -> float:
        layers = problem.layout.parts(vector)
        plain = [(w.numpy(), c.numpy()) for w, c in layers]
        queries = real_codes(asked[:, problem.encoder.used], plain)
        return validation_map(queries, problem.encoder.forward(layers).numpy(), relevant)

    return judge
