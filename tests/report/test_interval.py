import math

import pytest

from bitgrove.report._interval import wilson


def ends_by_bisection(correct, total):
    """Oracle: the proportions whose 95 % normal range just reaches what was observed."""
    share = correct / total

    def unlikely(p):
        return abs(share - p) > 1.959963984540054 * math.sqrt(p * (1 - p) / total)

    def edge(likely, beyond):
        if not unlikely(beyond):
            return beyond
        for _ in range(80):
            middle = (likely + beyond) / 2
            likely, beyond = (likely, middle) if unlikely(middle) else (middle, beyond)
        return likely

    return edge(share, 0.0), edge(share, 1.0)


@pytest.mark.parametrize(
    ("correct", "total"), [(1, 2), (9, 10), (281, 287), (1, 1000), (9999, 10000)]
)
def test_wilson_matches_its_definition(correct, total):
    low, high = wilson(correct, total)
    assert 0 < low < correct / total < high < 1
    assert (low, high) == pytest.approx(ends_by_bisection(correct, total), abs=1e-9)


def test_wilson_at_the_ends_of_the_scale_excludes_neither_perfection_nor_failure():
    z2 = 1.959963984540054**2
    assert wilson(20, 20) == pytest.approx((20 / (20 + z2), 1.0))
    assert wilson(0, 20) == pytest.approx((0.0, z2 / (20 + z2)))
