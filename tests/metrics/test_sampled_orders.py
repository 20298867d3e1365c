"""Means over random orders of ties, against the mean over every order."""

import dataclasses
import itertools

import numpy as np
import pytest

from bitgrove import _core
from bitgrove.metrics import (
    DistanceHistograms,
    Relevance,
    distance_histograms,
    protocol,
    sampled_average_precision_of_scores,
)

from .definitions import DIVISORS, FORMS, average_precision, grouped, rankings

RULES = list(itertools.product(FORMS, DIVISORS))
ORDERS = 300


def histograms(queries):
    """Of queries with groups ``(others, relevant)``, padded with empty distances."""
    counts = np.zeros((2, len(queries), max(map(len, queries))), np.uint32)
    for row, groups in enumerate(queries):
        for column, pair in enumerate(groups):
            counts[:, row, column] = pair
    return DistanceHistograms(*counts)


@pytest.mark.parametrize(("form", "divisor"), RULES)
def test_orders_of_short_rankings_are_drawn_as_often_as_they_are(form, divisor):
    spread = 0
    for n in range(1, 7):
        every = list(grouped(n))
        found = histograms(every)
        for at in (None, *range(1, n + 1)):
            values = np.empty((len(every), ORDERS))
            rule = FORMS.index(form), DIVISORS.index(divisor), at or 0
            _core.drawn_precisions(found.others, found.relevant, *rule, n, values)
            for groups, drawn in zip(every, values, strict=True):
                orders = [average_precision(r, form, divisor, at) for r in rankings(groups)]
                there = [float(value) for value in orders if value is not None]
                got = drawn[~np.isnan(drawn)]
                assert {*got.round(12)} <= {*np.round(there, 12)}  # nothing else is drawn
                if len({*there}) > 1 and len(there) == len(orders):
                    error = np.std(there) / np.sqrt(ORDERS)
                    assert abs(got.mean() - np.mean(there)) < 5 * error
                    spread += 1
                share = len(there) / len(orders)
                error = np.sqrt(share * (1 - share) / ORDERS)
                assert abs(len(got) / ORDERS - share) <= 5 * error
    assert spread > 100


@pytest.mark.parametrize("empty", ["zero", "drop"])
@pytest.mark.parametrize("form", FORMS)
def test_the_mean_over_queries_comes_near_that_of_all_orders_together(form, empty):
    queries = [[(1, 0), (2, 1)], [(2, 2)], [(3, 1)], [(0, 1), (2, 2)]]
    for at in (None, 1, 3):
        choices = [
            [average_precision(ranking, form, "hits", at) for ranking in rankings(groups)]
            for groups in queries
        ]
        means = []
        for values in itertools.product(*choices):
            there = [value for value in values if value is not None]
            if there or empty == "zero":
                means.append(sum(there) / (len(there) if empty == "drop" else 4))
        found = histograms(queries).sampled_average_precision(
            orders=2000, seed=1, at=at, ap=form, empty=empty
        )
        error = float(np.std([float(m) for m in means])) / np.sqrt(2000)
        assert abs(found.mean - float(sum(means) / len(means))) <= 5 * error
        assert found.standard_error == pytest.approx(error, rel=0.1)
        assert found.orders == 2000


def test_many_ties_have_the_closed_form_where_there_is_one():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (1000, 1), np.uint8)
    labels = rng.integers(0, 3, 1000)
    truth = Relevance.from_labels(labels[:30], labels[30:])
    found = distance_histograms(codes[:30], codes[30:], truth)
    for at, form, divisor in itertools.product((None, 40), FORMS[:2], DIVISORS):
        options = {"at": at, "ap": form, "divisor": divisor}
        drawn = found.sampled_average_precision(orders=200, **options)
        assert 0 < drawn.standard_error < 0.01
        exact = found.mean_average_precision(**options)
        assert abs(drawn.mean - exact) < 4 * drawn.standard_error
    bounds = [
        found.mean_average_precision(ap="interp21", ties=t) for t in ("pessimistic", "optimistic")
    ]
    drawn = found.sampled_average_precision(ap="interp21")
    assert bounds[0] < drawn.mean < bounds[1]


