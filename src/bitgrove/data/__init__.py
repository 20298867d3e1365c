"""Real pictures as labelled ``uint8`` arrays: built-in data sets, or a person's own folder."""

from ._bsds500 import Photographs as Photographs
from ._bsds500 import load_bsds500 as load_bsds500
from ._errors import DataError as DataError
from ._faces import Faces as Faces
from ._faces import FaceSplits as FaceSplits
from ._faces import load_faces as load_faces
from ._gist import gist as gist
from ._images import ImageData as ImageData
from ._images import Skipped as Skipped
from ._images import Splits as Splits
from ._load import DatasetInfo as DatasetInfo
from ._load import describe as describe
from ._load import list as list
from ._load import load as load
from ._load import load_splits as load_splits
from ._omniglot import OneShotRun as OneShotRun
from ._omniglot import omniglot_by_alphabet as omniglot_by_alphabet
from ._omniglot import omniglot_one_shot as omniglot_one_shot
from ._scan import is_picture as is_picture
from ._segmentation import SegmentationData as SegmentationData
from ._sift import Descriptors as Descriptors
from ._sift import load_sift as load_sift
from ._size import GuessedSize as GuessedSize
from ._size import guess_size as guess_size
