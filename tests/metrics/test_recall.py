import numpy as np
import pytest

from bitgrove.metrics import _recall, recall_at_k


def by_definition(queries, labels, k, database, database_labels, leave_out):
    """Sort what is searched by distance, other classes first among equals, and look at k."""
    hits = 0
    for i, (query, label) in enumerate(zip(queries, labels, strict=True)):
        ranked = sorted(
            (float(((query - row) ** 2).sum()), other == label, other)
            for j, (row, other) in enumerate(zip(database, database_labels, strict=True))
            if not (leave_out and i == j)
        )
        hits += any(other == label for *_, other in ranked[:k])
    return hits / len(queries)


@pytest.mark.parametrize("block", [1, 60, 1 << 22])
def test_recall_is_its_definition(monkeypatch, block):
    monkeypatch.setattr(_recall, "_BLOCK", block)
    found = set()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        rows = rng.integers(0, 4, (30, 2)).astype(np.float32)  # many at the same distance
        labels = rng.integers(0, 9, 30)
        recall = recall_at_k(rows, labels, (1, 3, 8, 100))
        for k, value in recall.items():
            assert value == by_definition(rows, labels, k, rows, labels, True)
        found |= set(recall.values())
        asked, names = rng.normal(size=(11, 2)).astype(np.float32), rng.integers(0, 12, 11)
        recall = recall_at_k(asked, names, (1, 2, 30), database=rows, database_labels=labels)
        for k, value in recall.items():
            assert value == by_definition(asked, names, k, rows, labels, False)
    assert len(found) > 8


def test_collapsed_embeddings_find_nothing_until_everything_is_looked_at():
    rows = np.ones((6, 3), np.float32)
    assert recall_at_k(rows, [0, 0, 1, 1, 2, 2], (1, 4, 5)) == {1: 0.0, 4: 0.0, 5: 1.0}


def test_a_class_without_another_row_is_missed():
    rows = np.array([[0], [1], [3]], np.float32)
    assert recall_at_k(rows, ["a", "a", "b"], (1, 50)) == {1: 2 / 3, 50: 2 / 3}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k": (0,)}, ValueError, "k must be numbers of at least 1"),
        ({"k": ()}, ValueError, "k must be numbers of at least 1"),
        ({"labels": [1]}, ValueError, r"labels must be 2, one for each row, got shape \(1,\)"),
        ({"database_labels": [1]}, ValueError, "give both or neither"),
        ({"queries": np.zeros((2, 2))}, TypeError, "float32"),
        ({"queries": np.zeros(2, np.float32)}, TypeError, "queries must be a float32 array"),
        ({"queries": np.zeros((0, 2), np.float32), "labels": []}, ValueError, "at least one row"),
        (
            {"database": np.zeros((3, 2), np.float32), "database_labels": [1]},
            ValueError,
            "database_labels must be 3",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_named(options, error, message):
    with pytest.raises(error, match=message):
        recall_at_k(**({"queries": np.zeros((2, 2), np.float32), "labels": [1, 2]} | options))