def test_scores_are_drawn_as_distances_are_in_blocks_and_for_any_threads():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 256, (300, 1), np.uint8)
    labels = rng.integers(0, 3, 300)
    truth = Relevance.from_labels(labels[:20], labels[20:])
    distances = np.unpackbits(codes[:20, None] ^ codes[None, 20:], axis=2).sum(2).astype(np.float64)
    options = {"ap": "interp21", "orders": 7, "seed": 5}
    wanted = distance_histograms(codes[:20], codes[20:], truth).sampled_average_precision(**options)
    assert wanted.standard_error > 0
    for threads in (1, 3):
        for blocks in (distances, np.split(distances, [1, 9])):
            found = sampled_average_precision_of_scores(
                blocks, truth, higher_is_better=False, threads=threads, **options
            )
            assert found == wanted
    other = sampled_average_precision_of_scores(
        distances, truth, higher_is_better=False, **(options | {"seed": 6})
    )
    assert other.mean != wanted.mean


def test_rankings_without_ties_have_no_error():
    scores = np.random.default_rng(2).normal(size=(5, 30))
    truth = Relevance.from_labels(np.arange(5) % 2, np.arange(30) % 2)
    found = sampled_average_precision_of_scores(scores, truth, higher_is_better=True, orders=2)
    assert found.standard_error == 0
    nobody = Relevance.from_labels(np.zeros(5), np.ones(30))
    found = sampled_average_precision_of_scores(
        scores, nobody, higher_is_better=True, empty="drop", orders=2
    )
    assert np.isnan(found.mean)
    assert found.orders == 0
    found = sampled_average_precision_of_scores(scores, nobody, higher_is_better=True)
    assert found.mean == 0


def test_a_protocol_without_a_closed_form_gives_the_drawn_mean():
    rng = np.random.default_rng(3)
    codes, labels = rng.integers(0, 256, (200, 1), np.uint8), rng.integers(0, 3, 200)
    truth = Relevance.from_labels(labels, labels)
    counts = distance_histograms(codes, codes, truth)
    wanted = counts.sampled_average_precision(ap="interp21", orders=5, seed=2)
    scores = -np.unpackbits(codes[:, None] ^ codes[None], axis=2).sum(2).astype(np.float32)
    for given in (scores, iter(np.split(scores, 4))):
        found = protocol("subic").evaluate_scores(
            given, truth, higher_is_better=True, orders=5, seed=2
        )
        assert found.mean_average_precision is None
        assert found.sampled == wanted
        assert found.optimistic == counts.mean_average_precision(ap="interp21", ties="optimistic")
        assert (found.queries, found.database) == (200, 200)
    table = dataclasses.replace(protocol("dsh"), ap="interp21")
    assert table.evaluate(codes, codes, truth, orders=5, seed=2).sampled == wanted
    assert protocol("dsh").evaluate(codes, codes, truth).sampled is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"orders": 1}, ValueError, "orders must be at least 2"),
        ({"orders": 2.0}, TypeError, "orders must be an integer"),
        ({"seed": -1}, ValueError, "seed must be in 0"),
        ({"seed": 1 << 64}, ValueError, "seed must be in 0"),
        ({"seed": None}, TypeError, "seed must be an integer"),
        ({"at": 5}, ValueError, "at must be at most 4"),
        ({"ap": "area"}, ValueError, "ap must be one of"),
        ({"empty": "skip"}, ValueError, "empty must be one of"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        histograms([[(2, 2)]]).sampled_average_precision(**options)
    truth = Relevance.from_labels([1], [1, 1, 2, 2])
    with pytest.raises(error, match=message):
        sampled_average_precision_of_scores(
            np.zeros((1, 4)), truth, higher_is_better=True, **options
        )
