import copy
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitgrove import files
from bitgrove.interfaces import Index
from bitgrove.search import ClusteredCodes, Flat, MultiIndexHashing, load

from .oracles import nearest, scores

KINDS = [MultiIndexHashing, ClusteredCodes]
every_kind = pytest.mark.parametrize("kind", KINDS)


def parts(index):
    return index.tables if isinstance(index, MultiIndexHashing) else index.clusters


def near_codes(rng, n, bits, groups=12, flips=0.05):
    """Codes in groups: few near ones for a code, many ties, some equal."""
    centres = rng.random((groups, bits)) < 0.5
    codes = centres[rng.integers(0, groups, n)] ^ (rng.random((n, bits)) < flips)
    codes[: n // 10] = codes[n // 2 : n // 2 + n // 10]
    return np.packbits(codes, axis=1)


def within(queries, rows, ids, radius):
    """Limits, distances and ids by comparing unpacked bits."""
    limits, distances, found = [0], [], []
    for values in scores("hamming", queries, rows):
        order = [i for i in np.lexsort((ids, values)) if values[i] <= radius]
        distances += list(values[order])
        found += list(ids[order])
        limits.append(len(found))
    return limits, distances, found


def assert_exact(index, queries, rows, ids, ks, radii):
    for k in ks:
        distances, expected = nearest("hamming", queries, rows, ids, k)
        result = index.search(queries, k)
        np.testing.assert_array_equal(result.ids, expected)
        np.testing.assert_array_equal(result.distances, distances)
    for radius in radii:
        for got, wanted in zip(
            index.range_search(queries, radius), within(queries, rows, ids, radius), strict=True
        ):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("bits", [1, 2, 5, 8, 12, 36, 63, 64, 65, 100, 128, 129, 256, 300])
@every_kind
def test_equals_comparing_every_bit(simd_level, bits, kind):
    rng = np.random.default_rng(bits)
    rows, queries = near_codes(rng, 900, bits), near_codes(rng, 3, bits)
    queries = np.concatenate([queries, rows[:3]])
    ids = rng.permutation(5000)[:900]
    index = kind(bits)
    index.add(rows, ids)
    index.build()
    assert 1 <= parts(index) <= bits + 12
    assert_exact(index, queries, rows, ids, [1, 7], [0, 2, bits / 3])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_length_and_any_number_of_tables_is_exact(data):
    bits = data.draw(st.integers(1, 300), "bits")
    tables = data.draw(st.integers(-(-bits // 64), bits), "tables")
    n = data.draw(st.integers(0, 400), "n")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), "seed"))
    rows, queries = near_codes(rng, n, bits, 3), near_codes(rng, 2, bits, 2)
    queries = np.concatenate([queries, rows[:2]])
    ids = rng.permutation(1000)[:n]
    index = MultiIndexHashing(bits, tables)
    clusters = ClusteredCodes(bits, data.draw(st.integers(1, 500), "clusters"))
    for one in (index, clusters):
        one.add(rows, ids)
        one.build()
    assert index.tables == tables
    assert clusters.clusters <= n
    k = data.draw(st.integers(1, n + 3), "k")
    radius = data.draw(st.integers(0, bits), "radius")
    assert_exact(index, queries, rows, ids, [k], [radius])
    assert_exact(clusters, queries, rows, ids, [k], [radius])


def many(bits, n=60_000, seed=0):
    rng = np.random.default_rng(seed)
    return near_codes(rng, n, bits, groups=n // 3), near_codes(rng, 40, bits)


@pytest.mark.parametrize(("bits", "tables"), [(32, None), (64, 4), (64, 1), (100, 8)])
def test_many_rows_are_found_in_buckets_not_by_comparing_all(bits, tables):
    rows, _ = many(bits)
    queries = rows[::1500]
    index, flat = MultiIndexHashing(bits, tables), Flat(bits, "hamming", "bits")
    index.add(rows)
    flat.add(rows)
    index.build()
    for k in (1, 2):
        for got, wanted in zip(index.search(queries, k), flat.search(queries, k), strict=True):
            np.testing.assert_array_equal(got, wanted)
    for got, wanted in zip(
        index.range_search(queries, 2), flat.range_search(queries, 2), strict=True
    ):
        np.testing.assert_array_equal(got, wanted)
    assert index.scanned <= len(queries) * (2 if tables == 1 else 1)  # of three times as many


def test_rows_far_from_every_query_are_compared_one_by_one():
    rng = np.random.default_rng(0)
    rows = np.packbits(rng.random((20_000, 128)) < 0.5, axis=1)
    queries = np.packbits(rng.random((9, 128)) < 0.5, axis=1)
    index, flat = MultiIndexHashing(128), Flat(128, "hamming", "bits")
    index.add(rows)
    flat.add(rows)
    index.build()
    np.testing.assert_array_equal(index.search(queries, 10).ids, flat.search(queries, 10).ids)
    assert index.scanned == 9


def test_random_codes_of_many_rows_are_found_in_clusters():
    rng = np.random.default_rng(0)
    for bits in (64, 100, 700):
        rows = np.packbits(rng.random((20_000, bits)) < 0.5, axis=1)
        queries = np.concatenate([rows[:9], np.packbits(rng.random((9, bits)) < 0.5, axis=1)])
        index, flat = ClusteredCodes(bits), Flat(bits, "hamming", "bits")
        index.add(rows)
        flat.add(rows)
        index.build()
        assert index.clusters == 56
        for k in (1, 10, 3000):
            for got, wanted in zip(index.search(queries, k), flat.search(queries, k), strict=True):
                np.testing.assert_array_equal(got, wanted)
        for got, wanted in zip(
            index.range_search(queries, bits / 3), flat.range_search(queries, bits / 3), strict=True
        ):
            np.testing.assert_array_equal(got, wanted)


@every_kind
def test_equal_rows_in_one_bucket_cost_a_scan_and_no_more(kind):
    index = kind(16)
    index.add(np.zeros((5000, 2), np.uint8))
    index.build()
    found = index.search(np.zeros((2, 2), np.uint8), 3)
    np.testing.assert_array_equal(found.ids, [[0, 1, 2]] * 2)


@every_kind
def test_results_do_not_depend_on_threads(kind):
    rows, queries = many(64, 20_000)
    queries = np.concatenate([queries, rows[:60]])
    one = kind(64)
    one.add(rows)
    one.build(threads=1)
    other = kind(64)
    other.add(rows)
    other.build(threads=3)
    expected = one.search(queries, 5, threads=1)
    for threads in (2, 7):
        for got, wanted in zip(other.search(queries, 5, threads=threads), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


@every_kind
def test_is_exact_before_the_build_and_after_every_change(kind):
    rng = np.random.default_rng(3)
    rows, queries = near_codes(rng, 3000, 40, 900), near_codes(rng, 4, 40, 900)
    queries = np.concatenate([queries, rows[:9]])
    ids = np.arange(3000)
    index = kind(40)
    index.add(rows[:1500])
    assert_exact(index, queries, rows[:1500], ids[:1500], [4], [3])
    index.build()
    assert_exact(index, queries, rows[:1500], ids[:1500], [4], [3])
    index.add(rows[1500:1600])  # compared one by one
    assert_exact(index, queries, rows[:1600], ids[:1600], [4], [3])
    index.add(rows[1600:])  # so many that it is prepared anew
    assert_exact(index, queries, rows, ids, [4], [3])
    gone = rng.permutation(3000)[:700]
    index.remove(gone)
    kept = np.delete(ids, gone)
    assert_exact(index, queries, rows[kept], kept, [4], [3])
    rows[kept[:50]] = rows[kept[50:100]]
    index.update(kept[:50], rows[kept[:50]])
    assert_exact(index, queries, rows[kept], kept, [4], [3])
    assert parts(index) > 0


@every_kind
def test_comes_back_from_a_file_from_its_log_and_from_a_copy(kind, tmp_path):
    rng = np.random.default_rng(0)
    rows = near_codes(rng, 700, 36)
    index = kind(36, 3)
    index.add(rows[:600], rng.permutation(2000)[:600])
    path = tmp_path / "a.index"
    index.save(path)
    assert parts(load(path)) == 0
    index.build()
    index.add(rows[600:])
    index.remove(index.ids[:5])
    index.save(path)  # into the log
    copies = [
        load(path),
        kind.load(path, mmap=True),
        copy.deepcopy(index),
        pickle.loads(pickle.dumps(index)),
    ]
    expected = index.search(rows[:20], 9)
    for again in copies:
        assert isinstance(again, kind)
        assert parts(again) == 3
        assert again.settings() == index.settings()
        np.testing.assert_array_equal(again.search(rows[:20], 9).ids, expected.ids)


@pytest.mark.parametrize(
    ("forgery", "message"),
    [
        ({"built": 1}, "built as a bool"),
        ({"tables": -1}, "tables in 0"),
        ({"tables": 37}, "tables in 0"),
        ({"tables": True}, "tables in 0"),
        ({"dtype": "uint8", "metric": "l2"}, "dtype must be 'bits'"),
        ({"next_id": -1}, "next_id"),
        ({"width": 1}, "not known"),
        ({"type": "flat"}, "type must be 'multi_index'"),
    ],
)
def test_forged_settings_are_refused(forgery, message):
    index = MultiIndexHashing(36)
    index.add(np.zeros((2, 5), np.uint8))
    with pytest.raises(ValueError, match=message):
        MultiIndexHashing.from_arrays(index.arrays(), index.settings() | forgery)


@every_kind
def test_padding_bits_in_a_file_are_refused_and_harmless_unverified(kind):
    arrays = {"vectors": np.full((300, 2), 255, np.uint8), "ids": np.arange(300)}
    settings = kind(12).settings() | {"next_id": 300, "built": True}
    with pytest.raises(ValueError, match="vectors row 0"):
        kind.from_arrays(arrays, settings)
    index = kind.from_arrays(arrays, settings, verify=False)
    assert len(index.search(np.zeros((1, 2), np.uint8), 300).ids[0]) == 300


@every_kind
def test_a_damaged_file_is_refused(kind, tmp_path):
    index = kind(12)
    index.add(np.zeros((50, 2), np.uint8))
    index.save(tmp_path / "a.index")
    content = bytearray((tmp_path / "a.index").read_bytes())
    content[-4000] ^= 1
    (tmp_path / "a.index").write_bytes(content)
    with pytest.raises(files.FileFormatError, match="damaged"):
        load(tmp_path / "a.index")


def test_forged_numbers_of_clusters_are_refused():
    index = ClusteredCodes(36)
    for forged in (-1, True, 1 << 32):
        with pytest.raises(ValueError, match="clusters in 0"):
            ClusteredCodes.from_arrays(index.arrays(), index.settings() | {"clusters": forged})
    with pytest.raises(ValueError, match="type must be 'clustered'"):
        ClusteredCodes.from_arrays(index.arrays(), MultiIndexHashing(36).settings())


def test_codes_too_long_for_clusters_are_refused():
    ClusteredCodes(4096)
    with pytest.raises(ValueError, match="at most 4096 bits, got 4097"):
        ClusteredCodes(4097)
    with pytest.raises(ValueError, match="clusters must be at least 1"):
        ClusteredCodes(12, 0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0,), ValueError, "dim must be at least 1"),
        ((12, 0), ValueError, "tables must be at least 1"),
        ((12, 13), ValueError, "tables must be in 1 ..= 12 for 12 bits, got 13"),
        ((129, 2), ValueError, "tables must be in 3"),
        ((12, 2.0), TypeError, "tables must be an int"),
        (("12",), TypeError, "dim must be an int"),
    ],
)
def test_impossible_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        MultiIndexHashing(*arguments)


