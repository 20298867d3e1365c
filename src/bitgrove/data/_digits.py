"""The digits that come with scikit-learn: real data with no download."""

from __future__ import annotations

import numpy as np

from .. import require
from ._images import ImageData


def load_digits() -> ImageData:
    """1,797 handwritten digits, 8x8, grey.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository 1998
    (its test part), as bundled with scikit-learn. Values 0 to 16 become ``round(v * 255 / 16)``.
    """
    datasets = require("sklearn.datasets", extra="train", needed_for="the data set 'digits'")
    bunch = datasets.load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    names = tuple(f"digits/{i:04d}" for i in range(len(pixels)))
    return ImageData(pixels, bunch.target.astype(np.int64), tuple("0123456789"), names)
