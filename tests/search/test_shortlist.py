"""Shortlists by codes, and the four ways in which others rescored wrongly."""

import numpy as np
import pytest

from bitgrove.search import (
    Flat,
    MultiIndexHashing,
    export_codes,
    import_codes,
    shortlist_and_rerank,
    shortlist_recall,
)

from .oracles import nearest


def made(rng, n=400, dim=36, index=None, dtype="float32"):
    vectors = rng.normal(size=(n, dim)).astype(dtype)
    codes = np.packbits(vectors >= 0, axis=1)
    index = index or Flat(dim, "hamming", "bits")
    index.add(codes)
    queries = (vectors[:20] + 0.3 * rng.normal(size=(20, dim))).astype(dtype)
    return index, vectors, np.packbits(queries >= 0, axis=1), queries


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("cls", [Flat, MultiIndexHashing])
def test_the_order_is_by_the_vectors_within_the_shortlist(cls, dtype, metric):
    """sentence-transformers #2558: results came in the order of the binary search."""
    index = Flat(36, "hamming", "bits") if cls is Flat else MultiIndexHashing(36)
    index, vectors, codes, queries = made(np.random.default_rng(0), index=index, dtype=dtype)
    found = shortlist_and_rerank(index, vectors, codes, queries, 5, shortlist=40, metric=metric)
    hamming = index.search(codes, 40)
    for q in range(len(queries)):
        rows = hamming.ids[q]
        distances, ids = nearest(metric, queries[q : q + 1], vectors[rows], rows, 5)
        np.testing.assert_array_equal(found.ids[q], ids[0])
        np.testing.assert_allclose(found.distances[q], distances[0], rtol=1e-5, atol=1e-6)
    assert (found.ids != hamming.ids[:, :5]).any()


@pytest.mark.parametrize("bits", [12, 36, 61, 64])
def test_signed_codes_with_padding_give_the_distances_of_unsigned_ones(bits):
    """sentence-transformers #3948: the offset of int8 codes, and padding bits, were scored."""
    rng = np.random.default_rng(bits)
    signs = rng.random((300, bits)) < 0.5
    unsigned = np.packbits(signs, axis=1)
    signed = (unsigned.astype(np.int16) - 128).astype(np.int8)  # as its "binary" is made
    np.testing.assert_array_equal(import_codes(signed, bits, "signed"), unsigned)
    np.testing.assert_array_equal(export_codes(unsigned, bits, "signed"), signed)
    index = Flat(bits, "hamming", "bits")
    index.add(import_codes(signed, bits, "signed"))
    found = index.search(unsigned[:9], 300)
    for q in range(9):
        expected = (signs[q] != signs[found.ids[q]]).sum(1)
        np.testing.assert_array_equal(found.distances[q], expected)


def test_a_cast_is_refused_where_a_layout_was_meant():
    codes = np.array([[-128, 32]], np.int8)
    with pytest.raises(TypeError, match="'packbits' must be a uint8 array"):
        import_codes(codes, 12)
    with pytest.raises(TypeError, match="'signed' must be a int8 array"):
        import_codes(codes.view(np.uint8), 12, "signed")
    with pytest.raises(TypeError, match="uint8 array of rows packed"):
        Flat(12, "hamming", "bits").add(codes)


