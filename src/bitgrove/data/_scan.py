"""What a folder of pictures holds, before any picture is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ._errors import DataError
from ._images import Skipped

# fmt: off
IMAGE_SUFFIXES = frozenset({
    ".apng", ".avif", ".bmp", ".dds", ".dib", ".gif", ".heic", ".heif", ".icns", ".ico", ".j2k",
    ".jfif", ".jp2", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".mpo", ".pbm", ".pcx", ".pfm",
    ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi", ".ras", ".sgi", ".tga", ".tif", ".tiff",
    ".webp", ".xbm", ".xpm",
})
# fmt: on
"""A file with one of these suffixes is meant as a picture: if it cannot be read, that is told.

HEIC is among them although Pillow alone cannot read it, so that such files are not passed over in
silence.
"""

PARTS = ("train", "validation", "test")

_PART_FOLDERS = {"train": 0, "val": 1, "validation": 1, "test": 2}


def is_picture(path: Path) -> bool:
    """Whether a file below a folder is meant as a picture, by its name and not hidden.

    >>> [is_picture(Path(name)) for name in ("a/b.JPG", "a/notes.txt", ".old/b.jpg")]
    [True, False, False]
    """
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in IMAGE_SUFFIXES and not hidden


@dataclass(frozen=True, slots=True)
class Listing:
    """The pictures below a folder, sorted by name."""

    root: Path
    names: list[str]
    """Paths relative to the root, with ``/``."""
    labels: list[int]
    classes: tuple[str, ...]
    parts: list[int] | None
    """Per picture 0, 1 or 2 for train, validation, test; None where the folder does not say."""
    strays: tuple[Skipped, ...]
    """Pictures that belong to no class."""


def scan(root: Path) -> Listing:
    """List the pictures of a folder that has one sub-folder per class.

    Folders inside a class count as part of it. Hidden files and folders, and files without the
    suffix of a picture, are passed over. Symbolic links are followed, each real folder once per
    class. A folder that holds ``train`` and ``test``, ``val`` or ``validation`` and nothing else,
    each with class folders inside, is divided already.

    Raises:
        DataError: there is no such folder, or it does not hold two classes.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder")
    groups = _folders(root)
    if not groups:
        _refuse_without_classes(root)
    if _is_divided(root, groups):
        return _scan_divided(root, groups)
    if len(groups) < 2:
        _refuse_one_class(root, groups[0])
    found = sorted(
        (name, label) for label, group in enumerate(groups) for name in _below(root, group)
    )
    return Listing(
        root,
        [name for name, _ in found],
        [label for _, label in found],
        tuple(groups),
        None,
        _strays(root),
    )


def _is_divided(root: Path, groups: list[str]) -> bool:
    return (
        "train" in groups
        and len(groups) > 1
        and set(groups) <= set(_PART_FOLDERS)
        and all(_folders(root / group) and not _pictures(root / group) for group in groups)
    )


def _scan_divided(root: Path, groups: list[str]) -> Listing:
    if {"val", "validation"} <= set(groups):
        raise DataError(f"{root} has both val and validation; keep one")
    classes = _folders(root / "train")
    if len(classes) < 2:
        _refuse_one_class(root / "train", classes[0])
    found: list[tuple[str, int, int]] = []
    for group in groups:
        for name in _folders(root / group):
            if name not in classes:
                raise DataError(
                    f"{root / group} has the class {name!r}, which {root / 'train'} does not have"
                )
            label, part = classes.index(name), _PART_FOLDERS[group]
            found += [(file, label, part) for file in _below(root, f"{group}/{name}")]
    found.sort()
    return Listing(
        root,
        [name for name, _, _ in found],
        [label for _, label, _ in found],
        tuple(classes),
        [part for _, _, part in found],
        _strays(root),
    )


def _below(root: Path, group: str) -> Iterator[str]:
    """Names of the pictures in a class folder and the folders inside it."""
    waiting, seen = [group], set[str]()
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(root / folder)
        if real in seen:  # a link that leads back
            continue
        seen.add(real)
        with os.scandir(root / folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    waiting.append(f"{folder}/{entry.name}")
                elif _is_picture(entry.name):
                    yield f"{folder}/{entry.name}"


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not _is_passed_over(e.name))


def _pictures(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(
            e.name
            for e in entries
            if not e.is_dir() and not e.name.startswith(".") and _is_picture(e.name)
        )


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122, ten times as fast


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _strays(root: Path) -> tuple[Skipped, ...]:
    return tuple(
        Skipped(name, "lies beside the class folders, not in one") for name in _pictures(root)
    )


def _refuse_without_classes(root: Path) -> NoReturn:
    held = len(_pictures(root))
    what = f"{held} pictures and no folders" if held else "no folders"
    raise DataError(f"{root} holds {what}; it needs one sub-folder of pictures per class")


def _refuse_one_class(root: Path, only: str) -> NoReturn:
    inner = _folders(root / only)
    hint = f"; did you mean {root / only}, which has {len(inner)} folders?" if inner else ""
    raise DataError(f"{root} holds one class only, {only!r}; there must be at least two{hint}")
