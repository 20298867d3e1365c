import numpy as np
import pytest
from PIL import Image

from bitgrove.data import DataError, load_features


def rows(n=12, dim=5):
    return np.random.default_rng(0).integers(0, 200, (n, dim)).astype(np.float32)


def write_vecs(path, values):
    with path.open("wb") as file:
        for row in values:
            file.write(np.int32(len(row)).tobytes() + row.tobytes())


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64", "int64"])
def test_an_array_comes_as_floats_without_loss(tmp_path, dtype):
    np.save(tmp_path / "a.npy", rows().astype(dtype))
    parts = load_features(tmp_path / "a.npy")
    np.testing.assert_array_equal(parts.train.rows, rows())
    assert parts.train.rows.dtype == (np.float64 if dtype in ("float64", "int64") else np.float32)
    assert parts.train.labels is None
    assert parts.test is None


def test_an_archive_gives_rows_and_labels_under_usual_names_or_a_key(tmp_path):
    labels = np.arange(12) % 3
    np.savez(tmp_path / "a.npz", X=rows(), y=labels, other=rows(12, 2))
    found = load_features(tmp_path / "a.npz").train
    np.testing.assert_array_equal(found.rows, rows())
    np.testing.assert_array_equal(found.labels, labels)
    assert load_features(tmp_path / "a.npz", key="other").train.rows.shape == (12, 2)
    np.savez(tmp_path / "b.npz", codes=rows(), y=labels)
    assert load_features(tmp_path / "b.npz").train.rows.shape == (12, 5)
    np.savez(tmp_path / "c.npz", one=rows(), two=rows())
    with pytest.raises(DataError, match=r"holds one, two: name the array of features with --key"):
        load_features(tmp_path / "c.npz")
    with pytest.raises(DataError, match="has no array 'three'; it holds one, two"):
        load_features(tmp_path / "c.npz", key="three")


def test_vectors_with_their_length_before_each(tmp_path):
    write_vecs(tmp_path / "a.fvecs", rows())
    np.testing.assert_array_equal(load_features(tmp_path / "a.fvecs").train.rows, rows())
    write_vecs(tmp_path / "a.bvecs", rows().astype(np.uint8))
    np.testing.assert_array_equal(load_features(tmp_path / "a.bvecs").train.rows, rows())
    write_vecs(tmp_path / "b.fvecs", [*rows(), rows()[0]])
    content = bytearray((tmp_path / "b.fvecs").read_bytes())
    content[24] = 4
    (tmp_path / "b.fvecs").write_bytes(content)
    with pytest.raises(DataError, match="vector 1 has another length than the first, 5"):
        load_features(tmp_path / "b.fvecs")
    (tmp_path / "b.fvecs").write_bytes(content[:-1])
    with pytest.raises(DataError, match="no whole number of such"):
        load_features(tmp_path / "b.fvecs")
    (tmp_path / "b.fvecs").write_bytes(b"\xff\xff\xff\xff")
    with pytest.raises(DataError, match="its first vector has -1 elements"):
        load_features(tmp_path / "b.fvecs")
    (tmp_path / "b.fvecs").write_bytes(b"")
    with pytest.raises(DataError, match="truncated"):
        load_features(tmp_path / "b.fvecs")


def test_a_table_of_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    labels = [str(i % 3) for i in range(12)]
    for name, table in {
        "lists": {"embeddings": [*rows().tolist()], "label": labels, "url": labels},
        "columns": {f"f{i}": column for i, column in enumerate(rows().T)} | {"label": labels},
    }.items():
        parquet.write_table(pyarrow.table(table), tmp_path / f"{name}.parquet")
        found = load_features(tmp_path / f"{name}.parquet").train
        np.testing.assert_array_equal(found.rows, rows())
        assert found.labels is not None
        assert found.labels.tolist() == labels
    with pytest.raises(DataError, match="has no column 'x'"):
        load_features(tmp_path / "lists.parquet", key="x")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read"):
        load_features(tmp_path / "bad.parquet")


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(ModuleNotFoundError, match=r"bitgrove\[parquet\]"):
        load_features(tmp_path / "a.parquet")


def test_a_folder_of_pictures_and_a_data_set_come_in_two_parts(tmp_path):
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(10):
            pixels = random.integers(0, 256, (32, 32), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    parts = load_features(tmp_path, kind="gist")
    assert parts.train.rows.shape == (18, 320)
    assert parts.test is not None
    assert parts.test.labels is not None
    assert sorted(parts.test.labels) == [0, 1]
    digits = load_features("digits")
    assert digits.train.rows.shape == (1438, 64)
    assert digits.train.rows.max() == 1
    with pytest.raises(DataError, match="whose folders are their labels"):
        load_features("digits", key="x")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), "must hold numbers of shape"),
        (np.zeros((0, 3)), "at least one row"),
        (np.zeros((2, 2), complex), "must hold numbers"),
        (np.array([["a"]]), "must hold numbers"),
        (np.array([[0.0], [np.nan], [np.inf]]), "row 1 holds NaN or infinity, and 1 others too"),
    ],
)
def test_arrays_that_are_no_features_are_refused(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=message):
        load_features(tmp_path / "a.npy")


def test_files_that_are_no_features_are_refused(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        load_features(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(b"hello")
    with pytest.raises(DataError, match="cannot be read"):
        load_features(tmp_path / "a.npy")
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        load_features(tmp_path / "o.npy")
    (tmp_path / "a.npz").write_bytes(b"PK hello")
    with pytest.raises(DataError, match="cannot be read"):
        load_features(tmp_path / "a.npz")
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(DataError, match=r"is no file of features: expected \.npy"):
        load_features(tmp_path / "a.csv")
    with pytest.raises(DataError, match="nowhere"):
        load_features("nowhere")
    np.save(tmp_path / "b.npy", rows())
    with pytest.raises(DataError, match="holds a single array: --key x names none"):
        load_features(tmp_path / "b.npy", key="x")
    with pytest.raises(DataError, match="kind must be"):
        load_features(tmp_path / "b.npy", kind="sift")  # pyright: ignore[reportArgumentType]


def test_labels_of_another_file_must_be_as_many(tmp_path):
    np.save(tmp_path / "a.npy", rows())
    np.save(tmp_path / "l.npy", np.arange(12))
    found = load_features(tmp_path / "a.npy", labels=tmp_path / "l.npy").train
    np.testing.assert_array_equal(found.labels, np.arange(12))
    np.save(tmp_path / "l.npy", np.arange(11))
    with pytest.raises(DataError, match="has 12 rows, which need as many labels"):
        load_features(tmp_path / "a.npy", labels=tmp_path / "l.npy")
    np.save(tmp_path / "l.npy", np.zeros((12, 1)))
    with pytest.raises(DataError, match="labels must have shape"):
        load_features(tmp_path / "a.npy", labels=tmp_path / "l.npy")
    with pytest.raises(DataError, match=r"labels must be in a \.npy or \.npz file"):
        load_features(tmp_path / "a.npy", labels=tmp_path / "l.txt")
