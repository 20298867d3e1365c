import itertools

import numpy as np
import pytest
import torch

from bitgrove.data import ImageData
from bitgrove.runtime import Preprocessing
from bitgrove.training import Batches


def numbered(n, height=5, width=4, channels=1, seed=0):
    """Random images whose label is their number."""
    rng = np.random.default_rng(seed)
    return ImageData(
        rng.integers(0, 256, (n, height, width, channels), np.uint8),
        np.arange(n),
        tuple(map(str, range(n))),
        tuple(map(str, range(n))),
    )


def epoch_of(batches, epoch=0):
    batches.epoch = epoch
    images, labels = zip(*batches, strict=True)
    return torch.cat(images).numpy(), torch.cat(labels).numpy()


def raw(channels, height=5, width=4):
    """Leaves a pixel of value v at v / 255."""
    return Preprocessing(height, width, channels, (0.0,) * channels, (1.0,) * channels)


def levels(images):
    """Back to ``uint8[n, h, w, c]``."""
    return np.rint(images * 255).astype(np.uint8).transpose(0, 2, 3, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_in_order_the_batches_are_those_of_the_runtime_bit_for_bit(channels):
    data = numbered(33, channels=channels)
    prep = data.preprocessing()
    images, labels = epoch_of(Batches(data, prep, batch_size=7))
    np.testing.assert_array_equal(images, prep.normalise(data.images))
    np.testing.assert_array_equal(labels, data.labels)


@pytest.mark.parametrize(("n", "size"), [(1, 4), (4, 4), (5, 4), (9, 4), (100, 64), (129, 128)])
def test_batches_are_as_few_as_possible_and_of_one_size(n, size):
    batches = Batches(numbered(n), raw(1), batch_size=size)
    sizes = [len(labels) for _, labels in batches]
    assert len(sizes) == len(batches) == -(-n // size)
    assert sum(sizes) == n
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


def test_shuffling_shows_every_image_once_with_its_label():
    data = numbered(50)
    images, labels = epoch_of(Batches(data, raw(1), batch_size=16, shuffle=True))
    assert labels.tolist() != list(range(50))
    assert sorted(labels) == list(range(50))
    np.testing.assert_array_equal(levels(images), data.images[labels])


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        batches = Batches(numbered(50), raw(1), batch_size=16, shuffle=True, seed=seed)
        return tuple(epoch_of(batches, epoch)[1])

    assert order(0, 3) == order(0, 3)
    assert len({order(seed, epoch) for seed, epoch in itertools.product(range(3), range(3))}) == 9


def shifted(image, dy, dx, mirrored):
    """Oracle: pixel by pixel, with the edge repeated; mirrored first."""
    height, width, _ = image.shape
    image = image[:, ::-1] if mirrored else image
    out = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            out[y, x] = image[min(max(y - dy, 0), height - 1), min(max(x - dx, 0), width - 1)]
    return out


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_every_image_is_one_of_its_shifts_and_all_shifts_occur(channels, flip):
    data = numbered(300, channels=channels)
    batches = Batches(data, raw(channels), batch_size=64, shuffle=True, shift=(1, 2), flip=flip)
    images, labels = epoch_of(batches)
    moves = list(
        itertools.product((-1, 0, 1), (-2, -1, 0, 1, 2), (False, True) if flip else (False,))
    )
    seen = set()
    for image, label in zip(levels(images), labels, strict=True):
        fits = [m for m in moves if np.array_equal(shifted(data.images[label], *m), image)]
        assert fits
        seen.update(fits)
    assert seen == set(moves)


def test_flips_alone_mirror_about_half_of_the_images():
    data = numbered(400)
    images, labels = epoch_of(Batches(data, raw(1), batch_size=64, shuffle=True, flip=True))
    mirrored = (levels(images) != data.images[labels]).any((1, 2, 3))
    assert 150 < mirrored.sum() < 250


def test_read_only_images_are_usable():
    data = numbered(4)
    data.images.flags.writeable = False
    assert len(epoch_of(Batches(data, raw(1), batch_size=2))[1]) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "at least 1, got 0"),
        ({"preprocessing": raw(1, height=4)}, r"\(4, 4, 1\), the data have \(5, 4, 1\)"),
        ({"data": numbered(3).select([])}, "at least one image"),
        ({"flip": True}, "shuffle=True"),
        ({"shift": (0, 1)}, "shuffle=True"),
    ],
)
def test_batches_refuse_what_does_not_fit(changes, message):
    options = {"data": numbered(3), "preprocessing": raw(1), "batch_size": 2} | changes
    with pytest.raises(ValueError, match=message):
        Batches(options.pop("data"), options.pop("preprocessing"), **options)
