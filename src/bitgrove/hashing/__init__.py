"""Learned hash codes as scikit-learn estimators over features, and as torch losses and heads.

Every estimator has ``fit(X, y=None)``, ``encode(X) -> uint8[n, ceil(bits / 8)]`` in ``np.packbits``
order, and ``decision_function(X)``, the real numbers whose signs are the code.
"""

from .. import require

require("torch", extra="train", needed_for="bitgrove.hashing")
require("sklearn", extra="train", needed_for="bitgrove.hashing")

# ruff: noqa: E402
from ._bdnn_weights import BDNNWeights as BDNNWeights
from ._cca_itq import CCAITQ as CCAITQ
from ._class_codes import ClassCodes as ClassCodes
from ._deep_hashing import DeepHashing as DeepHashing
from ._encoder import HashEncoder as HashEncoder
from ._itq import ITQ as ITQ
from ._lsh import LSH as LSH
from ._pcah import PCAH as PCAH
from ._saved import load as load
from ._sh_bdnn import SHBDNN as SHBDNN
from ._spectral_hashing import SpectralHashing as SpectralHashing
from ._supervised_deep_hashing import SupervisedDeepHashing as SupervisedDeepHashing
from ._supervised_discrete_hashing import (
    SupervisedDiscreteHashing as SupervisedDiscreteHashing,
)
from ._uh_bdnn import UHBDNN as UHBDNN