@every_kind
def test_wrong_codes_are_refused(kind):
    index = kind(12)
    assert isinstance(index, Index)
    index.build()
    for method in (index.add, lambda rows: index.search(rows, 1)):
        with pytest.raises(ValueError, match="padding bit"):
            method(np.full((1, 2), 1, np.uint8))
        with pytest.raises(ValueError, match=r"2 columns .dim 12."):
            method(np.zeros((1, 1), np.uint8))
        with pytest.raises(TypeError, match="uint8 array of rows packed"):
            method(np.zeros((1, 2), np.int8))
    with pytest.raises(ValueError, match="takes no budget"):
        index.search(np.zeros((1, 2), np.uint8), 1, budget=3)
    with pytest.raises(ValueError, match="must not be NaN"):
        index.range_search(np.zeros((1, 2), np.uint8), np.nan)
    assert len(index.range_search(np.zeros((1, 2), np.uint8), -1).ids) == 0
    found = index.search(np.zeros((1, 2), np.uint8), 2)
    np.testing.assert_array_equal(found.ids, [[-1, -1]])
    np.testing.assert_array_equal(found.distances, [[np.inf, np.inf]])


@every_kind
def test_searches_and_changes_may_run_side_by_side(kind):
    rows, _ = many(32, 4000)
    index = kind(32)
    index.add(rows)
    index.build()
    expected = index.search(rows[:20], 1).distances
    errors = []

    def ask():
        try:
            for _ in range(40):
                np.testing.assert_array_equal(index.search(rows[:20], 1).distances, expected)
        except Exception as error:
            errors.append(error)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    for i in range(10):
        index.add(rows[:600], np.arange(600) + 10_000 * (i + 1))
        index.remove(np.arange(100, 600) + 10_000 * (i + 1))
    for asker in askers:
        asker.join()
    assert not errors


def test_flat_range_search_over_bits_equals_comparing_every_bit(simd_level):
    rng = np.random.default_rng(0)
    for bits in (7, 64, 100, 256, 700):
        rows, queries = near_codes(rng, 700, bits), near_codes(rng, 33, bits)
        index = Flat(bits, "hamming", "bits")
        index.add(rows, ids := rng.permutation(900)[:700])
        for radius in (-1, 0, 2.5, bits / 3, np.inf):
            for got, wanted in zip(
                index.range_search(queries, radius),
                within(queries, rows, ids, radius),
                strict=True,
            ):
                np.testing.assert_array_equal(got, wanted)
