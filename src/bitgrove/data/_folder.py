"""Decode a folder of pictures into one array."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..kernels import usable_cpus
from ..runtime import ImageError, Preprocessing
from ._errors import DataError
from ._images import ImageData, Skipped
from ._scan import PARTS, Listing, scan
from ._size import guess_size

Progress = Callable[[int, int], None]
"""Called with the number of files done and the number of all files."""

MIN_PER_CLASS = 5
"""Images: enough for 3 to train on, 1 to validate and 1 to test."""

_CHUNK = 64
"""Files per task: small enough for even work, large enough to hide the cost of a task."""


@dataclass(frozen=True, slots=True, eq=False)
class FolderImages:
    """All readable pictures of a folder, and the part of each if the folder is divided."""

    data: ImageData
    parts: npt.NDArray[np.int64] | None
    """Per image an index into ``PARTS``."""


def load_folder(
    root: Path,
    *,
    size: tuple[int, int] | None,
    channels: int | None,
    min_per_class: int,
    threads: int | None,
    progress: Progress | None,
) -> FolderImages:
    """Decode every picture below ``root`` at one size; see :func:`bitgrove.data.load`."""
    listing = scan(root)
    _check_counts(listing, np.ones(len(listing.names), bool), min_per_class)
    if size is None or channels is None:
        guessed = guess_size([root / name for name in listing.names])
        size = size or (guessed.side, guessed.side)
        channels = channels or guessed.channels
    decoder = Preprocessing(*size, channels, (0.0,) * channels, (1.0,) * channels)
    images = np.empty((len(listing.names), *size, channels), np.uint8)
    failed = _decode_all(listing, decoder, images, threads or usable_cpus(), progress)
    readable = np.ones(len(images), bool)
    readable[list(failed)] = False
    _check_counts(listing, readable, min_per_class)
    kept = np.flatnonzero(readable)
    corrupt = tuple(Skipped(listing.names[row], failed[row]) for row in sorted(failed))
    data = ImageData(
        images if readable.all() else images[kept],
        np.array(listing.labels, np.int64)[kept],
        listing.classes,
        tuple(listing.names[row] for row in kept),
        (*corrupt, *listing.strays),
    )
    parts = None if listing.parts is None else np.array(listing.parts, np.int64)[kept]
    return FolderImages(data, parts)


def _decode_all(
    listing: Listing,
    decoder: Preprocessing,
    images: npt.NDArray[np.uint8],
    threads: int,
    progress: Progress | None,
) -> dict[int, str]:
    """Fill the rows of ``images``; returns the rows that failed with the reasons."""

    def decode(start: int) -> dict[int, str]:
        failed = {}
        for row in range(start, min(start + _CHUNK, len(images))):
            path = listing.root / listing.names[row]
            try:
                images[row] = decoder.decode(path)
            except ImageError as error:
                failed[row] = str(error).removeprefix(f"{path}: ")
        return failed

    failed: dict[int, str] = {}
    done = 0
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
        # Pillow's complaints about metadata are no news to the caller; a picture with absurdly
        # many pixels is refused. Filters are set here, once, as threads share them.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        tasks = [pool.submit(decode, start) for start in range(0, len(images), _CHUNK)]
        try:
            for task in as_completed(tasks):
                failed |= task.result()
                done = min(done + _CHUNK, len(images))
                if progress:
                    progress(done, len(images))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return failed


def _check_counts(listing: Listing, readable: npt.NDArray[np.bool_], least: int) -> None:
    """Refuse classes with too few images to train on."""
    labels = np.array(listing.labels, np.int64)
    where = listing.root
    if listing.parts is not None:
        in_train = np.array(listing.parts) == PARTS.index("train")
        labels, readable, where = labels[in_train], readable[in_train], where / "train"
    files = np.bincount(labels, minlength=len(listing.classes))
    images = np.bincount(labels[readable], minlength=len(listing.classes))
    poor = [
        f"{name!r} has {image}" + (f" ({file - image} more cannot be read)" if file > image else "")
        for name, file, image in zip(listing.classes, files, images, strict=True)
        if image < least
    ]
    if poor:
        shown = ", ".join(poor[:5]) + (f" and {len(poor) - 5} more classes" if poor[5:] else "")
        raise DataError(
            f"too few images in {where}: class {shown}; at least {least} are needed. "
            "Add images or remove the folder of the class"
        )
