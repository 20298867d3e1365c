"""Learned hash codes as scikit-learn estimators over features, and as torch losses and heads.

Every estimator has ``fit(X, y=None)``, ``encode(X) -> uint8[n, ceil(bits / 8)]`` in ``np.packbits``
order, and ``decision_function(X)``, the real numbers whose signs are the code.
"""

from .. import require

require("sklearn", extra="train", needed_for="bitgrove.hashing")

from ._encoder import HashEncoder as HashEncoder  # noqa: E402
from ._saved import load as load  # noqa: E402