@pytest.mark.parametrize("bits", [12, 36])
def test_set_padding_bits_are_refused_or_cleared_when_asked(bits):
    codes = np.full((2, -(-bits // 8)), 255, np.uint8)
    with pytest.raises(ValueError, match="must be zero; mask_padding=True clears them"):
        import_codes(codes, bits)
    cleared = import_codes(codes, bits, mask_padding=True)
    np.testing.assert_array_equal(np.unpackbits(cleared, axis=1).sum(1), [bits, bits])
    assert (codes == 255).all()
    with pytest.raises(ValueError, match="padding bits"):
        export_codes(codes, bits, "little")


@pytest.mark.parametrize("bits", [1, 8, 12, 36, 64])
@pytest.mark.parametrize("layout", ["packbits", "signed", "little"])
def test_every_layout_goes_and_comes_back(bits, layout):
    rng = np.random.default_rng(0)
    signs = rng.random((50, bits)) < 0.5
    codes = np.packbits(signs, axis=1)
    other = export_codes(codes, bits, layout)
    np.testing.assert_array_equal(import_codes(other, bits, layout), codes)
    if layout == "little":
        np.testing.assert_array_equal(other, np.packbits(signs, axis=1, bitorder="little"))


def test_faiss_finds_the_same_distances_in_its_own_layouts():
    faiss = pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 40)).astype(np.float32)
    values[values == 0] = 1
    codes = np.packbits(values >= 0, axis=1)
    theirs = faiss.IndexBinaryFlat(40)
    theirs.add(codes)
    ours = Flat(40, "hamming", "bits")
    ours.add(codes)
    distances, _ = theirs.search(codes[:9], 7)
    np.testing.assert_array_equal(ours.search(codes[:9], 7).distances, distances)
    little = np.empty((300, 5), np.uint8)
    faiss.fvecs2bitvecs(faiss.swig_ptr(values), faiss.swig_ptr(little), 40, 300)
    np.testing.assert_array_equal(import_codes(little, 40, "little"), codes)


def test_the_metric_of_the_vectors_is_the_one_asked_for():
    """sentence-transformers #4022: an index of another metric ranked longer vectors wrongly."""
    vectors = np.array([[1, 0.1], [10, 9], [1, 1]], np.float32)
    index = Flat(2, "hamming", "bits")
    index.add(np.packbits(vectors >= 0, axis=1))
    query = np.array([[1, 0]], np.float32)
    codes = np.packbits(query >= 0, axis=1)
    best = {
        metric: shortlist_and_rerank(
            index, vectors, codes, query, 1, shortlist=3, metric=metric
        ).ids[0, 0]
        for metric in ("l2", "ip", "cosine")
    }
    assert best == {"l2": 0, "ip": 1, "cosine": 0}


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_vectors_are_compared_as_they_are_whatever_their_scale(scale):
    """sentence-transformers #4058: int8 scores took the scale of the batch at hand."""
    index, vectors, codes, queries = made(np.random.default_rng(1))
    vectors, queries = vectors * np.float32(scale), queries * np.float32(scale)
    whole = shortlist_and_rerank(index, vectors, codes, queries, 5, metric="ip")
    for q in range(len(queries)):
        alone = shortlist_and_rerank(
            index, vectors, codes[q : q + 1], queries[q : q + 1], 5, metric="ip"
        )
        np.testing.assert_array_equal(alone.ids[0], whole.ids[q])
        np.testing.assert_array_equal(alone.distances[0], whole.distances[q])


def test_a_shortlist_of_all_rows_is_exact_search():
    index, vectors, codes, queries = made(np.random.default_rng(2))
    exact = Flat(36, "cosine")
    exact.add(vectors)
    found = shortlist_and_rerank(index, vectors, codes, queries, 9, shortlist=1000)
    np.testing.assert_array_equal(found.ids, exact.search(queries, 9).ids)


def test_fewer_rows_than_neighbours_are_padded():
    index, vectors, codes, queries = made(np.random.default_rng(2), n=20)
    index.remove(np.arange(3, 20))
    found = shortlist_and_rerank(index, vectors, codes, queries, 5, metric="l2")
    assert (np.sort(found.ids[:, :3]) == [0, 1, 2]).all()
    assert (found.ids[:, 3:] == -1).all()
    assert (found.distances[:, 3:] == np.inf).all()


def test_vectors_may_stay_in_their_file(tmp_path):
    index, vectors, codes, queries = made(np.random.default_rng(3))
    np.save(tmp_path / "a.npy", vectors)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        shortlist_and_rerank(index, mapped, codes, queries, 5).ids,
        shortlist_and_rerank(index, vectors, codes, queries, 5).ids,
    )


def test_recall_is_the_share_of_true_neighbours_found():
    index, vectors, codes, queries = made(np.random.default_rng(4))
    recalls = shortlist_recall(
        index, vectors, codes, queries, 5, shortlists=[400, 5, 20], metric="cosine"
    )
    assert list(recalls) == [5, 20, 400]
    truth = Flat(36, "cosine")
    truth.add(vectors)
    right = truth.search(queries, 5).ids
    for length, recall in recalls.items():
        found = shortlist_and_rerank(index, vectors, codes, queries, 5, shortlist=length).ids
        shared = [len(set(a) & set(b)) for a, b in zip(right, found, strict=True)]
        assert recall == np.sum(shared) / right.size
    assert recalls[5] < recalls[20] < recalls[400] == 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"k": 0}, ValueError, "k must be at least 1"),
        ({"shortlist": 3}, ValueError, "shortlist must be at least k, 5, got 3"),
        ({"metric": "hamming"}, ValueError, "metric must be one of l2, ip, cosine"),
        ({"vectors": np.zeros((400, 36))}, TypeError, "vectors must be float32"),
        ({"vectors": np.zeros((10, 36), "f4")}, ValueError, "only 10 vectors"),
        ({"queries": np.zeros((20, 35), "f4")}, ValueError, "36 columns"),
        ({"queries": np.zeros((20, 36))}, TypeError, "queries must be a float32"),
        ({"queries": np.ones((19, 36), "f4")}, ValueError, "as many query_codes, got 20"),
        ({"queries": np.full((20, 36), np.nan, "f4")}, ValueError, "NaN"),
        ({"query_codes": np.zeros((20, 5), np.int8)}, TypeError, "uint8 array of rows packed"),
    ],
)
def test_faulty_arguments_are_refused(change, error, message):
    index, vectors, codes, queries = made(np.random.default_rng(5))
    arguments = {"vectors": vectors, "query_codes": codes, "queries": queries, "k": 5} | change
    with pytest.raises(error, match=message):
        shortlist_and_rerank(index, **arguments)
