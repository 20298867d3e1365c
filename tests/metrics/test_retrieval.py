"""Distances counted in C++ against unpacked bits, and the scores that follow."""

import numpy as np
import pytest

from bitgrove.interfaces import PackedCodes
from bitgrove.metrics import (
    Relevance,
    _relevance,
    average_precision_of_scores,
    distance_histograms,
    mean_average_precision,
    precision_at_k,
    precision_recall_curve,
    precision_within_radius,
)

from .definitions import average_precision, rankings


def random_codes(rng, n, bits):
    return np.packbits(rng.integers(0, 2, (n, bits)), axis=1)


def distances_by_unpacking(queries, database):
    a, b = (np.unpackbits(codes, axis=1).astype(np.int64) for codes in (queries, database))
    return (a[:, None] != b[None]).sum(-1)


def counted(distances, chosen, bits):
    return np.array(
        [np.bincount(d[c], minlength=bits + 1) for d, c in zip(distances, chosen, strict=True)]
    )


@pytest.mark.parametrize("bits", [1, 5, 8, 12, 16, 24, 32, 36, 48, 64, 100, 128, 256, 520, 1024])
def test_counts_are_those_of_unpacked_bits(simd_level, bits):
    rng = np.random.default_rng(bits)
    for rows in (1, 63, 511, 512, 513, 1100) if bits <= 64 else (70, 513):
        queries, database = random_codes(rng, 19, bits), random_codes(rng, rows, bits)
        database[: rows // 3] = queries[0]  # some at distance 0
        database[-1] = np.packbits(1 - np.unpackbits(queries[1], count=bits))  # and at all bits
        relevant = rng.random((19, rows)) < 0.3
        relevant[0], relevant[1], relevant[2, :512] = True, False, True
        found = distance_histograms(
            PackedCodes(queries, bits), PackedCodes(database, bits), relevant
        )
        distances = distances_by_unpacking(queries, database)
        np.testing.assert_array_equal(found.relevant, counted(distances, relevant, bits))
        np.testing.assert_array_equal(found.others, counted(distances, ~relevant, bits))


def test_the_longest_codes_are_counted(simd_level):
    rng = np.random.default_rng(0)
    queries, database = random_codes(rng, 3, 4096), random_codes(rng, 40, 4096)
    database[0] = ~queries[0]
    relevant = rng.random((3, 40)) < 0.5
    found = distance_histograms(queries, database, relevant)
    distances = distances_by_unpacking(queries, database)
    assert distances[0, 0] == 4096
    np.testing.assert_array_equal(found.relevant, counted(distances, relevant, 4096))
    np.testing.assert_array_equal(found.others, counted(distances, ~relevant, 4096))


def truths(rng, queries, rows):
    """Every way to say what is relevant, and the matrix that it stands for."""
    labels, others = rng.integers(0, 5, queries), rng.integers(0, 4, rows)
    yield Relevance.from_labels(labels, others), labels[:, None] == others
    names = np.array(["ant", "bee", "cat", "dog", "eel"])
    yield Relevance.from_labels(names[labels], names[others]), labels[:, None] == others
    many, some = (rng.integers(0, 5, (n, 6)) == 0 for n in (queries, rows))
    shared = (many[:, None] & some[None]).any(-1)
    yield Relevance.from_labels(many.astype(int), some.astype(np.uint8)), shared
    yield Relevance.from_matrix(shared), shared
    ids = np.array([rng.choice(rows, 7, replace=False) for _ in range(queries)])
    near = np.zeros((queries, rows), bool)
    np.put_along_axis(near, ids, True, axis=1)
    ids = np.pad(ids, ((0, 0), (0, 1)), constant_values=-1)
    yield Relevance.from_neighbours(ids), near


@pytest.mark.parametrize("held", [1, 1 << 26])
def test_every_form_of_relevance_stands_for_its_matrix(monkeypatch, held):
    monkeypatch.setattr(_relevance, "_MASK_BYTES", held)
    rng = np.random.default_rng(0)
    queries, database = random_codes(rng, 9, 12), random_codes(rng, 1300, 12)
    scores = rng.normal(size=(9, 1300))
    distances = distances_by_unpacking(queries, database)
    for relevant, matrix in truths(rng, 9, 1300):
        assert 0 < matrix.sum() < matrix.size
        found = distance_histograms(queries, database, relevant)
        np.testing.assert_array_equal(found.relevant, counted(distances, matrix, 16))
        np.testing.assert_array_equal(found.others, counted(distances, ~matrix, 16))
        at, row = rng.integers(0, 9, 300), rng.integers(0, 1300, 300)
        np.testing.assert_array_equal(relevant.pairs(at, row), matrix[at, row])
        for blocks in (scores, iter(np.split(scores, [2, 3]))):
            value = average_precision_of_scores(blocks, relevant, higher_is_better=True)
            expected = average_precision_of_scores(-scores, matrix, higher_is_better=False)
            assert value == expected


def test_nothing_depends_on_threads_or_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    queries, database = random_codes(rng, 60, 20), random_codes(rng, 3000, 20)
    labels, others = rng.integers(0, 9, 60), rng.integers(0, 9, 3000)
    results = set()
    for threads in (1, 2, 7):
        order = rng.permutation(3000)
        relevant = Relevance.from_labels(labels, others[order])
        for at in (None, 70):
            for ties in ("expected", "optimistic", "pessimistic"):
                value = mean_average_precision(
                    queries, database[order], relevant, at=at, ties=ties, threads=threads
                )
                results.add((at, ties, value))
        scores = rng.normal(size=(60, 30)).astype(np.float32)
    assert len(results) == 6
    relevant = Relevance.from_labels(labels, others[:30])
    values = {
        average_precision_of_scores(scores, relevant, higher_is_better=True, threads=n)
        for n in (1, 2, 5)
    }
    assert len(values) == 1


def test_a_score_matrix_is_ranked_with_its_ties():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 3, (30, 6)).astype(np.float32)
    scores[scores == 0] *= -1  # -0.0 and 0.0 are one number
    scores[:, 0] = np.abs(scores[:, 0])
    scores[0, :2] = np.inf
    relevant = rng.random((30, 6)) < 0.5
    for higher in (True, False):
        for ties, of in (
            ("expected", lambda v: sum(v) / len(v)),
            ("optimistic", max),
            ("pessimistic", min),
        ):
            for at in (None, 2):
                values = []
                for row, right in zip(scores, relevant, strict=True):
                    levels = sorted(set(row.tolist()), reverse=higher)
                    groups = [
                        (int((~right & (row == s)).sum()), int((right & (row == s)).sum()))
                        for s in levels
                    ]
                    values.append(
                        of(
                            [
                                average_precision(r, "rectangle", "hits", at) or 0
                                for r in rankings(groups)
                            ]
                        )
                    )
                found = average_precision_of_scores(
                    scores, relevant, higher_is_better=higher, ties=ties, at=at
                )
                assert found == pytest.approx(float(sum(values) / 30))


