"""The protocols by name, with the figures that were read in their sources."""

from __future__ import annotations

import numpy.typing as npt

from ._codes import Codes
from ._protocol import Protocol, Published, RetrievalScores
from ._relevance import Relevance
from ._splits import SplitRule

_SURVEY = (
    "Luo et al., A Survey on Deep Hashing Methods, ACM TKDD 17(1), 2023, table 4 (networks differ "
    "from row to row)"
)
_SURVEY_CIFAR10 = {
    "KSH": (0.303, 0.337, 0.346, 0.356),
    "SDH (Shen et al.)": (0.285, 0.329, 0.341, 0.356),
    "CNNH": (0.439, 0.511, 0.509, 0.522),
    "DNNH": (0.552, 0.566, 0.558, 0.581),
    "DHN": (0.555, 0.594, 0.603, 0.621),
    "DSRH": (0.608, 0.610, 0.617, 0.617),
    "DRSCH": (0.614, 0.621, 0.628, 0.630),
    "DSH": (0.644, 0.742, 0.770, 0.799),
    "HashNet": (0.685, 0.707, 0.705, 0.705),
    "DTSH": (0.710, 0.750, 0.765, 0.774),
    "DPSH": (0.713, 0.727, 0.744, 0.757),
    "MIHash": (0.738, 0.775, 0.791, 0.816),
    "DSDH": (0.740, 0.786, 0.801, 0.820),
    "SRE": (0.771, 0.817, 0.839, 0.858),
    "GreedyHash": (0.774, 0.795, 0.810, 0.822),
    "HBMP": (0.799, 0.804, 0.830, 0.831),
    "DFH": (0.803, 0.825, 0.831, 0.844),
}
"""1,000 queries, 5,000 training images, 59,000 ranked, all of them; 12, 24, 32, 48 bits."""


def _cifar10(bits: int, value: float, method: str, source: str) -> Published:
    return Published(method, "cifar10", bits, value, source)


_DEEP_HASH = "README of swuxyj/DeepHash-pytorch (AlexNet)"

_ALL = (
    Protocol(
        "uh-bdnn",
        "UH-BDNN (Do, Doan and Cheung, ECCV 2016): the test images against all training images, "
        "50 Euclidean neighbours in the space of the features, trapezoid over the whole ranking; "
        "1,000 training images, which stay in the database, choose the settings.",
        truth="neighbours",
        neighbours=50,
        rule=SplitRule(queries=None, train=None, validation=("all", 1000)),
        ap="trapezoid",
        not_checked="that the neighbours are 50",
    ),
    Protocol(
        "uh-bdnn-sift1m",
        "UH-BDNN on SIFT1M: 10,000 queries against 1,000,000 base vectors, learnt from the 100,000 "
        "of the learning set, 10,000 Euclidean neighbours, trapezoid over the first 10,000.",
        truth="neighbours",
        neighbours=10_000,
        rule=None,
        ap="trapezoid",
        at=10_000,
        not_checked="both numbers of 10,000, and the divisor",
    ),
    Protocol(
        "sh-bdnn",
        "SH-BDNN (same paper): the test images against all training images, 3,000 of each class "
        "teach, 100 more choose the settings, classes, trapezoid over the whole ranking.",
        truth="labels",
        rule=SplitRule(queries=None, train=3000, validation=("class", 100)),
        ap="trapezoid",
    ),
    Protocol(
        "dh",
        "Deep Hashing (Liong et al., CVPR 2015), as UH-BDNN compares with it: 100 queries of each "
        "class drawn from all images against all others, classes.",
        truth="labels",
        rule=SplitRule(queries=100, train=None),
        not_checked="the split, the form of average precision, and who teaches",
    ),
    Protocol(
        "dsh",
        "DSH (Liu et al., CVPR 2016): the training images teach; the test images are the queries "
        "and the database, each query among them, classes, the whole ranking.",
        truth="labels",
        rule=SplitRule(queries=None, train=None, database="queries"),
        not_checked="the form of average precision",
        published=(
            _cifar10(12, 0.6157, "DSH", "the paper's, as told in yg33717/DSH_tensorflow#5"),
            _cifar10(48, 0.6755, "DSH", "the paper's, as told in the README of DeepHash-pytorch"),
            _cifar10(
                12, 0.6987, "DSH, released code", "lhmRyan/deep-supervised-hashing-DSH, issue 14"
            ),
        ),
    ),
    Protocol(
        "subic",
        "SuBiC (Jain et al., ICCV 2017): images as in dsh, classes, rankings by real-valued "
        "queries against codes (evaluate_scores), 21-point interpolated average precision.",
        truth="labels",
        rule=SplitRule(queries=None, train=None, database="queries"),
        asymmetric=True,
        ap="interp21",
        not_checked="that the images are those of dsh",
    ),
    *(
        Protocol(
            name,
            f"{data}: classes, of which an image may have several; the first {at:,} rows of a "
            "ranking count. The split comes with the data.",
            truth="labels",
            rule=None,
            at=at,
            not_checked="the divisor, and the split, which tables after HashNet share",
        )
        for name, data, at in (
            ("nus-wide-21", "NUS-WIDE, 195,834 images of the 21 commonest concepts", 5000),
            ("imagenet100", "100 classes of ImageNet", 1000),
            ("coco", "MS COCO", 5000),
        )
    ),
    Protocol(
        "cifar10-1",
        "100 queries and 500 training images of each class drawn from all images; all but the "
        "queries are ranked, training images too, classes.",
        truth="labels",
        rule=SplitRule(queries=100, train=500),
        published=(
            *(
                _cifar10(bits, value, method, _SURVEY)
                for method, values in _SURVEY_CIFAR10.items()
                for bits, value in zip((12, 24, 32, 48), values, strict=True)
            ),
            _cifar10(48, 0.817, "GreedyHash", _DEEP_HASH),
        ),
    ),
    Protocol(
        "cifar10",
        "As cifar10-1, but the training images are not ranked.",
        truth="labels",
        rule=SplitRule(queries=100, train=500, database="rest without train"),
    ),
    Protocol(
        "cifar10-2",
        "The test images against all training images, which all teach, classes.",
        truth="labels",
        rule=SplitRule(queries=None, train=None),
        not_checked="that the 10,000 queries are the test images rather than drawn from all",
        published=(_cifar10(48, 0.932, "GreedyHash", _DEEP_HASH),),
    ),
)
_BY_NAME = {each.name: each for each in _ALL}


