"""How good a list of neighbours, or a segmentation, is: no torch, no scikit-learn."""

from ._recall import recall_at_k as recall_at_k
from ._segmentation import SegmentationScores as SegmentationScores
from ._segmentation import confusion_matrix as confusion_matrix
from ._segmentation import segmentation_scores as segmentation_scores