def test_scores_and_codes_agree_where_the_scores_are_distances():
    rng = np.random.default_rng(0)
    queries, database = random_codes(rng, 20, 10), random_codes(rng, 400, 10)
    relevant = Relevance.from_labels(rng.integers(0, 3, 20), rng.integers(0, 3, 400))
    distances = distances_by_unpacking(queries, database).astype(np.float64)
    for options in (
        {},
        {"at": 33, "ap": "trapezoid"},
        {"at": 33, "divisor": "reachable"},
        {"ap": "interp21", "ties": "optimistic"},
        {"exclude_self": True, "query_ids": range(20), "database_ids": range(10, 410)},
    ):
        expected = mean_average_precision(queries, database, relevant, **options)
        assert 0.1 < expected < 0.8
        found = average_precision_of_scores(distances, relevant, higher_is_better=False, **options)
        assert found == pytest.approx(expected, rel=1e-12)


def test_tie_free_scores_have_the_value_of_torchmetrics():
    retrieval = pytest.importorskip("torchmetrics.retrieval")
    import torch

    rng = np.random.default_rng(0)
    scores = 1 + rng.permuted(np.tile(np.arange(50, dtype=np.float32), (20, 1)), axis=1)  # above 0
    relevant = rng.random((20, 50)) < 0.1
    relevant[3] = False
    indexes = torch.arange(20).repeat_interleave(50)
    for at in (None, 5, 20):
        for empty, action in (("zero", "neg"), ("drop", "skip")):
            theirs = retrieval.RetrievalMAP(empty_target_action=action, top_k=at)
            expected = theirs(
                torch.from_numpy(scores).ravel(), torch.from_numpy(relevant).ravel(), indexes
            )
            found = average_precision_of_scores(scores, relevant, higher_is_better=True, at=at)
            if empty == "drop":  # theirs drops who has nothing relevant, not who found nothing
                found *= 20 / relevant.any(1).sum()
            assert found == pytest.approx(float(expected), rel=1e-6)


