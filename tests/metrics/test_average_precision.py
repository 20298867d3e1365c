"""Average precision against its definition, in fractions, over everything that is small."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from bitgrove.metrics import DistanceHistograms

from .definitions import DIVISORS, FORMS, TIES, average_precision, grouped, rankings

RULES = list(itertools.product(FORMS, DIVISORS))


def histograms(queries):
    """Of queries with groups ``(others, relevant)``, padded with empty distances."""
    width = max(map(len, queries))
    counts = np.zeros((2, len(queries), width), np.uint32)
    for row, groups in enumerate(queries):
        for column, pair in enumerate(groups):
            counts[:, row, column] = pair
    return DistanceHistograms(*counts)


@pytest.mark.parametrize(("form", "divisor"), RULES)
def test_every_ranking_of_up_to_seven_rows_has_the_value_of_the_definition(form, divisor):
    seen = set()
    for n in range(1, 8):
        every = list(itertools.product((0, 1), repeat=n))
        found = histograms([[(1 - right, right) for right in ranking] for ranking in every])
        for at, ties in itertools.product((None, *range(1, n + 1)), TIES):
            if form == "interp21" and ties == "expected":
                continue
            values, defined = found.average_precisions(at=at, ap=form, ties=ties, divisor=divisor)
            expected = [average_precision(ranking, form, divisor, at) for ranking in every]
            assert defined.tolist() == [float(e is not None) for e in expected]
            np.testing.assert_allclose(values, [float(e or 0) for e in expected], atol=1e-14)
            seen |= set(expected)
    assert len(seen) > 50


@pytest.mark.parametrize(("form", "divisor"), RULES)
def test_ties_have_the_mean_and_the_extremes_of_all_their_orders(form, divisor):
    between = 0
    for n in range(1, 7):
        every = list(grouped(n))
        found = histograms(every)
        for at in (None, *range(1, n + 1)):
            orders = [
                [average_precision(ranking, form, divisor, at) for ranking in rankings(groups)]
                for groups in every
            ]
            for ties in TIES:
                if form == "interp21" and ties == "expected":
                    continue
                values, defined = found.average_precisions(
                    at=at, ap=form, ties=ties, divisor=divisor
                )
                share = [sum(v is not None for v in values) / len(values) for values in orders]
                np.testing.assert_allclose(defined, share, atol=1e-14)
                there = [[v for v in values if v is not None] or [0] for values in orders]
                if ties == "expected":
                    expected = [sum(v or 0 for v in vs) / len(vs) for vs in orders]
                else:
                    expected = [max(vs) if ties == "optimistic" else min(vs) for vs in there]
                np.testing.assert_allclose(values, [float(v) for v in expected], atol=1e-14)
                between += sum(0 < d < 1 for d in defined)
    assert (between > 0) == (divisor == "hits")


def test_the_expected_value_is_what_shuffling_gives_where_there_are_many_rows():
    rng = np.random.default_rng(0)
    groups = [(3, 1), (40, 20), (300, 30), (500, 2)]
    labels = np.concatenate([np.repeat((0, 1), pair) for pair in groups])
    keys = np.repeat(np.arange(4), [sum(pair) for pair in groups])
    found = histograms([groups])
    for at, form, divisor in [
        (None, "rectangle", "hits"),
        (None, "trapezoid", "hits"),
        (30, "rectangle", "hits"),
        (30, "trapezoid", "hits"),
        (200, "rectangle", "hits"),
        (200, "trapezoid", "reachable"),
        (5, "rectangle", "relevant"),
    ]:
        values = []
        for _ in range(1000):
            ranking = labels[np.lexsort((rng.random(len(keys)), keys))][:at]
            hits = ranking.cumsum()
            ranks = np.arange(1, len(ranking) + 1)
            precision = hits / ranks
            if form == "trapezoid":
                precision = (precision + np.append(1, precision[:-1])) / 2
            divide = {"hits": hits[-1], "reachable": min(len(ranking), 53), "relevant": 53}
            values.append((precision * ranking).sum() / divide[divisor])
        (value,), _ = found.average_precisions(at=at, ap=form, divisor=divisor)
        error = np.std(values) / np.sqrt(len(values))
        assert abs(value - np.mean(values)) < 4 * error


def test_a_large_ranking_loses_no_digits():
    rng = np.random.default_rng(1)
    n, r = 60_000, 600
    ranking = np.zeros(n, int)
    ranking[rng.choice(n, r, replace=False)] = 1
    exact = sum(
        Fraction(i + 1, int(place) + 1) for i, place in enumerate(np.flatnonzero(ranking))
    ) / Fraction(r)
    found = DistanceHistograms(
        (1 - ranking)[None].astype(np.uint32), ranking[None].astype(np.uint32)
    )
    for ties in TIES:
        (value,), _ = found.average_precisions(ties=ties)
        assert value == pytest.approx(float(exact), rel=1e-13)


def outcomes(queries, at, form, divisor):
    """Means over the queries that are there, in every order in which one is."""
    choices = [
        [average_precision(ranking, form, divisor, at) for ranking in rankings(groups)]
        for groups in queries
    ]
    for values in itertools.product(*choices):
        there = [v for v in values if v is not None]
        if there:
            yield sum(there) / len(there)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "queries",
    [
        [[(1, 0), (2, 1)], [(2, 2)], [(3, 1)], [(0, 1), (2, 2)]],
        [[(2, 1)], [(1, 0), (2, 2)], [(4, 2)]],
        [[(1, 2)], [(3, 0)]],
        [[(1, 2), (1, 0)], [(1, 0), (1, 1), (1, 0)], [(0, 1), (2, 1)], [(3, 1)]],
    ],
)
def test_dropping_queries_averages_over_who_is_there(form, queries):
    found = histograms(queries)
    for at in (1, 2, 3):
        means = list(outcomes(queries, at, form, "hits"))
        options = {"at": at, "ap": form, "divisor": "hits", "empty": "drop"}
        if form != "interp21":
            mean = found.mean_average_precision(**options)
            assert mean == pytest.approx(float(sum(means) / len(means)), rel=1e-12)
        best = found.mean_average_precision(**options, ties="optimistic")
        worst = found.mean_average_precision(**options, ties="pessimistic")
        assert (best, worst) == pytest.approx((float(max(means)), float(min(means))))


@pytest.mark.parametrize("form", FORMS)
def test_queries_that_count_nothing_count_zero(form):
    queries = [[(1, 0), (2, 1)], [(2, 2)], [(3, 1)]]
    found = histograms(queries)
    for at in (1, 2, None):
        values = [
            [average_precision(r, form, "hits", at) or 0 for r in rankings(groups)]
            for groups in queries
        ]
        for ties, of in (("optimistic", max), ("pessimistic", min)):
            mean = found.mean_average_precision(at=at, ap=form, ties=ties)
            assert mean == pytest.approx(float(sum(of(v) for v in values) / 3))
        if form != "interp21":
            mean = found.mean_average_precision(at=at, ap=form)
            assert mean == pytest.approx(float(sum(sum(v) / len(v) for v in values) / 3))


def test_dropping_many_unsure_queries_is_the_mean_of_many_draws():
    rng = np.random.default_rng(0)
    queries = [[(int(n), int(r))] for n, r in rng.integers(1, 6, (400, 2))]
    found = histograms(queries)
    share = np.array([r / (n + r) for ((n, r),) in queries])  # precision at 1: 1 or not there
    assert found.mean_average_precision(at=1, empty="drop") == pytest.approx(1)
    # With two rows: a first hit alone counts 1, a second alone 1/2, both 1.
    kept = found.average_precisions(at=2)
    draws = []
    for _ in range(2000):
        first = rng.random(400) < share
        n = np.array([n + r for ((n, r),) in queries])
        r = np.array([r for ((_, r),) in queries])
        second = rng.random(400) < (r - first) / (n - 1)
        there = first | second
        draws.append(np.where(first, 1, 0.5)[there].mean())
    error = np.std(draws) / np.sqrt(len(draws))
    mean = found.mean_average_precision(at=2, empty="drop")
    assert abs(mean - np.mean(draws)) < 4 * error
    assert (kept[1] < 1).any()
    nobody = histograms([[(3, 0)]])
    assert np.isnan(nobody.mean_average_precision(empty="drop"))
    assert nobody.mean_average_precision() == 0
