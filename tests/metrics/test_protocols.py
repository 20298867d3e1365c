import dataclasses

import numpy as np
import pytest

from bitgrove.metrics import (
    Relevance,
    SplitRule,
    average_precision_of_scores,
    euclidean_neighbours,
    evaluate,
    mean_average_precision,
    precision_within_radius,
    protocol,
    protocols,
)

TRAIN, TEST = np.arange(50_000) % 10, np.arange(10_000) % 10  # as many as CIFAR-10 has


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("uh-bdnn", (10_000, 50_000, 50_000, 1000)),
        ("sh-bdnn", (10_000, 30_000, 50_000, 1000)),
        ("dh", (1000, 59_000, 59_000, 0)),
        ("dsh", (10_000, 50_000, 10_000, 0)),
        ("subic", (10_000, 50_000, 10_000, 0)),
        ("cifar10-1", (1000, 5000, 59_000, 0)),
        ("cifar10", (1000, 5000, 54_000, 0)),
        ("cifar10-2", (10_000, 50_000, 50_000, 0)),
    ],
)
def test_splits_have_the_sizes_of_the_tables(name, sizes):
    split = protocol(name).split(TRAIN, TEST, seed=1)
    query, train, database, validation = (set(rows.tolist()) for rows in dataclasses.astuple(split))
    assert tuple(map(len, (query, train, database, validation))) == sizes
    assert not query & train
    assert (query == database) if name in ("dsh", "subic") else not query & database
    assert not train & validation or name == "uh-bdnn"
    assert train & database or name in ("dsh", "subic", "cifar10")
    labels = np.concatenate([TRAIN, TEST])
    for rows in (split.query, split.train):
        assert len(set(np.bincount(labels[rows]))) == 1  # as many of each class
    again = protocol(name).split(TRAIN, TEST, seed=1)
    other = protocol(name).split(TRAIN, TEST, seed=2)
    same = [
        np.array_equal(a, b)
        for a, b in zip(dataclasses.astuple(split), dataclasses.astuple(again), strict=True)
    ]
    assert all(same)
    drawn = name not in ("dsh", "subic", "cifar10-2")
    assert drawn == any(
        not np.array_equal(a, b)
        for a, b in zip(dataclasses.astuple(split), dataclasses.astuple(other), strict=True)
    )


@pytest.mark.parametrize(
    ("name", "queries", "train", "apart"),
    [
        ("sh-bdnn", None, 3000, 100),
        ("dh", 100, None, 0),
        ("cifar10-1", 100, 500, 0),
        ("cifar10", 100, 500, 0),
    ],
)
def test_classes_are_shuffled_once_and_dealt_out(name, queries, train, apart):
    rng = np.random.default_rng(0)
    own, test = rng.choice(3, 11_000, p=(0.3, 0.33, 0.37)), rng.choice(3, 700)
    split = protocol(name).split(own, test, seed=4)
    labels = np.concatenate([own, test])
    rng, query, learnt, kept = np.random.default_rng(4), [], [], []
    for label in range(3):
        mine = list(rng.permutation(np.flatnonzero((own if queries is None else labels) == label)))
        query += mine[: queries or 0]
        mine = mine[queries or 0 :]
        learnt += mine[: train or 0]
        kept += mine[train or 0 :][:apart]
    asked = set(query) if queries else set(range(11_000, 11_700))
    rest = [i for i in range(11_700 if queries else 11_000) if i not in asked]
    assert split.query.tolist() == sorted(asked)
    assert split.train.tolist() == (learnt if train else rest)
    assert split.validation.tolist() == kept
    ranked = [i for i in rest if i not in set(learnt)] if name == "cifar10" else rest
    assert split.database.tolist() == ranked
    generator = np.random.default_rng(4)
    drawn = protocol(name).split(own, test, seed=generator)
    assert np.array_equal(drawn.train, split.train)
    assert generator.random() == rng.random()  # nothing else was drawn


