import numpy as np
import pytest
import scipy.io

from bitgrove import data
from bitgrove.data import _bsds500_contours

NAMES = ("train/10.jpg", "train/9.jpg", "val/7.jpg")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path))

    def only_home(name):  # not the data beside a checkout
        return tmp_path / name if (tmp_path / name).is_dir() else None

    monkeypatch.setattr(_bsds500_contours, "local_folder", only_home)
    return tmp_path


@pytest.fixture
def maps():
    """Sizes whose pixels do not fill the last byte, and another number of drawings each."""
    rng = np.random.default_rng(0)
    sizes = ((4, 5, 7), (2, 7, 5), (3, 5, 7))
    return [rng.random(size) < 0.3 for size in sizes]


def as_pack(home, maps, **changes):
    (home / "sift").mkdir(exist_ok=True)
    packed = [np.packbits(one) for drawings in maps for one in drawings]
    arrays = {
        "bits": np.concatenate(packed),
        "height": np.array([m.shape[1] for m in maps], np.uint16),
        "width": np.array([m.shape[2] for m in maps], np.uint16),
        "annotators": np.array([len(m) for m in maps], np.uint8),
        "names": np.array(NAMES),
    }
    np.savez(home / "sift" / "bsds500_boundaries.npz", **(arrays | changes))


def as_official(home, maps):
    """A cell of people, each a structure with ``Segmentation`` and ``Boundaries``."""
    for name, drawings in zip(NAMES, maps, strict=True):
        cell = np.empty((1, len(drawings)), object)
        for i, one in enumerate(drawings):
            cell[0, i] = {"Segmentation": np.ones(one.shape, np.uint16), "Boundaries": one}
        path = home / "bsds500" / "groundTruth" / name.replace(".jpg", ".mat")
        path.parent.mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(path, {"groundTruth": cell}, do_compression=True)


@pytest.mark.parametrize("lay", [as_pack, as_official])
def test_contours_are_read_from_a_pack_or_from_the_official_files(home, maps, lay):
    lay(home, maps)
    contours = data.load_bsds500_contours()
    assert contours.names == NAMES
    assert len(contours) == len(list(contours)) == 3
    for found, drawn in zip(contours, maps, strict=True):
        assert found.dtype == bool
        np.testing.assert_array_equal(found, drawn)


def test_what_is_absent_or_damaged_is_named(home, maps):
    with pytest.raises(data.DataError, match=r"set BITGROVE_DATA .* bsds500/groundTruth"):
        data.load_bsds500_contours()
    as_pack(home, maps, bits=np.zeros(9, np.uint8))
    with pytest.raises(data.DataError, match=r"is damaged \(3 photographs, but bits of shape"):
        data.load_bsds500_contours()
    as_pack(home, maps, names=np.array(NAMES[:2]))
    with pytest.raises(data.DataError, match="is damaged"):
        data.load_bsds500_contours()
    (home / "sift" / "bsds500_boundaries.npz").write_bytes(b"PK\3\4 not a pack")
    with pytest.raises(data.DataError, match="is damaged"):
        data.load_bsds500_contours()
    as_official(home, maps)  # which is looked for first
    path = home / "bsds500" / "groundTruth" / "val" / "7.mat"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(data.DataError, match=r"7\.mat is damaged"):
        data.load_bsds500_contours()
    scipy.io.savemat(path, {"something": 1})
    with pytest.raises(data.DataError, match=r"7\.mat is damaged"):
        data.load_bsds500_contours()
