"""Packed models: loads and runs a ``.grove`` file with numpy and the C++ executor alone."""

from ._preprocessing import ImageError as ImageError
from ._preprocessing import Preprocessing as Preprocessing
