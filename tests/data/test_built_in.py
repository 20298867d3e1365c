import gzip
import http.server
import io
import subprocess
import sys
import tarfile
import threading
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bitgrove import data
from bitgrove.data import DataError, _cifar10, _mnist, _places


def test_importing_data_costs_neither_torch_nor_scikit_learn():
    code = "import bitgrove.data, sys; print({'torch', 'sklearn', 'pooch'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_digits_are_those_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    raw, loaded = datasets.load_digits(), data.load("digits")
    assert loaded.images.shape == (1797, 8, 8, 1)
    np.testing.assert_array_equal(loaded.labels, raw.target)
    levels = {v: round(v * 255 / 16) for v in range(17)}
    assert loaded.images.max() == 255
    for i in (0, 900, 1796):
        expected = [[levels[int(v)] for v in row] for row in raw.images[i]]
        np.testing.assert_array_equal(loaded.images[i, :, :, 0], expected)


def test_the_digits_split_is_fixed():
    splits = data.load_splits("digits")
    assert [len(part) for part in splits] == [1079, 359, 359]
    assert len({name for part in splits for name in part.names}) == 1797
    assert splits.test.names[:3] == ("digits/0000", "digits/0005", "digits/0014")
    assert data.load("digits", split="test", seed=1).names != splits.test.names


def idx(values):
    head = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return gzip.compress(head + values.tobytes(), 1)


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A folder with 40 training and 10 test images in place of the 70,000."""
    rng = np.random.default_rng(0)
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path))
    part = _mnist._part
    monkeypatch.setattr(
        _mnist,
        "_part",
        lambda name, p, n, *paths: part(name, p, {"train": 40, "test": 10}[p], *paths),
    )
    (tmp_path / "mnist").mkdir()
    sets = {}
    for prefix, n in (("train", 40), ("t10k", 10)):
        images, labels = (
            rng.integers(0, 256, (n, 28, 28), np.uint8),
            np.arange(n, dtype=np.uint8) % 10,
        )
        (tmp_path / "mnist" / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (tmp_path / "mnist" / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
        sets[prefix] = images, labels
    return SimpleNamespace(folder=tmp_path / "mnist", **sets)


def test_mnist_is_read_from_the_local_folder(small_mnist):
    splits = data.load_splits("mnist")
    assert [len(part) for part in splits] == [30, 10, 10]
    np.testing.assert_array_equal(splits.test.images[..., 0], small_mnist.t10k[0])
    np.testing.assert_array_equal(splits.test.labels, small_mnist.t10k[1])
    for part in splits[:2]:
        for name, image in zip(part.names, part.images, strict=True):
            row = int(name.removeprefix("mnist/train/"))
            np.testing.assert_array_equal(image[..., 0], small_mnist.train[0][row])


def test_a_damaged_official_file_is_named(small_mnist):
    path = small_mnist.folder / "t10k-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for content in (whole[:-100], b"", b"no gzip", idx(small_mnist.t10k[0][:9])):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte.gz is"):
            data.load("mnist")
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 0xFF
    path.write_bytes(flipped)
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte.gz is damaged"):
        data.load("mnist")


def test_a_label_beyond_the_classes_is_refused(small_mnist):
    path = small_mnist.folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(idx(np.full(10, 11, np.uint8)))
    with pytest.raises(DataError, match="holds the label 11"):
        data.load("mnist")


def test_a_local_folder_that_lacks_a_file_is_not_passed_over(small_mnist):
    (small_mnist.folder / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"mnist lacks train-labels-idx1-ubyte.gz"):
        data.load("mnist")


def test_bitgrove_data_that_names_no_folder_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path / "typo"))
    with pytest.raises(DataError, match="BITGROVE_DATA names no folder"):
        data.load("mnist")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A web server on this machine that offers the files of a folder, and an empty cache."""
    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache")
    monkeypatch.setattr(_places, "local_folder", lambda name: None)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    (tmp_path / "offered").mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "offered"))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield tmp_path / "offered", f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


