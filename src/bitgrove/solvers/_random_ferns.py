"""Random ferns as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Literal, Self, final

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..kernels import Ferns, usable_cpus
from ._fern_answers import as_decisions, best, log_probabilities, outputs_of
from ._fern_checks import check_memory, check_parameters, check_prior
from ._fern_classes import codes_of, with_more, with_new
from ._fern_counts import counts_of_fern, grown
from ._fern_importance import FernImportance, Importance
from ._fern_input import examples, rows_of
from ._fern_out_of_bag import out_of_bag_accuracy, out_of_bag_scores
from ._fern_questions import FernTests, Questions, draw_questions
from ._fern_rules import FernRule, columns_of, leaf_logs, prior_logs
from ._fern_tables import FernTable, TableDtype, make_table

_Logs = npt.NDArray[np.float64]
_OF_BAGS = (
    "oob_score_", "oob_decision_function_", "feature_importances_", "shadow_importances_",
)  # fmt: skip
"""What is measured on rows out of bags, if asked for."""


def _counts_add_up(ferns: RandomFerns) -> bool:
    if ferns.bootstrap:
        raise AttributeError("partial_fit needs bootstrap=False: bags are of all rows at once")
    return True


@final
class RandomFerns(ClassifierMixin, BaseEstimator):
    """Classifies by the sum of what random ferns say: look-ups, and nothing is multiplied.

    A fern asks ``depth`` random questions of a row; the answers number one of ``2**depth`` leaves,
    and the leaf holds a logarithm for each class, from the counts of the training rows that fell
    into it. The sums over all ferns are the scores. Learning is counting, in one pass, and counts
    add up: :meth:`partial_fit` learns more rows, and new classes, without retraining.

    Rows of ``uint8`` are compared as bytes; all else becomes float32 first. There are no missing
    values: NaN is refused.

    Source: Ozuysal, Calonder, Lepetit and Fua, "Fast Keypoint Recognition Using Random Ferns",
    PAMI 2010, whose questions are ``tests="pairs"``; Kursa, "rFerns", Journal of Statistical
    Software 61(10), 2014, for bags, out-of-bag error, importance and thresholds. Here a fern does
    not ask twice about a feature where there are enough, and not about one that is constant in the
    training rows unless too few vary.

    Args:
        ferns: how many, at least 1.
        depth: questions of each, 1 to 16.
        tests: ``"thresholds"``: is a feature above the mean of two random training values of it;
            ``"quantiles"``: above a random quantile; ``"pairs"``: above another feature.
        rule: what a leaf says, ``"likelihood"``, ``"opencv"`` or ``"rferns"``. The first two
            differ by what all classes have in common, so only ``decision_function`` differs.
        prior: of Dirichlet, above 0, added to each count: an empty cell vetoes nothing.
        class_prior: ``"uniform"`` as in the papers, ``"empirical"`` for the shares of the training
            rows, or a probability above 0 for each class (of one output).
        bootstrap: each fern counts a random draw, with replacement, of as many rows as there are.
        oob_score: judge each training row by the ferns that did not count it; needs ``bootstrap``.
        importance: ``"permutation"`` measures ``feature_importances_``; ``"shadow"`` also
            ``shadow_importances_``, what each feature would seem to be worth if it told nothing.
            Both need ``bootstrap``.
        table_dtype: what leaves are kept as: ``"float32"``; ``"float16"``, half the bytes, whose
            numbers are off by up to 2**-11 of themselves; ``"int8"``, a quarter, all in steps of a
            127th of the largest number, after what all classes have in common was taken away.
        memory_limit: bytes that counts and tables may take.
        random_state: of the questions and the bags.
        threads: None for one for each CPU; no result depends on it.

    Attributes:
        classes_: the labels, sorted; of several outputs a list of arrays.
        n_features_in_: elements of a row.
        n_outputs_: columns of ``y``.
        feature_, threshold_, other_: the questions, arrays of shape ``(ferns, depth)``.
        counts_: for each output ``float64[ferns, 2**depth, classes]``.
        table_: the leaves as they are kept, ``[ferns * 2**depth, k]``: a column for each class of
            each output, but one for an output of two classes, which is the second less the first.
        scale_: what a step of a table of ``int8`` is worth, else None.
        bias_: logarithms of the class prior, a number for each column, or None if it is uniform.
        oob_score_: share of out-of-bag rows that are classified right, if asked for; NaN if no
            row is out of a bag.
        oob_decision_function_: their scores, as of :meth:`decision_function`; NaN where every fern
            counted the row.
        feature_importances_: mean decrease of the logarithm of the probability that a fern alone
            gives to the right class, when the feature is shuffled among the rows out of its bag.
        shadow_importances_: the same of the feature's shadow: its values in another order, with
            which the ferns that ask about it are counted anew. A feature worth no more than the
            largest of them is not seen to matter.

    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0], [9.0, 8.0]])
    >>> solver = RandomFerns(ferns=20, depth=2).fit(X, ["low", "low", "high", "high"])
    >>> solver.predict([[1.0, 1.0], [8.0, 8.0]])
    array(['low', 'high'], dtype='<U4')
    """

    n_features_in_: int  # scikit-learn's checks set it

    def __init__(
        self,
        ferns: int = 100,
        depth: int = 10,
        *,
        tests: FernTests = "thresholds",
        rule: FernRule = "likelihood",
        prior: float = 1.0,
        class_prior: Literal["uniform", "empirical"] | npt.ArrayLike = "uniform",
        bootstrap: bool = False,
        oob_score: bool = False,
        importance: FernImportance | None = None,
        table_dtype: TableDtype = "float32",
        memory_limit: int = 1 << 30,
        random_state: int | np.random.RandomState | None = 0,
        threads: int | None = None,
    ) -> None:
        self.ferns = ferns
        self.depth = depth
        self.tests: FernTests = tests
        self.rule: FernRule = rule
        self.prior = prior
        self.class_prior = class_prior
        self.bootstrap = bootstrap
        self.oob_score = oob_score
        self.importance = importance
        self.table_dtype: TableDtype = table_dtype
        self.memory_limit = memory_limit
        self.random_state = random_state
        self.threads = threads

    def fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Draw the questions and count the rows.

        Args:
            X: shape ``(n, features)``, finite.
            y: ``n`` labels of any one kind, or ``(n, outputs)`` of them: the same questions serve
                all outputs.
            sample_weight: of the rows, not negative, not all 0.

        Raises:
            ValueError: a parameter or the data are out of range, or the memory limit is too low.
        """
        check_parameters(self)
        rows, labels, weights = examples(self, X, y, sample_weight, outputs=None)
        random = check_random_state(self.random_state)
        self._begin(rows, labels, weights, random)
        bags = None
        if self.bootstrap:
            drawn = random.randint(0, len(rows), (self.ferns, len(rows)))
            bags = np.stack([np.bincount(bag, minlength=len(rows)) for bag in drawn])
        codes = codes_of(self._known, labels)
        leaves = self._count(rows, codes, weights, bags)
        self._make_table()
        for name in _OF_BAGS:
            self.__dict__.pop(name, None)
        if bags is not None:
            self._judge(rows, leaves, codes, bags, weights)
        return self

    @available_if(_counts_add_up)
    def partial_fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        classes: npt.ArrayLike | list[npt.ArrayLike] | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Count more rows; the first call draws the questions from its rows.

        Args:
            X: shape ``(n, features)``, finite.
            y: ``n`` labels, of known or new classes, of the kind of the earlier ones.
            classes: further labels to count among ``classes_`` though they have no row yet; never
                needed. A list of arrays for several outputs.
            sample_weight: as in :meth:`fit`.

        Raises:
            AttributeError: ``bootstrap`` is True: a bag is drawn from all rows at once.
            ValueError: as :meth:`fit`.
        """
        check_parameters(self)
        anew = not hasattr(self, "table_")
        known = None if anew else self.n_outputs_
        rows, labels, weights = examples(self, X, y, sample_weight, outputs=known)
        if anew:
            self._begin(rows, labels, weights, check_random_state(self.random_state), classes)
        else:
            self._extend(labels, classes)
        codes = codes_of(self._known, labels)
        self._count(rows, codes, weights, None)
        self._make_table()
        return self

    def tabulate(self) -> Self:
        """Make the leaves anew from the counts, without a look at the rows.

        For another ``rule``, ``prior``, ``class_prior`` or ``table_dtype``, after ``set_params``.
        What was measured out of the bags stays what it was.

        Raises:
            NotFittedError: there are no counts yet.
            ValueError: a parameter is out of range.
        """
        check_is_fitted(self, "table_")
        check_parameters(self)
        check_prior(self.class_prior, self._known)
        self._make_table()
        return self

    def apply(self, X: npt.ArrayLike) -> npt.NDArray[np.uint16]:
        """The leaf of every fern, ``uint16[n, ferns]``."""
        return self._ready().leaves(rows_of(self, X), threads=self._threads()).T

    def decision_function(self, X: npt.ArrayLike) -> Any:
        """The scores: sums of the leaves, and the logarithm of the class prior.

        Returns:
            ``float32[n, classes]``; of two classes ``float32[n]``, the second less the first, and
            of one, its sum ``float32[n]``. Of
            several outputs a list of such, or ``float32[n, outputs]`` if all have two classes.
        """
        table = self._ready_table()
        return as_decisions(table.scores(rows_of(self, X), self._threads()), table.widths)

    def predict_log_proba(self, X: npt.ArrayLike) -> Any:
        """Logarithms of the probabilities of every class, ``float64[n, classes]``.

        They are those of the ferns as if these were independent, which they are not: with many
        ferns, too sure. Of several outputs a list.
        """
        parts = [log_probabilities(part, len(known)) for part, known in self._parts(X)]
        return parts[0] if self._is_single else parts

    def predict_proba(self, X: npt.ArrayLike) -> Any:
        """Probabilities of every class, ``float64[n, classes]``; of several outputs a list."""
        logs = self.predict_log_proba(X)
        return np.exp(logs) if self._is_single else [np.exp(part) for part in logs]

    def predict(self, X: npt.ArrayLike) -> npt.NDArray:
        """The class of the largest score; ties go to the first in ``classes_``.

        Returns:
            ``n`` labels, or ``(n, outputs)`` of them.
        """
        found = [known[best(part)] for part, known in self._parts(X)]
        return found[0] if self._is_single else np.stack(found, axis=1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        tags.classifier_tags.multi_label = True
        tags.classifier_tags.poor_score = False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        return {key: value for key, value in state.items() if key != "_table"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "table_" in state:
            self._make_table()

    # Counting.

    def _begin(
        self,
        rows: npt.NDArray,
        labels: list[npt.NDArray],
        weights: _Logs | None,
        random: np.random.RandomState,
        classes: Any = None,
    ) -> None:
        known = [np.unique(output) for output in labels]
        known = with_more(known, classes)
        check_prior(self.class_prior, known)
        check_memory(self, known)
        kept = slice(None) if weights is None else weights > 0
        questions = draw_questions(
            rows[kept],
            None if weights is None else weights[kept],
            self.ferns,
            self.depth,
            self.tests,
            random,
        )
        self.feature_, self.threshold_ = questions.feature, questions.threshold
        self.other_ = questions.other
        self._set_known(known, len(labels))
        self.counts_ = [np.zeros((self.ferns, 1 << self.depth, len(k))) for k in known]

    def _extend(self, labels: list[npt.NDArray], classes: Any) -> None:
        """Make room for new classes."""
        known = with_more(with_new(self._known, labels), classes)
        check_prior(self.class_prior, known)
        check_memory(self, known)
        self.counts_ = grown(self.counts_, self._known, known)
        self._set_known(known, self.n_outputs_)

    def _set_known(self, known: list[npt.NDArray], outputs: int) -> None:
        self._known, self.n_outputs_ = known, outputs
        self.classes_: Any = known[0] if outputs == 1 else known

    def _count(
        self,
        rows: npt.NDArray,
        codes: list[npt.NDArray[np.intp]],
        weights: _Logs | None,
        bags: npt.NDArray[np.int64] | None,
    ) -> npt.NDArray[np.uint16]:
        """Add the rows to the counts: one pass. Returns their leaves."""
        leaves = self._questions().leaves(rows, threads=self._threads())
        for f, found in enumerate(leaves):
            own = weights if bags is None else _weighed(bags[f], weights)
            for counts, code in zip(self.counts_, codes, strict=True):
                counts[f] += counts_of_fern(found, code, counts[f].shape, own)
        return leaves

    def _questions(self) -> Ferns:
        return Ferns(
            self.feature_,
            self.threshold_,
            self.other_,
            np.zeros((self.feature_.shape[0] << self.feature_.shape[1], 1), np.int8),
        )

    def _make_table(self) -> None:
        logs = [leaf_logs(counts, self.prior, self.rule) for counts in self.counts_]
        columns = np.concatenate([columns_of(part) for part in logs], axis=2)
        questions = Questions(self.feature_, self.threshold_, self.other_)
        widths = [1 if part.shape[2] == 2 else part.shape[2] for part in logs]
        bias = prior_logs(self.class_prior, self.counts_, self.prior)
        self._table = make_table(
            questions, columns.reshape(-1, columns.shape[2]), widths, bias, self.table_dtype
        )
        self.table_, self.scale_ = self._table.stored, self._table.scale
        self.bias_ = self._table.bias

    def _judge(
        self,
        rows: npt.NDArray,
        leaves: npt.NDArray[np.uint16],
        codes: list[npt.NDArray[np.intp]],
        bags: npt.NDArray[np.int64],
        weights: _Logs | None,
    ) -> None:
        outside = bags == 0
        if weights is not None:
            outside &= weights > 0
        if self.oob_score:
            scores = out_of_bag_scores(self._table, leaves, outside)
            widths = self._table.widths
            self.oob_score_ = out_of_bag_accuracy(scores, widths, codes, outside.any(0))
            self.oob_decision_function_: Any = as_decisions(scores, widths)
        if not self.importance:
            return
        weighed = _weighed(bags, weights)
        questions = Questions(self.feature_, self.threshold_, self.other_)
        measured = Importance(
            rows, questions, leaves, self.counts_, codes, weighed, outside, self.prior
        )
        seed = self.feature_.ravel().view(np.uint32)
        self.feature_importances_ = measured.permutation(seed)
        if self.importance == "shadow":
            self.shadow_importances_ = measured.shadow(seed)

    # What goes out.

    @property
    def _is_single(self) -> bool:
        return self.n_outputs_ == 1

    def _ready(self) -> Ferns:
        return self._ready_table().ferns

    def _ready_table(self) -> FernTable:
        check_is_fitted(self, "table_")
        return self._table

    def _parts(self, X: npt.ArrayLike) -> list[tuple[npt.NDArray, npt.NDArray]]:
        """The scores and the classes of every output."""
        table = self._ready_table()
        scores = table.scores(rows_of(self, X), self._threads())
        return list(zip(outputs_of(scores, table.widths), self._known, strict=True))

    def _threads(self) -> int:
        return usable_cpus() if self.threads is None else int(self.threads)


def _weighed(bags: npt.NDArray[np.int64], weights: _Logs | None) -> npt.NDArray:
    """How much ferns count rows: so often as these are in their bags, times the row's weight."""
    return bags if weights is None else bags * weights
