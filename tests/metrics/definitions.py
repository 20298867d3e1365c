"""What the scores are, spelled out: loops over ranks, exact fractions."""

import itertools
from fractions import Fraction
from functools import cache

FORMS = ("rectangle", "trapezoid", "interp21")
DIVISORS = ("hits", "reachable", "relevant")
TIES = ("expected", "optimistic", "pessimistic")


@cache
def average_precision(ranking, form, divisor, at=None):
    """Of a ranking of 0 and 1; None where there is nothing to divide by."""
    top = ranking[:at]
    whole = {"hits": sum(top), "reachable": min(len(top), sum(ranking)), "relevant": sum(ranking)}
    if not (z := whole[divisor]):
        return None
    if form == "interp21":
        hits, points = 0, []
        for i, right in enumerate(top):
            hits += right
            points.append((Fraction(hits, z), Fraction(hits, i + 1)))
        return sum(
            max((p for recall, p in points if recall >= Fraction(k, 20)), default=0)
            for k in range(21)
        ) / Fraction(21)
    area, hits, recall, precision = Fraction(0), 0, Fraction(0), Fraction(1)
    for i, right in enumerate(top):
        hits += right
        before, reached = precision, recall
        recall, precision = Fraction(hits, z), Fraction(hits, i + 1)
        height = precision if form == "rectangle" else (before + precision) / 2
        area += (recall - reached) * height
    return area


def rankings(groups):
    """All orders of groups ``(others, relevant)`` of equal rows, each as likely as the next."""
    choices = []
    for others, relevant in groups:
        n = others + relevant
        choices.append(
            [
                tuple(int(i in places) for i in range(n))
                for places in itertools.combinations(range(n), relevant)
            ]
        )
    for parts in itertools.product(*choices):
        yield tuple(itertools.chain.from_iterable(parts))


def grouped(n):
    """Every way to cut n rows into groups of equal ones, each with some relevant rows."""
    for cuts in range(1 << (n - 1)):
        sizes, size = [], 1
        for i in range(n - 1):
            if cuts >> i & 1:
                sizes.append(size)
                size = 0
            size += 1
        sizes.append(size)
        for rights in itertools.product(*(range(size + 1) for size in sizes)):
            yield tuple((size - r, r) for size, r in zip(sizes, rights, strict=True))