SHA256_OF_HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def test_a_download_is_kept_and_comes_from_the_first_home_that_has_it(home):
    offered, url = home
    (offered / "x.gz").write_bytes(b"hello")
    file = _places.RemoteFile("x.gz", SHA256_OF_HELLO, (url + "absent.gz", url + "x.gz"))
    (path,) = _places.obtain("mnist", [file])
    assert path.read_bytes() == b"hello"
    (offered / "x.gz").unlink()
    assert _places.obtain("mnist", [file]) == [path]


def test_a_download_with_another_checksum_is_refused(home):
    offered, url = home
    (offered / "x.gz").write_bytes(b"hallo")
    file = _places.RemoteFile("x.gz", SHA256_OF_HELLO, (url + "x.gz",))
    with pytest.raises(DataError, match=r"cannot download mnist/x.gz.*set BITGROVE_DATA.*hash"):
        _places.obtain("mnist", [file])


@pytest.fixture
def small_cifar(tmp_path, monkeypatch):
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path))
    monkeypatch.setattr(_cifar10, "_IMAGES_PER_MEMBER", 10)
    (tmp_path / "cifar10").mkdir()
    return tmp_path / "cifar10"


def test_the_official_cifar_archive_is_read(small_cifar):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 32, 32, 3), np.uint8)
    labels = np.arange(60, dtype=np.uint8) % 10
    with tarfile.open(small_cifar / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for start, name in zip(
            range(0, 60, 10), [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], strict=True
        ):
            raw = b"".join(
                bytes([labels[i]]) + b"".join(pixels[i, :, :, c].tobytes() for c in range(3))
                for i in range(start, start + 10)
            )
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    loaded = data.load("cifar10")
    np.testing.assert_array_equal(loaded.images, pixels)
    np.testing.assert_array_equal(loaded.labels, labels)
    assert [len(part) for part in data.load_splits("cifar10")] == [40, 10, 10]
    (small_cifar / "cifar-10-binary.tar.gz").write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz is damaged"):
        data.load("cifar10")


def test_the_pack_of_jpeg_files_is_read(small_cifar):
    files = []
    for i in range(30):
        made = io.BytesIO()
        colour = tuple(int(v) for v in np.random.default_rng(i).integers(0, 256, 3))
        Image.new("RGB", (32, 32), colour).save(made, "JPEG", quality=75)
        files.append(made.getvalue())
    cut = files[0].index(b"\xff\xda")
    assert all(file[:cut] == files[0][:cut] for file in files)  # one header serves all
    scans = [file[cut:] for file in files]
    np.savez(
        small_cifar / "cifar10_jpeg.npz",
        header=np.frombuffer(files[0][:cut], np.uint8),
        scans=np.frombuffer(b"".join(scans), np.uint8),
        offsets=np.cumsum([0, *map(len, scans)]).astype(np.uint32),
        labels=np.arange(30, dtype=np.uint8) % 10,
        is_test=(np.arange(30) >= 20).astype(np.uint8),
        classes=np.array(_cifar10._CLASSES),
    )
    loaded = data.load("cifar10")
    for image, file in zip(loaded.images, files, strict=True):
        np.testing.assert_array_equal(image, np.asarray(Image.open(io.BytesIO(file))))
    assert loaded.counts() == dict.fromkeys(_cifar10._CLASSES, 3)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_official_files_give_the_published_counts(shared_data, monkeypatch, name):
    if not (shared_data / name).is_dir():
        pytest.skip(f"{shared_data} has no {name}")
    monkeypatch.setenv("BITGROVE_DATA", str(shared_data))
    test = data.load(name, split="test")
    published = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert list(test.counts().values()) == (published if name == "mnist" else [1000] * 10)


def test_size_and_channels_are_refused_for_a_built_in_set():
    with pytest.raises(ValueError, match="8x8x1; size and channels are for folders"):
        data.load("digits", size=28)
    assert data.load("digits", size=8, channels=1).images.shape[1:] == (8, 8, 1)


def test_every_listed_set_can_be_described():
    for name, line in data.list().items():
        assert data.describe(name).name == name
        assert "\n" not in line
    with pytest.raises(DataError, match="Did you mean 'mnist'"):
        data.describe("mnists")
