import pickle

import numpy as np
import pytest

from bitgrove import files
from bitgrove.search import BlockCodes


def expected(codes, ids, queries, values, k):
    """Scores by explicit loops in float32, sorted by (score, id)."""
    scores = np.full((len(queries), k), -np.inf, np.float32)
    found = np.full((len(queries), k), -1)
    for q, query in enumerate(queries):
        sums = np.zeros(len(codes), np.float32)
        for block in range(codes.shape[1]):
            sums += query[block * values + codes[:, block].astype(int)]
        order = np.lexsort((ids, -sums))[:k]
        scores[q, : len(order)], found[q, : len(order)] = sums[order], ids[order]
    return scores, found


def assert_exact(index, queries, k, **options):
    scores, found = expected(index.codes, index.ids, queries, index.values, k)
    result = index.search(queries, k, **options)
    np.testing.assert_array_equal(result.ids, found)
    np.testing.assert_array_equal(result.distances, scores)


def made(rng, n, blocks, values):
    index = BlockCodes(blocks, values)
    index.add(rng.integers(0, values, (n, blocks), dtype=np.uint8), rng.permutation(2 * n)[:n])
    return index


@pytest.mark.parametrize("values", [2, 3, 16, 17, 64, 65, 128, 129, 256])
@pytest.mark.parametrize("blocks", [1, 2, 8])
def test_equals_loops_over_blocks(simd_level, blocks, values):
    rng = np.random.default_rng(values)
    index = made(rng, 1500, blocks, values)
    queries = rng.normal(size=(3, blocks * values)).astype(np.float32)
    queries[1] = np.maximum(queries[1], 0)  # as SuBiC's are
    queries[2] = np.round(queries[2])  # many ties
    assert_exact(index, queries, 7)


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 1023, 1025])
def test_any_number_of_rows_and_more_neighbours_than_rows(n):
    rng = np.random.default_rng(n)
    index = made(rng, n, 4, 9)
    assert_exact(index, rng.normal(size=(2, 36)).astype(np.float32), 70)


@pytest.mark.parametrize("blocks", [255, 256])
def test_the_most_blocks_do_not_overflow(simd_level, blocks):
    rng = np.random.default_rng(0)
    index = made(rng, 400, blocks, 256)
    index.add(np.full((1, blocks), 255, np.uint8))
    queries = rng.random((2, blocks * 256)).astype(np.float32)
    queries[:, 255::256] = 1
    assert_exact(index, queries, 3)


@pytest.mark.parametrize("scale", [1e-38, 1.0, 1e30])
@pytest.mark.parametrize("offset", [0.0, 1e6, -1e6])
def test_scores_that_differ_in_their_last_bits_are_ordered_exactly(simd_level, scale, offset):
    rng = np.random.default_rng(1)
    index = made(rng, 3000, 6, 40)
    queries = (rng.normal(size=(2, 240)) + offset).astype(np.float32) * np.float32(scale)
    assert_exact(index, queries, 20)


def test_equal_numbers_rank_by_id():
    rng = np.random.default_rng(1)
    index = made(rng, 500, 3, 4)
    assert_exact(index, np.full((1, 12), 0.3, np.float32), 9)
    assert_exact(index, np.zeros((1, 12), np.float32), 9)
    assert_exact(index, -np.zeros((1, 12), np.float32), 9)


def test_scores_of_all_rows_are_those_of_a_search(monkeypatch):
    rng = np.random.default_rng(5)
    index = made(rng, 300, 4, 9)
    queries = rng.normal(size=(11, 36)).astype(np.float32)
    monkeypatch.setattr("bitgrove.search._block_codes._SCORES", 1000)
    blocks = list(index.scores(queries))
    assert [len(block) for block in blocks] == [3, 3, 3, 2]
    found = index.search(queries, 300)
    for scores, distances, ids in zip(np.concatenate(blocks), *found, strict=True):
        by_id = dict(zip(index.ids, scores, strict=True))
        np.testing.assert_array_equal(distances, [by_id[i] for i in ids])
    with pytest.raises(ValueError, match="36 columns"):
        index.scores(queries[:, 1:])


