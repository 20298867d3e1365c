"""Learned hash codes as scikit-learn estimators over features, and as torch losses and heads.

Every estimator has ``fit(X, y=None)``, ``encode(X) -> uint8[n, ceil(bits / 8)]`` in ``np.packbits``
order, and ``decision_function(X)``, the real numbers whose signs are the code (of SuBiC: what real
queries are compared by).

Losses and heads are here and not in ``nn`` because each says what a code is: which numbers become
which bits. :class:`HashNetwork` puts them on a backbone.
"""

from .. import require

require("torch", extra="train", needed_for="bitgrove.hashing")
require("sklearn", extra="train", needed_for="bitgrove.hashing")

# ruff: noqa: E402
from ._bdnn_weights import BDNNWeights as BDNNWeights
from ._bi_half import BiHalf as BiHalf
from ._bi_half_loss import BiHalfLoss as BiHalfLoss
from ._bi_half_loss import bi_half as bi_half
from ._cca_itq import CCAITQ as CCAITQ
from ._centres import hadamard as hadamard
from ._centres import hash_centres as hash_centres
from ._class_codes import ClassCodes as ClassCodes
from ._csq import CSQ as CSQ
from ._csq_loss import CSQLoss as CSQLoss
from ._deep_hashing import DeepHashing as DeepHashing
from ._divide_and_encode import DivideAndEncode as DivideAndEncode
from ._dsh import DSH as DSH
from ._dsh_loss import DSHLoss as DSHLoss
from ._encoder import HashEncoder as HashEncoder
from ._greedy_hash import GreedyHash as GreedyHash
from ._greedy_hash_loss import GreedyHashLoss as GreedyHashLoss
from ._itq import ITQ as ITQ
from ._lsh import LSH as LSH
from ._network import CodeLoss as CodeLoss
from ._network import HashNetwork as HashNetwork
from ._ortho_hash import OrthoHash as OrthoHash
from ._ortho_hash_loss import OrthoHashLoss as OrthoHashLoss
from ._pcah import PCAH as PCAH
from ._saved import load as load
from ._sh_bdnn import SHBDNN as SHBDNN
from ._sketch_loss import Described as Described
from ._sketch_loss import SketchLoss as SketchLoss
from ._sketch_network import SketchNetwork as SketchNetwork
from ._sketch_retrieval import Accuracy as Accuracy
from ._sketch_retrieval import accuracy_at as accuracy_at
from ._sketch_retrieval import sketch_distances as sketch_distances
from ._spectral_hashing import SpectralHashing as SpectralHashing
from ._subic import SuBiC as SuBiC
from ._subic_loss import BlockHead as BlockHead
from ._subic_loss import SuBiCLoss as SuBiCLoss
from ._subic_loss import block_codes as block_codes
from ._subic_loss import block_entries as block_entries
from ._supervised_deep_hashing import SupervisedDeepHashing as SupervisedDeepHashing
from ._supervised_discrete_hashing import (
    SupervisedDiscreteHashing as SupervisedDiscreteHashing,
)
from ._triplet_hashing import TripletHashing as TripletHashing
from ._triplet_loss import TripletHashLoss as TripletHashLoss
from ._triplet_loss import piecewise_threshold as piecewise_threshold
from ._triplet_loss import triplet_ranking_loss as triplet_ranking_loss
from ._uh_bdnn import UHBDNN as UHBDNN
