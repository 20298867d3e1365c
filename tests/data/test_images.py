import numpy as np
import pytest

from bitgrove.data import DataError, ImageData


def make(n=30, classes=("a", "b", "c"), seed=0, channels=1):
    rng = np.random.default_rng(seed)
    return ImageData(
        rng.integers(0, 256, (n, 4, 5, channels), np.uint8),
        np.arange(n) % len(classes),
        tuple(classes),
        tuple(f"x/{i:03d}" for i in range(n)),
    )


def by_name(data):
    return {
        name: (data.classes[label], image.tobytes())
        for name, label, image in zip(data.names, data.labels, data.images, strict=True)
    }


def test_select_keeps_image_label_and_name_together():
    data = make()
    chosen = data.select([7, 2, 2])
    assert chosen.names == ("x/007", "x/002", "x/002")
    for name, pair in by_name(chosen).items():
        assert by_name(data)[name] == pair


def test_select_takes_a_mask():
    data = make(6)
    assert data.select(data.labels == 1).names == ("x/001", "x/004")
    with pytest.raises(IndexError, match="5 entries for 6 images"):
        data.select(np.ones(5, bool))


def test_select_refuses_floats():
    with pytest.raises(TypeError, match="float64"):
        make().select([0.5])


def test_only_classes_renumbers_in_the_order_given():
    data = make()
    kept = data.only_classes(["c", "a"])
    assert kept.classes == ("c", "a")
    assert kept.counts() == {"c": 10, "a": 10}
    for name, pair in by_name(kept).items():
        assert by_name(data)[name] == pair


@pytest.mark.parametrize("classes", [["d"], [], "a", ["a", "a"]])
def test_only_classes_refuses_other_lists(classes):
    with pytest.raises(ValueError, match="distinct names among"):
        make().only_classes(classes)


def test_split_is_a_partition_in_the_stated_proportions():
    data = make(60)
    splits = data.split(validation=0.2, test=0.1)
    assert [part.counts() for part in splits] == [
        dict.fromkeys(data.classes, n) for n in (14, 4, 2)
    ]
    names = [name for part in splits for name in part.names]
    assert sorted(names) == sorted(data.names)


def test_split_does_not_depend_on_the_order_of_the_images():
    data = make(60)
    shuffled = data.select(np.random.default_rng(1).permutation(60))
    for one, other in zip(data.split(), shuffled.split(), strict=True):
        assert by_name(one) == by_name(other)


def test_another_seed_gives_another_split():
    data = make(60)
    assert set(data.split(seed=0).test.names) != set(data.split(seed=1).test.names)


def test_an_added_image_moves_few_others():
    data = make(300)
    before, after = data.select(range(299)).split(), data.split()
    moved = set(before.test.names) - set(after.test.names)
    assert len(moved) <= 1


def test_split_names_the_class_that_is_too_small():
    data = make().select([0, 1, 3, 4, 6, 7, 2, 5])  # two images of "c"
    with pytest.raises(DataError, match=r"class 'c' has too few images for the split: 2, and 3"):
        data.split()


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0.2), (0.5, 0.5), (float("nan"), 0.1)])
def test_split_refuses_fractions_out_of_range(validation, test):
    with pytest.raises(ValueError, match="validation"):
        make().split(validation=validation, test=test)


@pytest.mark.parametrize("channels", [1, 3])
def test_preprocessing_holds_the_mean_and_spread_of_the_pixels(channels):
    data = make(channels=channels)
    prep = data.preprocessing()
    pixels = data.images.astype(np.float64) / 255
    np.testing.assert_allclose(prep.mean, pixels.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(prep.std, pixels.std((0, 1, 2)), rtol=1e-12)
    assert (prep.height, prep.width, prep.channels) == (4, 5, channels)


def test_a_constant_channel_gets_the_spread_of_one_grey_level():
    data = ImageData(np.full((2, 1, 1, 1), 9, np.uint8), np.zeros(2, np.int64), ("a",), ("x", "y"))
    assert data.preprocessing().std == (1 / 255,)


def test_fingerprint_changes_with_one_pixel_one_label_and_one_class_name():
    data = make()
    images, labels = data.images.copy(), data.labels.copy()
    images[3, 0, 0, 0] ^= 1
    labels[3] = 1
    others = [
        ImageData(images, data.labels, data.classes, data.names),
        ImageData(data.images, labels, data.classes, data.names),
        ImageData(data.images, data.labels, ("a", "b", "d"), data.names),
    ]
    assert len({d.fingerprint() for d in [data, *others]}) == 4
    assert make().fingerprint() == data.fingerprint()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"images": np.zeros((3, 2, 2, 1))}, TypeError, "uint8 array, got dtype=float64"),
        ({"images": np.zeros((3, 2, 2, 2), np.uint8)}, ValueError, "1 or 3"),
        ({"labels": np.zeros(3, np.int32)}, TypeError, "int64 array, got dtype=int32"),
        ({"labels": np.zeros(2, np.int64)}, ValueError, "one label and one name"),
        ({"labels": np.array([0, 1, 2])}, ValueError, "0 to 1 .2 classes., got 0 to 2"),
        ({"names": ("a",)}, ValueError, "1 names"),
        ({"classes": ("a", "a")}, ValueError, "distinct"),
    ],
)
def test_image_data_refuses_what_does_not_fit(changes, error, message):
    good = {
        "images": np.zeros((3, 2, 2, 1), np.uint8),
        "labels": np.array([0, 1, 1]),
        "classes": ("a", "b"),
        "names": ("x", "y", "z"),
    }
    ImageData(**good)
    with pytest.raises(error, match=message):
        ImageData(**(good | changes))