def test_a_query_is_left_out_of_its_own_ranking():
    rng = np.random.default_rng(0)
    codes, labels = random_codes(rng, 60, 9), rng.integers(0, 4, 60)
    distances = distances_by_unpacking(codes, codes)
    relevant = labels[:, None] == labels
    others = ~np.eye(60, dtype=bool)
    expected = counted(distances, relevant & others, 16)
    for truth in (Relevance.from_labels(labels, labels), relevant):
        found = distance_histograms(codes, codes, truth, exclude_self=True)
        np.testing.assert_array_equal(found.relevant, expected)
        np.testing.assert_array_equal(found.others, counted(distances, ~relevant & others, 16))
    ids = np.array([f"image {i}" for i in range(60)])
    order = rng.permutation(60)
    found = distance_histograms(
        codes[order],
        codes,
        Relevance.from_labels(labels[order], labels),
        exclude_self=True,
        query_ids=ids[order],
        database_ids=ids,
    )
    np.testing.assert_array_equal(found.relevant, expected[order])
    kept = mean_average_precision(codes, codes, relevant)
    assert kept > mean_average_precision(codes, codes, relevant, exclude_self=True) + 0.05


def test_precision_within_a_radius_is_counted_by_hand():
    rng = np.random.default_rng(0)
    queries, database = random_codes(rng, 200, 16), random_codes(rng, 40, 16)
    relevant = rng.random((200, 40)) < 0.4
    distances = distances_by_unpacking(queries, database)
    for radius in (0, 2, 4, 16):
        shares = [
            relevant[q][near].mean() if (near := distances[q] <= radius).any() else None
            for q in range(200)
        ]
        there = [share for share in shares if share is not None]
        found = precision_within_radius(queries, database, relevant, radius)
        assert found.precision == pytest.approx(sum(there) / 200)
        assert found.empty == pytest.approx(1 - len(there) / 200)
        dropped = precision_within_radius(queries, database, relevant, radius, empty="drop")
        if there:
            assert dropped.precision == pytest.approx(np.mean(there))
        else:
            assert np.isnan(dropped.precision)
    assert 0 < precision_within_radius(queries, database, relevant, 2).empty < 1


def test_precision_at_k_is_that_of_all_orders():
    rng = np.random.default_rng(0)
    queries, database = random_codes(rng, 12, 3), random_codes(rng, 6, 3)
    relevant = rng.random((12, 6)) < 0.5
    distances = distances_by_unpacking(queries, database)
    for ties, of in (("expected", np.mean), ("optimistic", max), ("pessimistic", min)):
        found = precision_at_k(queries, database, relevant, range(1, 7), ties=ties)
        for k, value in found.items():
            expected = []
            for d, right in zip(distances, relevant, strict=True):
                groups = [
                    (int((~right & (d == i)).sum()), int((right & (d == i)).sum()))
                    for i in range(9)
                ]
                expected.append(of([sum(ranking[:k]) / k for ranking in rankings(groups)]))
            assert value == pytest.approx(np.mean(expected))


