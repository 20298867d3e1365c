"""A run, or a study of several methods, as one self-contained page."""

from ._record import Accuracy as Accuracy
from ._record import Latency as Latency
from ._record import Near as Near
from ._record import Query as Query
from ._record import Record as Record
from ._record import Size as Size
from ._record import Teaching as Teaching
from ._study import Study as Study
from ._study import StudyArm as StudyArm
from ._study import StudyHistogram as StudyHistogram
from ._study import StudyRun as StudyRun
from ._study_write import write_study as write_study
from ._write import write as write
