"""One command for each table: ``bitgrove reproduce NAME``."""

from collections.abc import Callable
from pathlib import Path

from . import (
    binary_methods,
    bireal_net,
    bnn,
    bop,
    bop_second_order,
    distillation,
    fern_histology,
    fern_histology_tumour,
    xnor_net,
)
from ._study import study as _study
from .deep_hashing import run as _deep_hashing
from .digits import run as _digits
from .keypoints import run as _keypoints
from .ndf import cifar10 as _ndf_cifar10
from .ndf import mnist as _ndf_mnist
from .random_ferns import run as _random_ferns
from .relocalisation import run as _relocalisation
from .residual_forest import run as _residual_forest
from .residual_forest_transfer import run as _residual_forest_transfer
from .sh_bdnn import run as _sh_bdnn
from .sift_codes import run as _sift_codes
from .sketch_retrieval import run as _sketch_retrieval
from .smart_mining import run as _smart_mining
from .uh_bdnn import run as _uh_bdnn

_STUDIES = (
    bnn,
    bop,
    bop_second_order,
    xnor_net,
    bireal_net,
    distillation,
    binary_methods,
    fern_histology,
    fern_histology_tumour,
)

RECIPES: dict[str, Callable[..., object]] = {
    "deep-hashing": _deep_hashing,
    "digits": _digits,
    "ndf-cifar10": _ndf_cifar10,
    "ndf-keypoints": _keypoints,
    "ndf-mnist": _ndf_mnist,
    "random-ferns": _random_ferns,
    "relocalisation": _relocalisation,
    "residual-forest-camvid": _residual_forest,
    "residual-forest-transfer": _residual_forest_transfer,
    "sh-bdnn": _sh_bdnn,
    "sift-codes": _sift_codes,
    "sketch-retrieval": _sketch_retrieval,
    "smart-mining": _smart_mining,
    "uh-bdnn": _uh_bdnn,
    **{m.PLAN.name: _study(m.PLAN, Path(m.__file__ or "").parent) for m in _STUDIES},
}
"""Recipes by name; each takes the folder of the run and, as keywords, the options it has."""
