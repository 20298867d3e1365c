"""The estimators that train a small head: their contract, their codes, what they refuse."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from bitgrove.hashing import (
    CSQ,
    DSH,
    BiHalf,
    GreedyHash,
    OrthoHash,
    SuBiC,
    TripletHashing,
)

TINY = {"epochs": 2, "batch_size": 16}
SMALL = [
    DSH(5, hidden=(4,), **TINY),
    TripletHashing(5, slice_width=2, **TINY),
    SuBiC(6, width=4, hidden=(4,), **TINY),
    GreedyHash(5, hidden=(4,), **TINY),
    CSQ(12, hidden=(4,), **TINY),
    OrthoHash(12, hidden=(4,), **TINY),
    BiHalf(5, hidden=(4,), **TINY),
]
SUPERVISED = SMALL[:-1]
NAMES = [type(encoder).__name__ for encoder in SMALL]
NOT_RUN = {"check_array_api_input": "needs the array API mode of scipy"}


def checks():
    for encoder in SMALL:
        for each, check in estimator_checks_generator(encoder):
            if check.func.__name__ not in NOT_RUN:
                yield pytest.param(each, check, id=f"{type(each).__name__}-{check.func.__name__}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)