def protocols() -> tuple[str, ...]:
    """The names that :func:`protocol` knows.

    >>> "cifar10-1" in protocols()
    True
    """
    return tuple(_BY_NAME)


def protocol(name: str) -> Protocol:
    """Split, ground truth and score of a published table.

    Figures of different protocols must not be compared: on the same codes they differ by more than
    methods do.

    Raises:
        ValueError: there is none of this name.

    >>> protocol("uh-bdnn").ap, protocol("subic").ap
    ('trapezoid', 'interp21')
    """
    return _known(name)


def _known(name: str) -> Protocol:
    if name not in _BY_NAME:
        raise ValueError(f"there is no protocol {name!r}; known are {', '.join(_BY_NAME)}")
    return _BY_NAME[name]


def evaluate(
    query_codes: Codes,
    database_codes: Codes,
    relevant: Relevance,
    *,
    protocol: str,
    query_ids: npt.ArrayLike | None = None,
    database_ids: npt.ArrayLike | None = None,
    threads: int | None = None,
) -> RetrievalScores:
    """Score codes by the protocol of this name.

    Args:
        query_codes: packed, ``uint8[q, bytes]``, or anything else that holds codes.
        database_codes: likewise, as long.
        relevant: who is right for whom.
        protocol: one of :func:`protocols`.
        query_ids: numbers of the queries' images, to refuse those that are in the database.
        database_ids: of the database's images.
        threads: None for one for each CPU; no result depends on it.

    Raises:
        TypeError: as :meth:`Protocol.evaluate`.
        ValueError: likewise, or there is no protocol of this name.

    >>> import numpy as np
    >>> database = np.array([[0b1111], [0b0000]], np.uint8)
    >>> truth = Relevance.from_labels([0], [0, 1])
    >>> evaluate(database[:1], database, truth, protocol="cifar10-1").mean_average_precision
    1.0
    """
    return _known(protocol).evaluate(
        query_codes,
        database_codes,
        relevant,
        query_ids=query_ids,
        database_ids=database_ids,
        threads=threads,
    )
