"""A run as one self-contained page."""

from ._record import Accuracy as Accuracy
from ._record import Latency as Latency
from ._record import Near as Near
from ._record import Query as Query
from ._record import Record as Record
from ._record import Size as Size
from ._record import Teaching as Teaching
from ._write import write as write
