import numpy as np
import pytest
import torch

from bitgrove.data import ImageData


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny networks: more threads only make them slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def striped(n, seed, side=8, channels=1):
    """Noisy pictures with a bright row (class 0) or a bright column (class 1)."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 120, (n, side, side, channels), np.uint8)
    labels = np.arange(n) % 2
    for image, label in zip(images, labels, strict=True):
        at = rng.integers(1, side - 1)
        image[(at, slice(None)) if label == 0 else (slice(None), at)] += 100
    return ImageData(images, labels, ("row", "column"), tuple(f"{seed}/{i}" for i in range(n)))


@pytest.fixture
def train():
    return striped(50, 0)


@pytest.fixture
def validation():
    return striped(20, 1)