def test_every_image_of_a_class_is_a_query_as_often():
    labels, rule = np.repeat([0, 1], [20, 40]), SplitRule(queries=5, train=5)
    table = dataclasses.replace(protocol("cifar10-1"), rule=rule)
    seen = np.zeros((2, 60))
    for seed in range(600):
        split = table.split(labels, seed=seed)
        seen[0, split.query] += 1
        seen[1, split.train] += 1
    share = np.where(labels == 0, 1 / 4, 1 / 8)
    assert (np.abs(seen / 600 - share) < 5 * np.sqrt(share * (1 - share) / 600)).all()


def test_every_protocol_has_a_name_and_figures_below_one():
    assert {"uh-bdnn", "sh-bdnn", "dh", "dsh", "subic", "cifar10-1"} <= set(protocols())
    for name in protocols():
        assert protocol(name).name == name
        for figure in protocol(name).published:
            assert 0 < figure.value < 1
            assert figure.source


def test_a_name_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(ValueError, match=r"known are uh-bdnn, .*cifar10-2"):
        protocol("cifar")
    with pytest.raises(ValueError, match="known are uh-bdnn"):
        evaluate(*data()[:2], Relevance.from_labels([1], [1]), protocol="cifar")


def data():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (340, 2), np.uint8)
    labels = rng.integers(0, 4, 340)
    codes[:, 0] = labels * 64 + codes[:, 0] // 32  # codes that know something
    return codes[:40], codes[40:], labels[:40], labels[40:]


def test_a_protocol_scores_as_its_parts_do():
    queries, database, asked, held = data()
    truth = Relevance.from_labels(asked, held)
    for name, options in {
        "sh-bdnn": {"ap": "trapezoid"},
        "cifar10-1": {},
        "dh": {"ap": "rectangle"},
        "dsh": {},
    }.items():
        table = protocol(name)
        same = (range(300), range(300)) if name == "dsh" else (range(40), range(40, 340))
        if name == "dsh":
            queries_of, truth_of = database, Relevance.from_labels(held, held)
        else:
            queries_of, truth_of = queries, table.ground_truth(asked, held)
        found = table.evaluate(
            queries_of, database, truth_of, query_ids=same[0], database_ids=same[1]
        )
        assert found == evaluate(queries_of, database, truth_of, protocol=name)
        for ties, value in (
            ("expected", found.mean_average_precision),
            ("optimistic", found.optimistic),
            ("pessimistic", found.pessimistic),
        ):
            assert value == mean_average_precision(
                queries_of, database, truth_of, ties=ties, **options
            )
        near = precision_within_radius(queries_of, database, truth_of)
        assert (found.precision_within_2, found.empty_balls) == near
        assert (found.protocol, found.queries, found.database) == (name, len(queries_of), 300)
    scores = np.random.default_rng(1).normal(size=(40, 300))
    truth = table.ground_truth(asked, held)
    found = protocol("subic").evaluate_scores(scores, truth, higher_is_better=True)
    assert found.mean_average_precision is None
    with pytest.raises(ValueError, match="by real-valued queries, not by Hamming distance"):
        protocol("subic").evaluate(queries, database, truth)
    assert found.optimistic == average_precision_of_scores(
        scores, truth, higher_is_better=True, ap="interp21", ties="optimistic"
    )
    found = protocol("dh").evaluate_scores(scores, truth, higher_is_better=True)
    values = found.pessimistic, found.mean_average_precision, found.optimistic
    assert values == pytest.approx([found.optimistic] * 3, rel=1e-12)  # no two scores are equal
    assert found.precision_within_2 is None


