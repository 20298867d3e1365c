"""Binary layers for PyTorch: signs with surrogate gradients, 1-bit convolutions, Bi-Real blocks."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove.nn")

from ._activations import LeakyClip as LeakyClip
from ._activations import RPReLU as RPReLU
from ._activations import RSign as RSign
from ._binarize import binarize_model as binarize_model
from ._binarize_report import BinarizationChange as BinarizationChange
from ._binarize_report import BinarizationReport as BinarizationReport
from ._binarize_report import binarization_report as binarization_report
from ._blocks import BiRealBlock as BiRealBlock
from ._clip import clip_latents_ as clip_latents_
from ._conv import BinaryConv1d as BinaryConv1d
from ._conv import BinaryConv2d as BinaryConv2d
from ._conv import BinaryConv3d as BinaryConv3d
from ._ede_schedule import EDESchedule as EDESchedule
from ._estimators import EDE as EDE
from ._estimators import ESTIMATORS as ESTIMATORS
from ._estimators import Approx as Approx
from ._estimators import Clipped as Clipped
from ._estimators import MagnitudeAware as MagnitudeAware
from ._estimators import Stochastic as Stochastic
from ._estimators import StraightThrough as StraightThrough
from ._estimators import Swish as Swish
from ._fern_conv import FernConv2d as FernConv2d
from ._fern_conv import FernLinear as FernLinear
from ._fern_layer import FernLayer as FernLayer
from ._fern_usage import FernUsage as FernUsage
from ._forest import NeuralDecisionForest as NeuralDecisionForest
from ._hard_forest import HardeningReport as HardeningReport
from ._hard_forest import HardForest as HardForest
from ._hard_forest import harden as harden
from ._hard_forest import hardening_report as hardening_report
from ._layer import BinaryLayer as BinaryLayer
from ._linear import BinaryLinear as BinaryLinear
from ._multi_scale_forest import MultiScaleForest as MultiScaleForest
from ._nearest_kernel import NearestKernelHead as NearestKernelHead
from ._residual_forest import ResidualForestHead as ResidualForestHead
from ._residual_forest_loss import residual_forest_loss as residual_forest_loss
from ._sign import Estimator as Estimator
from ._sign import sign as sign
from ._stitch import Stitch2d as Stitch2d
