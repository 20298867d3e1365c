"""The pictures a person names: files, and folders of files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..data import is_picture
from ..runtime import ImageError, Preprocessing


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """Files as they are; a folder stands for all pictures in it, in order of their names.

    Raises:
        FileNotFoundError: a path is missing.
        ValueError: a folder holds no picture.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if is_picture(p.relative_to(path)))
            inside = [p for p in inside if p.is_file()]
            if not inside:
                raise ValueError(f"{path}: no pictures in this folder")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(2, "no such file", str(path))
    return found


def readable(
    preprocessing: Preprocessing, paths: Sequence[Path]
) -> Iterator[tuple[Path, npt.NDArray[np.uint8]]]:
    """Each picture with its pixels; one that cannot be read is named on standard error instead."""
    for path in paths:
        try:
            pixels = preprocessing.decode(path)
        except ImageError as error:
            print(f"bitgrove: {shown(str(error))}", file=sys.stderr)
        else:
            yield path, pixels


def shown(text: str) -> str:
    r"""A name as it may go to a terminal: control characters escaped.

    >>> shown("a b.png"), shown("evil\x1b[2J")
    ('a b.png', 'evil\\x1b[2J')
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in text
    )