def test_results_do_not_depend_on_threads():
    rng = np.random.default_rng(2)
    index = made(rng, 9000, 8, 32)
    queries = rng.normal(size=(37, 256)).astype(np.float32)
    for threads in (1, 2, 5):
        assert_exact(index, queries, 6, threads=threads)
        assert_exact(index, queries[:1], 6, threads=threads)


def test_comes_back_from_a_file_and_from_a_pickle(tmp_path):
    index = made(np.random.default_rng(0), 99, 8, 12)
    index.save(tmp_path / "a.index")
    for again in (BlockCodes.load(tmp_path / "a.index"), pickle.loads(pickle.dumps(index))):
        np.testing.assert_array_equal(again.codes, index.codes)
        np.testing.assert_array_equal(again.ids, index.ids)
        assert repr(again) == "BlockCodes(blocks=8, values=12) with 99 rows"


@pytest.mark.parametrize(
    ("arrays", "settings", "message"),
    [
        ({"codes": np.full((2, 8), 12, np.uint8)}, {}, "only 12 values"),
        ({"ids": np.zeros(2, np.int64)}, {}, "id 0 is given twice"),
        ({"ids": np.arange(3)}, {}, "2 codes need as many ids"),
        ({"more": np.arange(3)}, {}, "unknown content"),
        ({}, {"blocks": 7}, "7 columns"),
        ({}, {"values": "9"}, "values must be an int"),
    ],
)
def test_hostile_files_are_refused(tmp_path, arrays, settings, message):
    good = {"codes": np.zeros((2, 8), np.uint8), "ids": np.arange(2)}
    files.write(
        tmp_path / "a.index",
        good | arrays,
        {"blocks": 8, "values": 12} | settings,
        kind="block-codes",
        version=1,
    )
    with pytest.raises(files.FileFormatError, match=message):
        BlockCodes.load(tmp_path / "a.index")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda _: BlockCodes(0, 4), ValueError, "blocks must be at least 1"),
        (lambda _: BlockCodes(257, 4), ValueError, "blocks must be in 1 ..= 256"),
        (lambda _: BlockCodes(8, 1), ValueError, "values must be in 2 ..= 256"),
        (lambda _: BlockCodes(8, 257), ValueError, "values must be in 2 ..= 256"),
        (lambda i: i.add(np.zeros((1, 2), int)), TypeError, "codes must be a uint8 array"),
        (lambda i: i.add(np.zeros((1, 3), np.uint8)), ValueError, "2 columns"),
        (lambda i: i.add(np.full((1, 2), 4, np.uint8)), ValueError, "row 0 has 4 in block 0"),
        (lambda i: i.add(np.zeros((1, 2), "u1"), np.array([-1])), ValueError, "ids must be in 0"),
        (lambda i: i.search(np.zeros((1, 8)), 1), TypeError, "queries must be a float32"),
        (lambda i: i.search(np.zeros((1, 7), "f4"), 1), ValueError, "8 columns"),
        (lambda i: i.search(np.full((1, 8), np.nan, "f4"), 1), ValueError, "row 0 holds NaN"),
        (lambda i: i.search(np.full((1, 8), 1e38, "f4"), 1), ValueError, "overflows float32"),
        (lambda i: i.search(np.zeros((1, 8), "f4"), 0), ValueError, "k must be at least 1"),
        (lambda _: BlockCodes.largest(np.zeros((1, 7)), 2), ValueError, "2 . values"),
        (lambda _: BlockCodes.largest([[np.nan, 0]], 1), ValueError, "must not hold NaN"),
        (lambda _: BlockCodes.largest(np.zeros((1, 257)), 1), ValueError, "256 values"),
    ],
)
def test_faulty_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(BlockCodes(2, 4))


def test_a_refused_addition_changes_nothing():
    index = BlockCodes(2, 4)
    index.add(np.zeros((2, 2), np.uint8), np.array([5, 3]))
    with pytest.raises(ValueError, match="id 3 is given twice, or held"):
        index.add(np.zeros((2, 2), np.uint8), np.array([4, 3]))
    index.add(np.ones((1, 2), np.uint8))
    np.testing.assert_array_equal(index.ids, [5, 3, 6])
