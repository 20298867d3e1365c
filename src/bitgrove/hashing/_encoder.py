"""What all hash methods have in common: fit, then codes of any length in ``np.packbits`` order."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from ..interfaces import PackedCodes
from ._rows import Matrix, map_rows

_validate_data: Any = validate_data  # its annotations are those of its defaults

Features = npt.NDArray[np.floating]


class HashEncoder(TransformerMixin, BaseEstimator, ABC):
    """Turns features into codes of ``bits`` bits.

    A method says how it learns (:meth:`_learn`) and which real numbers it takes the signs of
    (:meth:`_project`); everything that a user may hand over is checked here. All statistics are
    frozen in :meth:`fit`: a row has the same code alone as among others.

    Args:
        bits: length of a code, at least 1.

    Attributes:
        n_features_in_: elements of a row.
    """

    bits: int

    @property
    def _needs_labels(self) -> bool:
        return False

    @abstractmethod
    def _learn(self, features: Features, labels: npt.NDArray | None) -> None:
        """Learn from ``(n, features)`` and labels ``(n,)``; parameters are checked here too."""

    @abstractmethod
    def _project(self, rows: Matrix) -> Features:
        """The real codes of a block of rows, ``(n, bits)``; a bit is 1 for a number of 0 or more.

        Blocks are of one size, whatever is encoded: see :func:`map_rows`.
        """

    def __sklearn_tags__(self) -> Any:
        tags: Any = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # codes are bytes, whatever the features
        tags.target_tags.required = self._needs_labels
        return tags

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike | None = None) -> Self:
        """Learn from features.

        Args:
            X: of shape ``(n, features)``, finite, at least 2 rows.
            y: labels of shape ``(n,)``; what needs none takes no notice of them.

        Raises:
            TypeError: ``bits`` is not an integer.
            ValueError: NaN or infinite features, a shape or a parameter that does not fit, or no
                labels where the method learns from them.
        """
        if isinstance(self.bits, bool) or not isinstance(self.bits, int | np.integer):
            raise TypeError(f"bits must be an integer, got {self.bits!r}")
        if self.bits < 1:
            raise ValueError(f"bits must be at least 1, got {self.bits}")
        labels = None
        if self._needs_labels:
            if y is None:
                raise ValueError(
                    f"{type(self).__name__} learns from labels: fit(X, y) requires y to be passed, "
                    "but the target y is None"
                )
            X, y = _validate_data(
                self, X, y, dtype=[np.float64, np.float32], ensure_min_samples=2, multi_output=True
            )
            labels = self._check_labels(y)
        else:
            X = _validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        self._learn(np.asarray(X), labels)
        return self

    def _check_labels(self, y: Any) -> npt.NDArray:
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        return labels

    def decision_function(self, X: npt.ArrayLike) -> Features:
        """The real numbers whose signs are the code, ``(n, bits)``: for asymmetric distances.

        Raises:
            ValueError: NaN or infinite features, or another number of them than in ``fit``.
        """
        check_is_fitted(self)
        X = _validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return map_rows(np.asarray(X), self._project)

    def encode(self, X: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """The codes, ``uint8[n, ceil(bits / 8)]`` in ``np.packbits`` order, padding bits zero."""
        return PackedCodes.from_signs(self.decision_function(X)).data

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted encoder to one file, atomically; :func:`bitgrove.hashing.load` reads it.

        The file holds the parameters and fitted attributes as checksummed numbers and strings. It
        is no pickle: reading it runs nothing.

        Args:
            path: the file; one that exists is replaced at the end.

        Raises:
            NotFittedError: there is nothing to save yet.
            TypeError: a parameter or attribute that is no number, string, array, or list or dict of
                these, such as a ``RandomState``; set an int before you fit.
            OSError: the file cannot be written; it is as before.
        """
        from ._saved import save

        check_is_fitted(self)
        save(self, path)

    def _state(self) -> dict[str, Any]:
        """What :meth:`save` keeps: by default all attributes that end with an underscore."""
        return {
            name: value
            for name, value in vars(self).items()
            if name.endswith("_") and not name.startswith("_")
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`_state` gave, in a new object with the same parameters.

        It comes from a file that may be hostile: an attribute that does not fit must raise an
        error here or in :meth:`_project`, which is tried on zeros.
        """
        for name, value in state.items():
            if not name.isidentifier() or name.startswith("_") or not name.endswith("_"):
                raise ValueError(f"{name[:80]!r} is no fitted attribute")
            setattr(self, name, value)

    def transform(self, X: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """As :meth:`encode`, for pipelines."""
        return self.encode(X)