def test_neighbours_are_those_of_sorting_all_distances():
    rng = np.random.default_rng(0)
    queries = rng.integers(0, 4, (7, 3)).astype(np.float32)
    database = rng.integers(0, 4, (200, 3)).astype(np.float32)
    distances = ((queries[:, None] - database[None]) ** 2).sum(-1)
    expected = [sorted(range(200), key=lambda j, d=d: (d[j], j))[:50] for d in distances]
    for threads in (1, 3):
        found = euclidean_neighbours(queries, database, 50, threads=threads)
        assert found.tolist() == expected
    truth = protocol("uh-bdnn").ground_truth(queries, database)
    assert truth.neighbours == 50
    for query, near in enumerate(expected):
        mask = truth.pairs(np.full(200, query), np.arange(200))
        assert set(np.flatnonzero(mask)) == set(near)
    codes = rng.integers(0, 256, (207, 1), np.uint8)
    found = protocol("uh-bdnn").evaluate(codes[:7], codes[7:], truth)
    value = mean_average_precision(codes[:7], codes[7:], truth, ap="trapezoid")
    assert found.mean_average_precision == value


def test_another_ground_truth_is_refused():
    queries, database, asked, held = data()
    labels = Relevance.from_labels(asked, held)
    few = Relevance.from_neighbours(np.zeros((40, 10), int))
    with pytest.raises(ValueError, match="uh-bdnn is the 50 nearest neighbours, got labels"):
        protocol("uh-bdnn").evaluate(queries, database, labels)
    with pytest.raises(ValueError, match="got the 10 nearest neighbours: make it with"):
        protocol("uh-bdnn").evaluate(queries, database, few)
    with pytest.raises(ValueError, match="cifar10-1 is labels, got the 10 nearest"):
        protocol("cifar10-1").evaluate(queries, database, few)
    matrix = Relevance.from_matrix(asked[:, None] == held)
    with pytest.raises(ValueError, match="got matrix"):
        protocol("dh").evaluate_scores(np.zeros((40, 300)), matrix, higher_is_better=True)
    with pytest.raises(TypeError, match="ground_truth"):
        protocol("dh").evaluate(queries, database, np.ones((40, 300), bool))  # pyright: ignore


def test_queries_in_the_database_are_refused_but_where_the_table_has_them():
    codes, labels = data()[1], data()[3]
    truth = Relevance.from_labels(labels, labels)
    ids = np.arange(300)
    with pytest.raises(ValueError, match="300 of the 300 queries are rows of the database"):
        protocol("cifar10-1").evaluate(codes, codes, truth, query_ids=ids, database_ids=ids)
    table = protocol("dsh")
    with pytest.raises(ValueError, match="ranks the queries themselves"):
        table.evaluate(codes, codes, truth, query_ids=ids, database_ids=ids + 1)
    with pytest.raises(ValueError, match="give both or neither"):
        table.evaluate(codes, codes, truth, query_ids=ids)
    found = table.evaluate(codes, codes, truth, query_ids=ids, database_ids=ids)
    assert found.empty_balls == 0  # everyone finds himself


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("cifar10-2", (TRAIN,), "test_labels must be given"),
        ("cifar10-1", (TRAIN[:900],), "100 queries of each class, but of .*0.* there are 90 left"),
        ("cifar10-1", (TRAIN[:2000],), "500 training images of each class"),
        ("sh-bdnn", (TRAIN[:30_500], TEST), "100 validation images of each class"),
        ("uh-bdnn", (TRAIN[:999], TEST), "sets 1000 of the training images apart"),
        ("cifar10", (np.zeros((4, 2)),), r"labels must be labels of shape \(n,\)"),
        ("uh-bdnn-sift1m", (TRAIN, TEST), "comes with its files"),
    ],
)
def test_a_split_that_cannot_be_drawn_says_why(name, labels, message):
    with pytest.raises(ValueError, match=message):
        protocol(name).split(*labels)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"queries": np.zeros((2, 2))}, TypeError, "queries must be float32"),
        ({"database": np.full((4, 2), np.inf, np.float32)}, ValueError, "database must be finite"),
        ({"k": 5}, ValueError, "k must be at most 4"),
        ({"k": 0}, ValueError, "k must be at least 1"),
    ],
)
def test_neighbours_that_cannot_be_found_are_named(options, error, message):
    rows = np.zeros((4, 2), np.float32)
    with pytest.raises(error, match=message):
        euclidean_neighbours(**({"queries": rows, "database": rows, "k": 2} | options))