def test_the_curve_is_counted_by_hand():
    rng = np.random.default_rng(0)
    queries, database = random_codes(rng, 30, 12), random_codes(rng, 50, 12)
    relevant = rng.random((30, 50)) < 0.3
    relevant[4] = False
    distances = distances_by_unpacking(queries, database)
    micro = precision_recall_curve(queries, database, relevant)
    macro = precision_recall_curve(queries, database, relevant, average="macro")
    dropped = precision_recall_curve(queries, database, relevant, average="macro", empty="drop")
    assert micro.radius.tolist() == list(range(17))
    for radius in range(17):
        near = distances <= radius
        hits, found = (near & relevant).sum(1), near.sum(1)
        assert micro.precision[radius] == pytest.approx(hits.sum() / max(found.sum(), 1))
        assert micro.recall[radius] == pytest.approx(hits.sum() / relevant.sum())
        assert macro.precision[radius] == pytest.approx((hits / np.maximum(found, 1)).mean())
        asked = relevant.any(1)
        assert macro.recall[radius] == pytest.approx((hits[asked] / relevant[asked].sum(1)).mean())
        assert macro.empty[radius] == pytest.approx((found == 0).mean())
        if found.any():
            some = found > 0
            expected = (hits[some] / found[some]).mean()
            assert dropped.precision[radius] == pytest.approx(expected)
    assert macro.recall[-1] == micro.recall[-1] == 1


CODES = np.zeros((3, 2), np.uint8)
TRUTH = Relevance.from_labels([1, 2, 3], [1, 2, 3])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"query_codes": CODES.astype(np.int8)}, TypeError, "query_codes must be packed codes"),
        ({"query_codes": [[1]]}, TypeError, "got list"),
        ({"database_codes": CODES[0]}, TypeError, "database_codes must be packed codes"),
        ({"query_codes": CODES[:0]}, ValueError, "query_codes must hold at least one row"),
        ({"database_codes": CODES[:0]}, ValueError, "at least one row"),
        ({"query_codes": CODES[:, :0]}, ValueError, "1 to 8192 bytes a row, got 0"),
        ({"query_codes": CODES[:, :1].copy()}, ValueError, "query_codes have 1 bytes a row"),
        (
            {"query_codes": PackedCodes(CODES, 12), "database_codes": PackedCodes(CODES, 13)},
            ValueError,
            "query_codes have 12 bits, database_codes 13",
        ),
        ({"query_codes": CODES[:2]}, ValueError, "relevant speaks of 3 queries, there are 2"),
        ({"database_codes": CODES[:2]}, ValueError, "speaks of 3 rows, the database has 2"),
        ({"relevant": [1, 2, 3]}, TypeError, "Relevance.from_labels"),
        ({"relevant": np.eye(3)}, TypeError, "bool matrix"),
        (
            {"relevant": Relevance.from_neighbours(np.array([[0], [3], [1]]))},
            ValueError,
            "names row 3, the database has 3 rows",
        ),
        ({"at": 0}, ValueError, "at must be at least 1"),
        ({"at": 2.0}, TypeError, "at must be an integer"),
        ({"at": 4}, ValueError, "at must be at most 3"),
        ({"at": 3, "exclude_self": True}, ValueError, "at must be at most 2"),
        ({"ap": "square"}, ValueError, "ap must be one of rectangle, trapezoid, interp21"),
        ({"ap": "interp21"}, ValueError, "no closed form"),
        ({"ties": "stable"}, ValueError, "ties must be one of expected"),
        ({"divisor": "all"}, ValueError, "divisor must be one of hits"),
        ({"empty": "skip"}, ValueError, "empty must be one of zero, drop"),
        ({"threads": 0}, ValueError, "threads must be in 1"),
        ({"threads": 1.5}, TypeError, "threads must be an integer"),
        ({"exclude_self": 1}, TypeError, "exclude_self must be a bool"),
        ({"query_ids": [1, 2, 3]}, ValueError, "give both or neither"),
        (
            {"query_ids": [7, 8, 9], "database_ids": [1, 2, 9]},
            ValueError,
            "1 of the 3 queries are rows of the database too, such as id .*9",
        ),
        ({"query_ids": [7, 8], "database_ids": [1, 2, 9]}, ValueError, "query_ids must be 3"),
        ({"query_ids": [7, 8, 3], "database_ids": [1, 1, 9]}, ValueError, "is there twice"),
        ({"query_ids": [0.5, 1, 2], "database_ids": [1, 2, 9]}, TypeError, "integers or strings"),
        (
            {"exclude_self": True, "database_codes": CODES + np.uint8(1)},
            ValueError,
            "their codes differ",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_named(options, error, message):
    given = {"query_codes": CODES, "database_codes": CODES, "relevant": TRUTH}
    with pytest.raises(error, match=message):
        mean_average_precision(**(given | options))


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (([], [1]), ValueError, "query_labels must hold at least one label"),
        (([1.0, np.nan], [1.0]), ValueError, "query_labels must not hold NaN"),
        (([1, 2], ["a"]), TypeError, "of one kind"),
        (([[0, 1]], [1]), TypeError, "of one kind"),
        (([[0, 1]], [[0, 2]]), ValueError, "database_labels must be an indicator matrix"),
        (([[0, 1]], [[0, 1, 1]]), ValueError, "got 2 and 3"),
        (([[1], [0]], [[1]]), ValueError, "at least 2 labels"),
        (([[[1]]], [1]), ValueError, r"labels \(n,\) or indicators"),
    ],
)
def test_labels_that_do_not_fit_are_named(labels, error, message):
    with pytest.raises(error, match=message):
        Relevance.from_labels(*labels)


