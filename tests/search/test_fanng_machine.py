"""Any order of changes, searches, saves and builds, against a dict and brute force."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bitgrove.search import Fanng

from .indexes import assert_same
from .oracles import make_rows, nearest

_DIM = 6


class Life(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)
        self.index = Fanng(_DIM, max_degree=8)
        self.held = {}
        self.next_id = 0
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "index"

    def teardown(self):
        self.folder.cleanup()

    def rows(self, count):
        return make_rows(self.rng, count, _DIM, "float32", spread=30)

    def some(self, share):
        ids = np.array(sorted(self.held), np.int64)
        return self.rng.permutation(ids)[: round(share * len(ids))]

    @rule(count=st.sampled_from([0, 1, 5, 60, 300]))
    def add(self, count):
        rows = self.rows(count)
        self.index.add(rows)
        for row in rows:
            self.held[self.next_id] = row
            self.next_id += 1

    @rule(count=st.integers(1, 20))
    def add_under_ids(self, count):
        free = np.setdiff1d(np.arange(self.next_id + 30), np.array(list(self.held), np.int64))
        ids, rows = self.rng.permutation(free)[:count], self.rows(min(count, len(free)))
        self.index.add(rows, ids)
        self.held |= dict(zip(ids.tolist(), rows, strict=True))
        self.next_id = max(self.next_id, int(ids.max()) + 1)

    @rule(share=st.sampled_from([0.01, 0.1, 0.5, 1.0]))
    def remove(self, share):
        ids = self.some(share)
        self.index.remove(ids)
        for number in ids.tolist():
            del self.held[number]

    @rule(share=st.sampled_from([0.02, 0.3]), copy=st.booleans())
    def update(self, share, copy):
        ids = self.some(share)
        rows = self.rows(len(ids))
        if copy and len(ids):
            rows[:] = self.held[min(self.held)]  # duplicates
        self.index.update(ids, rows)
        self.held |= dict(zip(ids.tolist(), rows, strict=True))

    @rule()
    def build(self):
        self.index.build()

    @rule()
    def save_and_load(self):
        self.index.save(self.path)
        again = Fanng.load(self.path)
        assert_same(again, self.index)
        self.index = again

    @rule(k=st.integers(1, 12), part=st.sampled_from([None, 0.05, 0.5]))
    def search(self, k, part):
        if self.held and not self.index.built:
            return
        allowed = None if part is None else self.some(part)
        ids = np.array(sorted(self.held), np.int64) if allowed is None else np.sort(allowed)
        rows = np.array([self.held[i] for i in ids.tolist()], np.float32).reshape(-1, _DIM)
        queries = self.rows(5)
        distances, expected = nearest("l2", queries, rows, ids, k)
        exact = self.index.search(queries, k, width=max(1, len(self.held)), filter=allowed)
        np.testing.assert_array_equal(exact.ids, expected)
        np.testing.assert_allclose(exact.distances, distances, rtol=1e-6)
        found = self.index.search(queries, k, filter=allowed)
        assert ((found.ids >= 0) == (expected >= 0)).all()
        hits = (expected[:, :, None] == found.ids[:, None, :]).any(2)
        assert hits.mean() >= 0.8  # of few

    @invariant()
    def holds_what_the_dict_holds(self):
        ids = self.index.ids
        assert len(self.index) == len(ids) == len(self.held)
        assert set(ids.tolist()) == set(self.held)
        for number, row in zip(ids.tolist(), self.index.vectors, strict=True):
            np.testing.assert_array_equal(row, self.held[number])


Life.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)
TestLife = Life.TestCase
