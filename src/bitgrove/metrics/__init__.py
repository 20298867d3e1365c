"""How good a ranking, a list of neighbours or a segmentation is: no torch, no scikit-learn."""

from ._histograms import DistanceHistograms as DistanceHistograms
from ._histograms import PrecisionRecall as PrecisionRecall
from ._histograms import RadiusPrecision as RadiusPrecision
from ._histograms import distance_histograms as distance_histograms
from ._means import SampledPrecision as SampledPrecision
from ._neighbours import euclidean_neighbours as euclidean_neighbours
from ._protocol import Protocol as Protocol
from ._protocol import Published as Published
from ._protocol import RetrievalScores as RetrievalScores
from ._protocols import evaluate as evaluate
from ._protocols import protocol as protocol
from ._protocols import protocols as protocols
from ._ranked_scores import average_precision_of_scores as average_precision_of_scores
from ._ranked_scores import (
    sampled_average_precision_of_scores as sampled_average_precision_of_scores,
)
from ._recall import recall_at_k as recall_at_k
from ._relevance import Relevance as Relevance
from ._retrieval import mean_average_precision as mean_average_precision
from ._retrieval import precision_at_k as precision_at_k
from ._retrieval import precision_recall_curve as precision_recall_curve
from ._retrieval import precision_within_radius as precision_within_radius
from ._segmentation import SegmentationScores as SegmentationScores
from ._segmentation import confusion_matrix as confusion_matrix
from ._segmentation import segmentation_scores as segmentation_scores
from ._splits import Split as Split
from ._splits import SplitRule as SplitRule