def test_labels_of_different_integer_types_are_the_same_labels():
    truth = Relevance.from_labels(np.array([1, 0], np.uint8), np.array([0, 1], np.int64))
    assert truth.pairs(np.arange(2), np.array([1, 0])).all()


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        (np.zeros((2, 2)), TypeError, "ids must be integers"),
        (np.zeros(2, int), ValueError, r"shape \(q, k\)"),
        (np.full((2, 2), -2), ValueError, "got -2"),
    ],
)
def test_neighbours_that_do_not_fit_are_named(ids, error, message):
    with pytest.raises(error, match=message):
        Relevance.from_neighbours(ids)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scores": np.zeros((3, 3), int)}, TypeError, "scores must be float32 or float64"),
        ({"scores": np.zeros(3)}, TypeError, "scores must be float32 or float64"),
        ({"scores": np.full((3, 3), np.nan)}, ValueError, "must not hold NaN"),
        ({"scores": np.zeros((3, 0))}, ValueError, "must hold numbers"),
        ({"scores": np.zeros((2, 3))}, ValueError, "of 3 queries, scores have 2 rows"),
        ({"scores": np.zeros((4, 3))}, ValueError, "more rows than relevant's 3"),
        ({"scores": np.zeros((3, 4))}, ValueError, "speaks of 3 rows, the database has 4"),
        ({"scores": [np.zeros((2, 3)), np.zeros((1, 2))]}, ValueError, "differ in width: 3 and 2"),
        ({"scores": []}, ValueError, "scores have 0 rows"),
        ({"higher_is_better": "yes"}, TypeError, "higher_is_better must be a bool"),
        ({"at": 4}, ValueError, "at must be at most 3"),
    ],
)
def test_scores_that_do_not_fit_are_named(options, error, message):
    given = {"scores": np.zeros((3, 3)), "relevant": TRUTH, "higher_is_better": True}
    with pytest.raises(error, match=message):
        average_precision_of_scores(**(given | options))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f: f.precision_within_radius(17), ValueError, "radius must be in 0 ..= 16"),
        (lambda f: f.precision_within_radius(-1), ValueError, "radius must be in 0"),
        (lambda f: f.precision_within_radius(1.0), TypeError, "radius must be an integer"),
        (lambda f: f.precision_within_radius(1, "none"), ValueError, "empty must be one of"),
        (lambda f: f.precision_at_k((4,)), ValueError, "k must be numbers of at most 3"),
        (lambda f: f.precision_at_k(()), ValueError, "k must be numbers of at most 3"),
        (lambda f: f.precision_at_k((0,)), ValueError, "k must be at least 1"),
        (lambda f: f.precision_recall_curve(average="mean"), ValueError, "micro, macro"),
    ],
)
def test_choices_that_do_not_fit_are_named(call, error, message):
    found = distance_histograms(CODES, CODES, TRUTH)
    with pytest.raises(error, match=message):
        call(found)
